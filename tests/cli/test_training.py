"""The commands about training, as they are typed: what they print, and how they end."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from orchestrator.ledger import Ledger
from tests.support.projects import FLIGHTS, change, write
from tests.support.rows import LOGISTIC, ROUTES, TREE, route


def test_a_newcomers_afternoon(project, typed):
    code, out, _ = typed("registry", "import", "lists.yaml")
    assert (code, out.splitlines()[0]) == (0, "models: 2 added, 0 changed, 0 removed, 0 unchanged")
    code, out, _ = typed("registry", "show")
    assert "StandardScaler > LogisticRegression" in out
    assert "AA-STT" in out

    code, out, _ = typed("plan", "--json")
    assert (code, json.loads(out)["trials"]) == (0, 8)

    code, out, err = typed("run")
    assert code == 0
    assert "8 succeeded, 0 failed, 0 reused" in out
    assert "viewStateShareKey=champions" in out
    assert "2 customers, 4 studies, of which 4 to train with at most 8 trials" in err

    code, out, _ = typed("status", "--json")
    assert [(s["customer"], s["state"], s["version"]) for s in json.loads(out)] == [
        ("AA-SFO", "active", "1"),
        ("AA-STT", "active", "1"),
    ]
    early = typed("status", "--at", "2001-01-01T00:00")[1]
    assert early == "no customer was listed, and none served, at 2001-01-01 00:00:00\n"

    write("lists.yaml", {"models": [LOGISTIC], "customers": [ROUTES[0], route("DL", "SAT")]})
    assert typed("registry", "import", "lists.yaml")[0] == 0
    code, out, _ = typed("run", "--json")
    report = json.loads(out)
    assert report["changes"]["customers"]["removed"] == ["AA-SFO"]
    assert [p["customer"] for p in report["promotions"]] == ["DL-SAT"]

    code, out, _ = typed("history", "AA-SFO")
    assert "added" in out
    assert "champion of AA-SFO: flights.AA-SFO v1 (first champion)" in out
    assert "removed (until now)" in out
    assert "removed (until now)" in typed("history", "tree")[1]
    assert typed("history", "tree", "--model")[1] == typed("history", "tree")[1]
    assert "no customer 'tree'" in typed("history", "tree", "--customer")[2]
    assert typed("history", "tree", "--customer", "--model")[0] == 2

    code, out, _ = typed("runs", "--json")
    assert len(json.loads(out)) == 2
    assert typed("sync")[1] == "sent 0 trials and 0 promotions\n"


@pytest.mark.parametrize(
    ("changes", "told", "code"),
    [
        ({"evaluation": {"loader": "experiments.flights:lod"}}, "evaluation.loader: loader", 2),
        ({"evaluation": {"loader": "nowhere:load"}}, "evaluation.loader: loader", 2),
        ({"search": {"strategy": "grd"}}, "search.strategy: there is no strategy 'grd'", 2),
        (
            {"evaluation": {**FLIGHTS, "metrics": ["acc"], "metric": "acc"}},
            "evaluation.metrics: there is no metric 'acc'",
            2,
        ),
        (
            {"registry": {"source": "sql", "url": "sqlite:///registry.db", "models": "nope"}},
            "registry.models: sqlite:///registry.db has no table 'nope'",
            2,
        ),
        ({"registry": {"source": "nope"}}, "registry.source: there is no source 'nope'", 2),
        ({"registry": {"source": "sql", "url": "sqlite:///no.db"}}, "registry import FILE", 3),
        ({"foo": 1}, "foo: unknown key 'foo'", 2),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_told_before_anything_runs(project, typed, changes, told, code):
    typed("registry", "import", "lists.yaml")
    change("orchestrator.yaml", **changes)
    ended, out, err = typed("run")
    assert (ended, out) == (code, "")
    assert told in err
    if code == 2:
        assert err.startswith("error: orchestrator.yaml: ")
    assert "Traceback" not in err
    assert not Path("ledger.db").exists()


@pytest.mark.parametrize(
    ("models", "customers", "told"),
    [
        ([{"id": "m", "estimator": "os:system"}], ROUTES, "models[0].estimator"),
        ([{"id": "m", "estimator": "sklearn.metrics:accuracy_score"}], ROUTES, "models[0]"),
        ([{**TREE, "grid": {"depth": [1]}}], ROUTES, "models[0].grid.depth"),
        ([TREE, TREE], ROUTES, "models[1].id: 'tree' is already the id of models[0]"),
        (
            [TREE],
            [ROUTES[0], ROUTES[0]],
            "customers[1].id: 'AA-STT' is already the id of customers[0]",
        ),
    ],
)
def test_a_wrong_list_is_told_with_file_and_key(project, typed, models, customers, told):
    write("lists.yaml", {"models": models, "customers": customers})
    code, _, err = typed("registry", "import", "lists.yaml")
    assert code == 2
    assert "lists.yaml" in err
    assert told in err
    assert "Traceback" not in err


def test_a_file_with_bad_customers_is_not_imported_at_all(project, typed):
    typed("registry", "import", "lists.yaml")
    before = typed("registry", "show", "--json")[1]
    bad = [{"id": f"odd{n}", "tags": 3} for n in range(7)]
    write("lists.yaml", {"models": [TREE], "customers": [ROUTES[0], *bad]})
    code, out, err = typed("registry", "import", "lists.yaml")
    assert (code, out) == (2, "")
    assert "lists.yaml: nothing was imported: 7 rows are wrong" in err
    assert all(f"customers[{n + 1}] (odd{n}): tags" in err for n in range(7))
    assert json.loads(typed("registry", "show", "--json")[1])["id"] == json.loads(before)["id"]


@pytest.mark.parametrize("emptied", ["models", "customers"])
def test_an_empty_list_is_not_imported_but_shown(project, typed, emptied):
    write("lists.yaml", {"models": [TREE], "customers": ROUTES[:1], emptied: []})
    code, _, err = typed("registry", "import", "lists.yaml")
    assert code == 2
    assert f"lists.yaml: nothing was imported: the file has no {emptied}" in err
    assert "--accept" not in err
    change("orchestrator.yaml", registry={"source": "file", "path": "lists.yaml"})
    assert typed("registry", "show")[0] == 0
    assert "accept it by `orchestrator run --accept empty`" in typed("plan")[2]


def test_tables_of_other_names_are_not_imported_into(project, typed):
    registry = {"source": "sql", "url": "sqlite:///registry.db", "customers": "clients"}
    change("orchestrator.yaml", registry=registry)
    code, _, err = typed("registry", "import", "lists.yaml")
    assert code == 2
    assert "orchestrator.yaml: registry.customers: this registry reads 'clients'" in err
    assert not Path("registry.db").exists()


def test_a_table_that_is_not_there_is_told_with_a_cure_that_works(project, typed):
    typed("registry", "import", "lists.yaml")
    registry = {"source": "sql", "url": "sqlite:///registry.db", "customers": "clients"}
    change("orchestrator.yaml", registry=registry)
    assert "name one that is there, or leave out `customers`" in typed("registry", "show")[2]


def test_a_bad_customer_is_set_aside_and_shown_while_the_others_go_on(project, typed):
    change("orchestrator.yaml", registry={"source": "file", "path": "lists.yaml"})
    write("lists.yaml", {"models": [TREE], "customers": [ROUTES[0], {"id": "odd", "tags": 3}]})
    code, out, _ = typed("run")
    assert code == 0
    assert "rejected: customer odd: tags" in out
    assert "2 succeeded, 0 failed" in out


TALKATIVE = """
from experiments import flights

print("a loader is imported")

def load(customer):
    print("a loader talks")
    return flights.load(customer)
"""


@pytest.mark.parametrize(
    ("cluster", "commands"),
    [({"kind": "inline"}, ["plan", "run"]), ({"workers": 1, "dashboard": False}, ["run"])],
    ids=["inline", "local"],
)
def test_json_is_all_there_is_on_stdout_however_loaders_talk(project, cluster, commands):
    (project / "talkative.py").write_text(TALKATIVE, encoding="utf-8")
    registry = {"source": "inline", "models": [TREE], "customers": ROUTES[:1]}
    evaluation = {"loader": "talkative:load"}
    change("orchestrator.yaml", registry=registry, evaluation=evaluation, cluster=cluster)
    for command in commands:
        ended = in_a_process(command, "--json", *(["--logs"] if command == "run" else []))
        assert isinstance(json.loads(ended.stdout), dict)
        assert "a loader is imported" in ended.stderr
    assert "a loader talks" in ended.stderr


def in_a_process(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "orchestrator", *arguments],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )


def test_failed_trials_beyond_the_tolerance_end_with_one(project, typed):
    typed("registry", "import", "lists.yaml")
    write("lists.yaml", {"models": [TREE], "customers": [ROUTES[0], route("AA", "NOWHERE")]})
    typed("registry", "import", "lists.yaml")
    code, out, _ = typed("run")
    assert code == 1
    assert "no flights of AA to NOWHERE" in out
    change("orchestrator.yaml", tolerance=0.5)
    assert typed("run", "--fresh")[0] == 0


def test_unknown_keys_and_moments_are_usage_errors(project, typed):
    typed("registry", "import", "lists.yaml")
    assert typed("history", "nobody")[0] == 2
    assert typed("status", "--at", "yesterday")[0] == 2
    assert typed("run", "--accept", "everything")[0] == 2
    assert typed("nonsense")[0] == 2


def wait_for_a_flow_run(process):
    limit = time.monotonic() + 60
    while True:
        if Path("ledger.db").exists():
            with Ledger.look("ledger.db") as ledger:
                if ledger.flow_runs.list():
                    return
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.02)


@pytest.mark.slow
def test_ctrl_c_ends_cleanly_and_resume_goes_on(project, typed):
    """As a person would: a real process, the signal once there is something to lose."""
    typed("registry", "import", "lists.yaml")
    change("orchestrator.yaml", cluster={"kind": "local", "workers": 1, "dashboard": False})
    slow = [{**TREE, "id": f"tree{n}", "grid": {"max_depth": [*range(1, 12)]}} for n in range(8)]
    write("lists.yaml", {"models": slow, "customers": ROUTES})
    typed("registry", "import", "lists.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run"],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_a_flow_run(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("interrupted; continue with: orchestrator resume 2")
    assert "Traceback" not in err
    assert typed("resume")[0] == 0
    assert len(json.loads(typed("runs", "--json")[1])) == 1


def test_the_page_is_not_served_for_a_server_nor_at_ports_that_are_none(project, typed):
    assert typed("ui", "--port", "0")[0] == 2
    assert typed("ui", "--port", "70000")[0] == 2
    change("orchestrator.yaml", tracking={"uri": "http://127.0.0.1:9"})
    code, out, err = typed("ui")
    assert (code, out) == (2, "")
    assert "a server is running already: open http://127.0.0.1:9" in err


@pytest.mark.slow
def test_the_page_ends_with_its_command(project):
    """By SIGTERM, which the command takes for Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "ui", "--port", str(port)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert (
        command.stdout.readline() == f"MLflow runs at http://127.0.0.1:{port} (Ctrl-C stops it)\n"
    )
    serving = psutil.Process(command.pid).children(recursive=True)
    command.terminate()
    _, err = command.communicate(timeout=60)
    assert (command.returncode, err) == (0, "")
    _, alive = psutil.wait_procs(serving, timeout=10)
    assert not alive


def test_help_is_there_at_once_and_imports_nothing_slow():
    code = (
        "import sys\n"
        "from orchestrator.cli import app\n"
        "slow = {'mlflow', 'sklearn', 'pandas', 'distributed', 'sqlalchemy', 'optuna'}\n"
        "print(sorted(slow & {name.partition('.')[0] for name in sys.modules}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert ran.stdout.strip() == "[]"


def test_what_would_be_done_is_explained_for_one_customer(project, typed):
    typed("registry", "import", "lists.yaml")
    code, out, _ = typed("why", "AA-STT")
    assert (code, "no model serves it yet" in out, "being new" in out) == (0, True, True)
    assert not (project / "ledger.db").exists()
    typed("run")
    code, out, _ = typed("why", "AA-STT", "--json")
    told = json.loads(out)
    assert {study["action"] for study in told["studies"]} == {"reuse"}
    assert told["champion"]["registered_model"] == "flights.AA-STT"
    assert "nothing would change" in typed("why", "AA-STT")[1]
    assert typed("why", "nobody")[0] == 2


def test_snapshots_are_listed_shown_and_compared(project, typed):
    typed("registry", "import", "lists.yaml")
    typed("run")
    write("lists.yaml", {"models": [LOGISTIC, TREE], "customers": ROUTES[:1]})
    typed("registry", "import", "lists.yaml")
    code, out, _ = typed("plan")
    assert (code, "1: AA-SFO" in out) == (0, True)
    typed("run")
    _, out, _ = typed("snapshot", "list", "--json")
    after, before = (fetch["snapshot"] for fetch in json.loads(out))
    assert "AA-SFO" in typed("snapshot", "show", before[:10])[1]
    assert "AA-SFO" not in typed("snapshot", "show", after)[1]
    assert "1: AA-SFO" in typed("snapshot", "diff", before, after)[1]
    _, out, _ = typed("snapshot", "diff", before, after, "--json")
    assert json.loads(out)["customers"]["removed"] == ["AA-SFO"]
    assert typed("snapshot", "show", "nothing")[0] == 2


def test_what_is_old_is_removed_only_with_yes(project, typed):
    typed("registry", "import", "lists.yaml")
    typed("run")
    typed("run", "--fresh")
    code, out, _ = typed("clean", "--keep-last", "1")
    assert (code, "would be removed" in out, "add --yes" in out) == (0, True, True)
    assert typed("clean", "--yes", "--dry-run")[0] == 2
    assert typed("clean", "--before", "yesterday")[0] == 2
    _, out, _ = typed("clean", "--yes", "--archive", "old", "--json")
    told = json.loads(out)
    assert told["removed"]
    assert told["trials"] > 0
    assert (project / "old" / "trials.parquet").exists()
    assert "0 studies with 0 trials" in typed("clean")[1]


def test_a_customer_is_forgotten_only_when_that_is_certain(project, typed, monkeypatch):
    typed("registry", "import", "lists.yaml")
    typed("run")
    monkeypatch.setattr("sys.stdin", io.StringIO("AA-SFO\n"))
    code, _, err = typed("forget", "AA-STT")
    assert (code, "nothing was forgotten" in err) == (2, True)
    code, out, _ = typed("forget", "AA-STT", "--yes")
    assert (code, "flights.AA-STT is deleted" in out) == (0, True)
    assert "AA-STT" not in typed("status")[1]
    assert "forget" in typed("runs")[1]
    assert typed("history", "AA-STT")[0] == 2
