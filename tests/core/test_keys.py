"""Keys: parts that any text may be, told apart by every key that is made of them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import flow, keys, task
from orchestrator.ledger import Ledger
from orchestrator.mapping import MemoryRecorder
from orchestrator.records import State

CHARACTERS = st.one_of(
    st.sampled_from("/@#%.0123456789abé "), st.characters(codec=None, exclude_categories=())
)
NAMES = st.text(CHARACTERS, max_size=6)


@given(parts=st.lists(NAMES, max_size=4))
def test_a_key_is_split_into_the_parts_it_was_joined_of(parts):
    assert keys.split(keys.join(*parts)) == tuple(parts)


@given(one=st.lists(NAMES, max_size=4), other=st.lists(NAMES, max_size=4))
def test_different_parts_have_different_keys(one, other):
    assert (keys.join(*one) == keys.join(*other)) == (one == other)


@given(name=NAMES, place=st.integers(min_value=0, max_value=9))
def test_no_name_looks_like_the_key_of_an_instance_without_one(name, place):
    assert keys.part(name) != keys.unnamed(str(place))
    assert keys.is_lasting(keys.part(name))
    assert not keys.is_lasting(keys.below("acme", keys.unnamed(str(place))))


@given(above=NAMES, parts=st.lists(NAMES, min_size=1, max_size=3), other=NAMES)
def test_a_key_is_under_its_coordinators_and_under_no_other(above, parts, other):
    key = keys.join(above, *parts)
    assert keys.is_under(key, keys.part(above))
    assert keys.is_under(key, keys.part(other)) == (above == other)


@pytest.mark.parametrize(
    ("parts", "key"),
    [
        (("acme", "logreg@champion", "3"), "acme/logreg@champion/3"),
        (("eu/7", "0"), "eu%2F7/0"),
        (("100%", "#1", "a#1", ""), "100%25/%231/a#1/%"),
    ],
)
def test_names_without_special_characters_are_written_unchanged(parts, key):
    assert keys.join(*parts) == key


def test_long_names_are_cut_and_stay_apart():
    one, other = keys.part("x" * 10_000), keys.part("x" * 10_001)
    assert one != other
    assert max(len(one), len(other)) <= keys.LONGEST_PART


@task
def pair(x, y):
    return x, y


@task(key="{value}")
def named(value):
    return value


@task(key="{of[0]}")
async def below_it(of):
    return list(await named.expand(value=of[1]))


@flow
def products(x, y):
    return pair.expand(x=x, y=y)


@flow
def coordinated(groups):
    return below_it.expand(of=groups)


@flow
def map_of(value):
    return named.expand(value=value)


def test_products_of_names_with_slashes_are_told_apart():
    recorder = MemoryRecorder()
    run = products.run(params={"x": {"a": 1, "a/b": 2}, "y": {"b/c": 3, "c": 4}}, ledger=recorder)
    assert run.counts == {"success": 4}
    assert sorted(key for _, _, key in recorder.instances) == [
        *("a%2Fb/b%2Fc", "a%2Fb/c", "a/b%2Fc", "a/c")
    ]


def test_what_two_coordinators_call_is_told_apart():
    recorder = MemoryRecorder()
    coordinated.run(params={"groups": [("a", ["b/c"]), ("a/b", ["c"])]}, ledger=recorder)
    called = {key for _, node, key in recorder.instances if node == "named@below_it"}
    assert called == {"a/b%2Fc", "a%2Fb/c"}


def test_a_template_parts_a_key_and_its_values_do_not():
    @task(key="{customer}/{model}")
    def fit(customer, model):
        return customer, model

    @flow
    def fits():
        return fit.expand_kwargs(
            [{"customer": "eu", "model": "7/0"}, {"customer": "eu/7", "model": "0"}]
        )

    assert list(fits.run().result().by_key) == ["eu/7%2F0", "eu%2F7/0"]


def test_a_key_function_gives_one_part_or_a_tuple_of_parts():
    @task(key=lambda of: of)
    def fit(of):
        return of

    @flow
    def fits():
        return fit.expand(of=["a/b", ("a", "b"), 7])

    assert list(fits.run().result().by_key) == ["a%2Fb", "a/b", "7"]


@pytest.mark.parametrize("given", [None, [], ["a"], {"a": 1}, (), (None,)])
def test_a_key_function_that_gives_no_key_fails_that_instance_alone(given):
    @task(key=lambda of: given if of == "bad" else of)
    def fit(of):
        return of

    @flow
    def fits():
        return fit.expand(of=["good", "bad"])

    good, bad = fits.run().result().items()
    assert good.value == "good"
    assert "option 'key' gave" in bad.error
    assert bad.key == "#1"


def test_an_instance_that_failed_to_get_a_name_is_found_in_the_ledger(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = map_of.run(params={"value": ["2", "x", "x"]}, ledger=ledger.recorder())
        found = ledger.flow_runs.instances(run.id, state=State.FAILED)
        assert [one.key for one in found] == ["#2"]
        assert "two items of 'named' have the key 'x'" in found[0].error
        assert len(ledger.flow_runs.instances(run.id)) == 3


def test_an_instance_whose_source_failed_has_a_key_that_no_name_can_take():
    @task
    def source(x):
        return x or 1 / x

    @task(key="{value}")
    def after(value):
        return value

    @flow
    def chained():
        return after.expand(value=source.expand(x=[0, "0"]))

    failed, good = chained.run().result().items()
    assert (failed.key, str(failed.state)) == ("#0", "upstream_failed")
    assert (good.key, good.value) == ("0", "0")


def test_calls_of_one_coordinator_that_are_one_node_share_no_key():
    grown = named.options(grows=True)

    @task
    async def twice():
        first = await grown.expand(value=["a", "b"])
        second = await grown.expand(value=["b", "c"])
        return [*first, *second]

    @flow
    def both():
        return twice()

    recorder = MemoryRecorder()
    run = both.run(ledger=recorder)
    assert run.result() == ["a", "b", "c"]
    keys_of = {key: one for (_, node, key), one in recorder.instances.items() if "named" in node}
    assert set(keys_of) == {"a", "b", "c", "#1.0"}
    assert "two items of 'named@twice' have the key 'b'" in keys_of["#1.0"].error


def test_a_coordinator_that_is_tried_again_may_call_the_same_again():
    tried = []

    @task(retries=1)
    async def again():
        values = await named.options(grows=True).expand(value=["a"])
        tried.append(values)
        if len(tried) == 1:
            raise OSError("once")
        return list(values)

    @flow
    def retried():
        return again()

    assert retried.run().result() == ["a"]


def test_outcomes_are_found_by_the_name_as_it_was_written():
    by_key = map_of.run(params={"value": ["eu/7", "eu"]}).result().by_key
    assert by_key["eu/7"].value == "eu/7"
    assert "eu/7" in by_key
    assert by_key.get("eu/8") is None
    with pytest.raises(KeyError, match="eu/8"):
        by_key["eu/8"]


@settings(max_examples=15, deadline=None)
@given(groups=st.dictionaries(NAMES, st.lists(NAMES, unique=True, max_size=3), max_size=4))
def test_every_instance_has_a_row_of_its_own_whatever_the_names(tmp_path_factory, groups):
    with Ledger.open(tmp_path_factory.mktemp("ledger") / "ledger.db") as ledger:
        run = coordinated.run(params={"groups": list(groups.items())}, ledger=ledger.recorder())
        rows = ledger.flow_runs.instances(run.id, limit=None)
        below = {
            keys.split(row.key) for row in rows if row.node == "named@below_it" and row.index >= 0
        }
    assert below == {(above, name) for above, names in groups.items() for name in names}


def test_a_pattern_finds_a_name_with_a_slash_however_it_is_typed(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = map_of.run(params={"value": ["eu/7", "eu", "eu/8", "#1"]}, ledger=ledger.recorder())
        for pattern, found in [
            ("eu/7", ["eu%2F7"]),
            ("eu%2F*", ["eu%2F7", "eu%2F8"]),
            ("eu*", ["eu%2F7", "eu", "eu%2F8"]),
            ("#1", ["%231"]),
        ]:
            rows = ledger.flow_runs.instances(run.id, key_pattern=pattern)
            assert [row.key for row in rows] == found


def test_all_calls_of_a_task_are_found_by_its_name_whoever_called(tmp_path):
    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = coordinated.run(params={"groups": [("a", ["x"])]}, ledger=ledger.recorder())
        for name, found in [("named", ["a/x"]), ("named@below_it", ["a/x"]), ("name", [])]:
            rows = ledger.flow_runs.instances(run.id, task=name)
            assert [row.key for row in rows] == found


def test_a_long_error_is_kept_once_and_bounded(tmp_path):
    @task
    def failing(length):
        raise ValueError("x" * length)

    @flow
    def fails():
        return failing.expand(length=[10_000, 5_000_000])

    with Ledger.open(tmp_path / "ledger.db") as ledger:
        run = fails.run(ledger=ledger.recorder())
        long, longest = (one.error for one in ledger.flow_runs.instances(run.id))
    assert long.count("x" * 10_000) == 1
    assert "in failing" in long
    assert len(longest) < 70_000
