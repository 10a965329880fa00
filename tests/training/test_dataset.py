"""Loaders and what they return; what studies of one customer share on a worker."""

import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Event

import fsspec
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from orchestrator.errors import ConfigError
from orchestrator.permissions import Addresses
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Selector, Step, Study
from orchestrator.training import fingerprint
from orchestrator.training.cache import SharedCache
from orchestrator.training.data import Data, DataError, find_loader
from orchestrator.training.dataset import nbytes, prepare
from orchestrator.training.fingerprint import Fingerprints, data_part
from orchestrator.training.versions import data_versions, loaded_version

LOADER = """
    from importlib.metadata import version as other_version
    from pathlib import Path

    calls = []

    def load(customer):
        calls.append(customer.id)
        return [[1.0], [2.0], [3.0], [4.0]] * 3, [0, 1, 0, 1] * 3
"""
VERSION = """
    def version(customer):
        return customer.data["version"]
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of loaders that can be imported, and forgets it afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    name = "loaders_of_a_test"

    def write(*parts: str) -> str:
        sys.modules.pop(name, None)
        code = "".join(textwrap.dedent(part) for part in parts)
        (tmp_path / f"{name}.py").write_text(code)
        return name

    yield write
    sys.modules.pop(name, None)


def study_of(module: str, *, function="load", data=None, **changes) -> Study:
    return Study(
        **{
            "flow_run": "run-1",
            "snapshot": "s1",
            "customer": Customer(id="acme", data=data),
            "model": ModelSpec(
                id="tree",
                steps=(Step(name="t", estimator="sklearn.tree:DecisionTreeClassifier"),),
                grid=({"max_depth": (2, 3)},),
            ),
            "evaluation": Evaluation(loader=f"{module}:{function}"),
            **changes,
        }
    )


def calls(module: str) -> list[str]:
    return sys.modules[module].calls


class TestLoaders:
    def test_a_version_is_a_function_beside_the_loader(self, module):
        loader = find_loader(f"{module(LOADER, VERSION)}:load")
        assert loader.version_of(Customer(id="acme", data={"version": "7"})) == "7"

    def test_an_imported_version_is_not_meant(self, module):
        imported = "from importlib.metadata import version\n"
        assert find_loader(f"{module(imported, LOADER)}:load").version is None

    def test_a_version_that_is_no_text_is_refused(self, module):
        loader = find_loader(f"{module(LOADER, VERSION)}:load")
        with pytest.raises(DataError, match=r"customer 'acme': `version` .* returned 7"):
            loader.version_of(Customer(id="acme", data={"version": 7}))

    @pytest.mark.parametrize(
        ("path", "message"),
        [
            ("no_such_module_here:load", "cannot be imported: ModuleNotFoundError"),
            ("json:no_such_function", "module 'json' has no such function"),
            ("json.load", "write 'package.module:function'"),
            (":load", "write 'package.module:function'"),
        ],
    )
    def test_a_loader_that_is_not_there_is_named(self, path, message):
        with pytest.raises(ConfigError, match=message):
            find_loader(path)

    def test_a_module_that_fails_to_import_says_why(self, module):
        with pytest.raises(ConfigError, match="cannot be imported: ZeroDivisionError"):
            find_loader(f"{module('1 / 0')}:load")


RETURNS = [
    ("None", "returned NoneType; return .*orchestrator.training.data.Data"),
    ("([], [])", "returned no rows"),
    ("([[1], [2]], [0])", "unequal numbers of rows: 2 of X, 1 of y"),
    ("([[1], [2]], 3)", "returned no rows as y but"),
    ("(None, [0])", "returned no rows as X but NoneType"),
    ("([[1], [2]], [0, None])", "returned 1 of 2 rows without a target"),
    ("([[1], [2]], [0.0, float('nan')])", "returned 1 of 2 rows without a target"),
    ("Data(X=[[1], [2]], y=[0, 1], groups=[1])", "2 of X, 2 of y, 1 of groups"),
    ("Data(X=[[1], [2]], y=[0, 1], sample_weight=[1, 2, 3])", "3 of sample_weight"),
]


@pytest.mark.parametrize(("returned", "message"), RETURNS)
def test_data_that_cannot_be_used_is_refused_with_the_customers_name(module, returned, message):
    code = f"from orchestrator.training.data import Data\ndef load(customer):\n  return {returned}"
    with pytest.raises(DataError, match=f"customer 'acme': loader .*{message}"):
        prepare(study_of(module(code)), SharedCache())


def test_a_target_to_regress_on_must_be_finite(module):
    study = study_of(module("def load(customer):\n    return [[1], [2]], [1.0, float('inf')]"))
    study = replace(study, evaluation=replace(study.evaluation, task="regression"))
    with pytest.raises(DataError, match="targets that are not finite numbers"):
        prepare(study, SharedCache())


class TestSharing:
    def test_studies_of_one_customer_share_data_and_folds(self, module):
        study, cache = study_of(module(LOADER, VERSION), data={"version": "1"}), SharedCache()
        other = replace(study, model=replace(study.model, id="other"), flow_run="run-2")
        assert prepare(study, cache) is prepare(other, cache)
        assert calls("loaders_of_a_test") == ["acme"]

    @pytest.mark.parametrize(
        "change",
        [
            {"customer": Customer(id="acme", data={"version": "2"})},
            {"customer": Customer(id="zen", data={"version": "1"})},
            {"customer": Customer(id="acme", data={"version": "1"}, tags=("large",))},
        ],
    )
    def test_other_data_is_loaded(self, module, change):
        study, cache = study_of(module(LOADER, VERSION), data={"version": "1"}), SharedCache()
        assert prepare(study, cache) is not prepare(replace(study, **change), cache)
        assert len(calls("loaders_of_a_test")) == 2

    def test_folds_are_the_customers_own_and_follow_the_seed(self, module):
        study, cache = study_of(module(LOADER, VERSION), data={"version": "1"}), SharedCache()

        def folds(**evaluation):
            changed = replace(study, evaluation=replace(study.evaluation, **evaluation))
            return [test.tolist() for _, test in prepare(changed, cache).folds]

        assert folds(seed=0) == folds(metrics=("accuracy",), metric="accuracy")
        assert folds(seed=0) != folds(seed=1)
        assert sorted(row for test in folds(folds=4) for row in test) == list(range(12))

    def test_data_of_unknown_version_is_shared_within_a_flow_run_only(self, module):
        study, cache = study_of(module(LOADER)), SharedCache()
        assert prepare(study, cache) is prepare(study, cache)
        later = replace(study, flow_run="run-2")
        assert prepare(later, cache) is not prepare(study, cache)
        by_hand = replace(study, flow_run="")
        assert prepare(by_hand, cache) is not prepare(by_hand, cache)

    def test_groups_stay_on_one_side(self, module):
        code = """
            import numpy as np
            from orchestrator.training.data import Data
            def load(customer):
                return Data(X=np.ones((40, 1)), y=np.arange(40) % 2, groups=np.arange(40) // 4)
        """
        for train, test in prepare(study_of(module(code)), SharedCache()).folds:
            assert not set(train // 4) & set(test // 4)

    def test_frames_keep_their_columns(self, module):
        code = """
            import pandas as pd
            def load(customer):
                return pd.DataFrame({"a": [1, 2, 3, 4], "b": list("wxyz")}), pd.Series([0, 1, 0, 1])
        """
        study = study_of(module(code), evaluation=Evaluation(loader="x:y", folds=2))
        study = replace(
            study, evaluation=replace(study.evaluation, loader="loaders_of_a_test:load")
        )
        found = prepare(study, SharedCache())
        assert isinstance(found.data.X, pd.DataFrame)
        assert (found.rows, found.finite, len(found.folds)) == (4, False, 2)


@dataclass
class Block:
    """A value of some bytes."""

    nbytes: int


class TestCache:
    def test_the_least_recently_used_goes_first(self):
        cache = SharedCache(max_bytes=30)
        a, _b = cache.get("a", lambda: Block(10)), cache.get("b", lambda: Block(10))
        assert cache.get("a", lambda: Block(10)) is a
        cache.get("c", lambda: Block(20))
        assert cache.get("a", lambda: Block(10)) is a
        assert cache.nbytes == 30

    def test_the_newest_is_kept_however_large(self):
        cache = SharedCache(max_bytes=30)
        cache.get("small", lambda: Block(10))
        large = cache.get("large", lambda: Block(1000))
        assert cache.get("large", lambda: Block(1)) is large
        assert len(cache) == 1

    def test_entries_are_counted_too(self):
        cache = SharedCache(max_entries=3)
        for number in range(10):
            cache.get(number, lambda: Block(0))
        assert len(cache) == 3

    def test_what_fails_is_not_kept(self):
        cache = SharedCache()
        with pytest.raises(ZeroDivisionError):
            cache.get("a", lambda: 1 / 0)
        assert cache.get("a", lambda: Block(5)).nbytes == 5

    def test_two_threads_that_want_one_value_make_it_once(self):
        cache, made, begun, go_on = SharedCache(), [], Event(), Event()

        def make() -> Block:
            made.append(1)
            begun.set()
            assert go_on.wait(10)
            return Block(5)

        with ThreadPoolExecutor(2) as threads:
            first = threads.submit(cache.get, "a", make)
            assert begun.wait(10)
            second = threads.submit(cache.get, "a", make)
            go_on.set()
            assert first.result(10) is second.result(10)
        assert made == [1]

    def test_many_threads_leave_a_true_count(self):
        cache = SharedCache(max_bytes=200)
        random = np.random.default_rng(0)
        keys = random.integers(0, 40, size=2000).tolist()
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda key: cache.get(key, lambda: Block(10)), keys))
        assert cache.nbytes == 10 * len(cache) <= 200

    def test_what_grows_counts_as_large_as_it_is(self):
        cache, growing = SharedCache(max_bytes=30), Block(0)
        cache.get("old", lambda: Block(20))
        cache.get("growing", lambda: growing)
        for growing.nbytes, entries in ((10, 2), (25, 1), (5, 1)):
            cache.weigh("growing")
            assert (len(cache), cache.nbytes) == (entries, growing.nbytes + 20 * (entries - 1))
        cache.weigh("forgotten")

    def test_it_can_be_emptied(self):
        cache = SharedCache()
        cache.get("a", lambda: Block(5))
        cache.clear()
        assert (len(cache), cache.nbytes) == (0, 0)


def planned(study, **settings):
    """The study with its parts and its fingerprint, as planning gives them."""
    loader = find_loader(study.evaluation.loader)
    version = data_versions(loader, [study.customer])[0].text
    fingerprints = Fingerprints(study.evaluation, study.search, loader, **settings)
    data = data_part(study.customer, version)
    return fingerprints.of(replace(study, data_version=version), data)


def study_fingerprint(study):
    return planned(study).fingerprint


class TestFingerprint:
    def test_it_neither_loads_data_nor_changes_by_itself(self, module):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        assert study_fingerprint(study) == study_fingerprint(study)
        assert calls("loaders_of_a_test") == []

    def test_without_a_version_of_the_data_there_is_none(self, module):
        assert study_fingerprint(study_of(module(LOADER))) == ""

    def test_the_loaders_code_matters(self, module):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        before = study_fingerprint(study)
        module(LOADER, VERSION, "\n# changed\n")
        assert study_fingerprint(study) != before

    @pytest.mark.parametrize(
        "change",
        [
            lambda s: replace(s, customer=replace(s.customer, data={"version": "2"})),
            lambda s: replace(s, customer=replace(s.customer, id="zen")),
            lambda s: replace(
                s, customer=replace(s.customer, grids={"tree": ({"max_depth": (9,)},)})
            ),
            lambda s: replace(s, model=replace(s.model, params={"criterion": "entropy"})),
            lambda s: replace(s, model=replace(s.model, grid=({"max_depth": (2,)},))),
            lambda s: replace(s, model=replace(s.model, id="oak")),
            lambda s: replace(s, evaluation=replace(s.evaluation, folds=4)),
            lambda s: replace(s, evaluation=replace(s.evaluation, seed=1)),
            lambda s: replace(s, evaluation=replace(s.evaluation, metrics=("accuracy",))),
            lambda s: replace(s, search=Search(strategy="random", settings={"n_trials": 2})),
        ],
    )
    def test_what_decides_results_matters(self, module, change):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        assert study_fingerprint(study) != study_fingerprint(change(study))

    @pytest.mark.parametrize(
        ("part", "change"),
        [
            ("data", lambda s: replace(s, customer=replace(s.customer, data={"version": "2"}))),
            ("data", lambda s: replace(s, customer=replace(s.customer, tags=("vip",)))),
            ("params", lambda s: replace(s, model=replace(s.model, params={"criterion": "gini"}))),
            (
                "params",
                lambda s: replace(s, model=replace(s.model, when=Selector(min_rows=9))),
            ),
            ("grid", lambda s: replace(s, model=replace(s.model, grid=({"max_depth": (2,)},)))),
            ("folds", lambda s: replace(s, evaluation=replace(s.evaluation, folds=4))),
            ("search", lambda s: replace(s, search=Search(strategy="random"))),
        ],
    )
    def test_what_changed_can_be_told(self, module, part, change):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        one, other = planned(study).follows_from, planned(change(study)).follows_from
        assert [name for name in one if one[name] != other[name]] == [part]

    def test_a_changed_library_matters_only_where_it_is_asked_for(self, module, monkeypatch):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        before = [planned(study, with_environment=asked) for asked in (False, True)]
        monkeypatch.setattr(fingerprint, "environment", lambda _model: "scikit-learn 0.1")
        after = [planned(study, with_environment=asked) for asked in (False, True)]
        changed = [
            one.fingerprint != two.fingerprint for one, two in zip(before, after, strict=True)
        ]
        assert changed == [False, True]
        assert after[0].follows_from["environment"] == "scikit-learn 0.1"

    @pytest.mark.parametrize(
        "change",
        [
            {"flow_run": "run-2"},
            {"snapshot": "s2"},
        ],
    )
    def test_what_does_not_decide_results_does_not(self, module, change):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        assert study_fingerprint(study) == study_fingerprint(replace(study, **change))

    def test_a_models_cost_does_not_matter(self, module):
        study = study_of(module(LOADER, VERSION), data={"version": "1"})
        dearer = replace(study, model=replace(study.model, cost=9.0))
        assert study_fingerprint(study) == study_fingerprint(dearer)


class TestVersions:
    def test_the_loaders_own_word_comes_first(self, module, tmp_path):
        assert versions(module(LOADER, VERSION), {"version": "7"}) == ["7"]

    def test_a_file_is_known_by_its_size_and_time(self, module, tmp_path):
        path, file = module(LOADER), tmp_path / "sales.csv"
        file.write_text("1,2\n")
        first = versions(path, str(file))
        assert versions(path, f"file://{file}") == first != [""]
        file.write_text("1,2,3\n")
        assert versions(path, str(file)) != first

    def test_a_file_in_an_object_store_is_known_by_its_tag(self, module, monkeypatch):
        memory = fsspec.filesystem("memory")
        memory.pipe("/sales.csv", b"1")
        found = {"size": 1, "type": "file", "ETag": "abc"}
        monkeypatch.setattr(type(memory), "info", lambda self, path, **_: found)
        path = module(LOADER)
        first = versions(path, "memory://sales.csv")
        found["ETag"] = "abd"
        assert versions(path, "memory://sales.csv") != first

    @pytest.mark.parametrize("data", [None, "AA", {"carrier": "AA"}, "nowhere://x", "/not/there"])
    def test_anything_else_has_no_version_before_it_is_loaded(self, module, data):
        assert versions(module(LOADER), data) == [""]

    def test_a_folder_has_none(self, module, tmp_path):
        assert (
            versions(module(LOADER), str(tmp_path)) == versions(module(LOADER), "file:///") == [""]
        )

    def test_a_version_that_fails_leaves_it_to_the_worker(self, module):
        assert versions(module(LOADER, VERSION), {}) == [""]

    def test_loaded_data_is_known_by_its_content(self, module):
        first = loaded_version(study_of(module(LOADER)))
        assert loaded_version(replace(study_of(module(LOADER)), flow_run="other")) == first
        more = LOADER.replace("* 3", "* 4")
        assert loaded_version(replace(study_of(module(more)), flow_run="third")) != first


def versions(path, data):
    addresses = Addresses(schemes=("memory",))
    found = data_versions(find_loader(f"{path}:load"), [Customer(id="AA", data=data)], addresses)
    return [version.text for version in found]


@pytest.mark.parametrize(
    ("rows", "at_least"),
    [
        (["late " * 200] * 3, 3000),
        (sparse.csr_matrix(np.eye(100)), 100 * 8 + 100 * 4 + 101 * 4),
        (pd.DataFrame({"a": np.zeros(100)}), 800),
        (np.zeros(100), 800),
    ],
    ids=["texts", "sparse", "frame", "array"],
)
def test_rows_are_known_to_weigh_what_they_hold(rows, at_least):
    assert at_least <= nbytes(rows) < at_least + 500


def test_data_can_be_given_with_weights_and_groups():
    data = Data(X=[[1]], y=[1], groups=[0], sample_weight=[2.0])
    assert (data.groups, data.sample_weight) == ([0], [2.0])
