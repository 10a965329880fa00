"""A program: rows with bait wherever a value can stand; nothing may be done with the bait.

tests/registry/test_row_parameters.py runs it in a process of its own, since an audit hook
cannot be removed.
Its argument is an empty folder, which is importable.
"""

import json
import pickle
import socket
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import fsspec.implementations.local
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_classification

from orchestrator.errors import OrchestratorError
from orchestrator.estimators import Estimators
from orchestrator.permissions import Addresses
from orchestrator.records import Distribution
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource
from orchestrator.training.data import Loader
from orchestrator.training.parallel_looks import Looks
from orchestrator.training.versions import data_versions
from orchestrator.training.web_files import file_headers

FOLDER = Path(sys.argv[1])
BAIT = "bait_of_a_row"
(FOLDER / f"{BAIT}.py").write_text("def run(*args, **kwargs): pass\n")
(FOLDER / f"{BAIT}.pkl").write_bytes(pickle.dumps("bait"))
SERVER = socket.create_server(("127.0.0.1", 0))
PORT = SERVER.getsockname()[1]
DONE: list[str] = []
FIT = {"rows": 0}
WATCHED = (
    *("open", "import", "os.mkdir", "os.rename", "os.remove", "os.chdir", "os.listdir"),
    *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.sendto"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class"),
)
watching = False


def watch(event, args):
    if watching and event in WATCHED:
        text = repr(args)
        if not event.startswith(("open", "import", "os.listdir", "pickle")) or BAIT in text:
            DONE.append(f"{event}{text[:300]}")


sys.addaudithook(watch)

PLACES = [
    str(FOLDER / BAIT),
    str(FOLDER / f"{BAIT}.pkl"),
    f"{FOLDER}/{BAIT}/deeper",
    f"../{BAIT}",
    f"~/{BAIT}",
    BAIT,
    f"{BAIT}.pkl",
]
CODE = [f"{BAIT}:run", f"{BAIT}.run", f"{BAIT}.run()", f"__import__('{BAIT}')"]
HOSTS = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"]
ADDRESSES = [
    *(
        f"{scheme}://{host}:{PORT}/x"
        for scheme in ("http", "https", "ftp", "dask")
        for host in HOSTS
    ),
    f"dask://127.0.0.1:{PORT}/x::file://{FOLDER}/{BAIT}.pkl",
    f"simplecache::http://127.0.0.1:{PORT}/x",
    f"zip://x::https://127.0.0.1:{PORT}/{BAIT}.zip",
    f"reference://::file://{FOLDER}/{BAIT}.pkl",
]
TEXT = st.sampled_from([*PLACES, *CODE, *ADDRESSES])
VALUE = st.recursive(
    TEXT,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=2)
        | st.dictionaries(st.sampled_from(["memory", "train_dir", "x", BAIT]), inner, min_size=1)
    ),
    max_leaves=3,
)
MODELS = {
    "sklearn.cluster:FeatureAgglomeration": ["memory", "pooling_func", "metric", "linkage"],
    "sklearn.preprocessing:FunctionTransformer": ["func", "inverse_func", "kw_args", "validate"],
    "sklearn.feature_selection:SelectKBest": ["score_func", "k"],
    "sklearn.preprocessing:OneHotEncoder": ["dtype", "categories", "feature_name_combiner"],
    "sklearn.preprocessing:StandardScaler": ["copy", "with_mean"],
}
FINAL = {
    "sklearn.linear_model:LogisticRegression": ["solver", "class_weight", "C", "verbose"],
    "sklearn.neighbors:KNeighborsClassifier": ["metric", "weights", "metric_params"],
    "sklearn.svm:SVC": ["kernel", "gamma", "cache_size"],
    "sklearn.ensemble:BaggingClassifier": ["estimator", "estimator__memory", "max_samples"],
}


@st.composite
def models(draw):
    first, last = draw(st.sampled_from(sorted(MODELS))), draw(st.sampled_from(sorted(FINAL)))
    steps = [{"name": "a", "estimator": first}, {"name": "b", "estimator": last}]
    if draw(st.integers(0, 9)) == 0:
        steps[draw(st.integers(0, 1))]["estimator"] = draw(TEXT)
    names = [f"a__{n}" for n in MODELS[first]] + [f"b__{n}" for n in FINAL[last]]
    row = {"id": draw(st.just("m") | TEXT), "pipeline": steps}
    name = draw(st.sampled_from([*names, "memory", "steps", "a", "b"]))
    where = draw(st.sampled_from(["params", "grid", "space", "when"]))
    value = draw(VALUE)
    if where == "params":
        row["params"] = {name: value}
    elif where == "grid":
        row["grid"] = {name: [value]}
    elif where == "space":
        row["space"] = {name: {"categorical": [value]}}
    else:
        row["when"] = {"tags": [draw(TEXT)]}
    return row


@st.composite
def customers(draw, model):
    name = draw(st.sampled_from(["b__C", "b__metric", "a__memory", "a__func", "b__solver"]))
    row = {"id": draw(st.just("c") | TEXT), "data": draw(VALUE)}
    where = draw(st.sampled_from(["grids", "spaces", "segment", "tags", "none"]))
    if where in {"grids", "spaces"}:
        row[where] = {model: {name: [draw(VALUE)]}}
    elif where == "segment":
        row["segment"] = draw(TEXT)
    elif where == "tags":
        row["tags"] = [draw(TEXT)]
    return row


X, Y = make_classification(40, 6, random_state=0)
LOADER = Loader(path="mine:load", load=lambda customer: (X, Y))


def use(model, rows):
    """What a run does with rows: read, look at versions, build and fit every candidate."""
    FIT["rows"] += 1
    try:
        found = fetch(
            InlineSource(models=[model], customers=rows), estimators=Estimators(("sklearn",))
        )
    except OrchestratorError:
        return
    limits = Looks(seconds=20)
    data_versions(LOADER, found.customers, Addresses(), limits)
    data_versions(LOADER, [replace(c, data=r.get("data")) for c in found.customers for r in rows])
    for spec in found.models:
        grids = [spec.grid, *(c.grids[spec.id] for c in found.customers if spec.id in c.grids)]
        for part in [part for grid in grids for part in grid] or [{}]:
            params = {
                name: values.choices[0] if isinstance(values, Distribution) else values[0]
                for name, values in part.items()
            }
            try:
                Estimators(("sklearn",)).build(spec, params).fit(X, Y)
            except Exception:  # noqa: BLE001, S112 - a value that does not fit is refused by sklearn
                continue


@settings(
    max_examples=400, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(st.data())
def hostile_rows(data):
    global watching  # noqa: PLW0603 - an audit hook has no other state
    model = data.draw(models())
    rows = [{"id": "plain"}, data.draw(customers(model["id"]))]
    watching = True
    try:
        use(model, rows)
    finally:
        watching = False
    assert not DONE, (model, rows, DONE)


def main():
    warnings.simplefilter("ignore")
    assert callable(file_headers)
    assert fsspec.implementations.local
    for estimator in (*MODELS, *FINAL):  # what scikit-learn imports late is imported before
        plain = {"id": "m", "estimator": estimator}
        use(plain, [{"id": "c", "data": str(FOLDER / "none.csv")}])
    hostile_rows()
    left = sorted(path.name for path in FOLDER.iterdir() if path.name != "__pycache__")
    assert left == [f"{BAIT}.pkl", f"{BAIT}.py"], left
    SERVER.settimeout(0.2)
    try:
        SERVER.accept()
    except TimeoutError:
        sys.stdout.write(json.dumps(FIT))
        return
    raise AssertionError("something connected")


main()
