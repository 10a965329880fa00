"""User code may raise anything, anywhere: it is that call's failure, and the others continue."""

import signal

import pytest

from orchestrator.mapping import flow, task
from orchestrator.mapping.dask.executor import DaskExecutor
from orchestrator.records import Customer
from orchestrator.testing.executors import calls, carried_out
from orchestrator.training.data import Loader
from orchestrator.training.versions import data_versions
from orchestrator.user_code import Interrupted, RaisedError, described, user_code


class Unsayable(BaseException):
    """Has no text."""

    def __str__(self):
        raise ValueError("cannot say")


KINDS = {
    "SystemExit": lambda: SystemExit(0),
    "KeyboardInterrupt": lambda: KeyboardInterrupt("of the task"),
    "GeneratorExit": GeneratorExit,
    "RecursionError": lambda: RecursionError("too deep"),
    "MemoryError": MemoryError,
    "UserWarning": lambda: UserWarning("as an error"),
    "StopIteration": StopIteration,
    "Unsayable": Unsayable,
    "surrogate": lambda: ValueError("\ud800\0"),
    "several lines": lambda: ValueError("first\n  second"),
}


def made(kind):
    return KINDS[kind]()


class Raises:
    """Raises what it is told, in one of its methods."""

    def __init__(self, place, kind):
        self.place, self.kind = place, kind

    def _do(self, place):
        if place == self.place:
            raise made(self.kind)

    def __reduce__(self):
        self._do("pickled")
        return Raised if self.place == "unpickled" else Raises, (self.place, self.kind)

    def __repr__(self):
        self._do("repr")
        return "fine"


def Raised(place, kind):  # noqa: N802 - stands for the class when it is unpickled
    raise made(kind)


def act(x, place, kind):
    """The bad item is 1."""
    if x != 1:
        return x
    if place == "body":
        raise made(kind)
    return Raises(place, kind)


def kinds_at(place):
    return [pytest.param(place, kind, id=f"{place}-{kind}") for kind in KINDS]


@pytest.fixture
def on_cluster(client):
    executor = DaskExecutor(client)
    yield executor
    executor.close()


@pytest.mark.parametrize(
    ("place", "kind"), [*kinds_at("body"), *kinds_at("pickled"), *kinds_at("unpickled")]
)
def test_on_workers_it_is_that_calls_failure(on_cluster, client, place, kind):
    before = set(client.nthreads())
    made = calls(act, constants={"place": place, "kind": kind}, columns={"x": range(4)}, batch=4)
    (ended,) = carried_out(on_cluster, made)
    assert {x: ended[x] for x in (0, 2, 3)} == {0: 0, 2: 2, 3: 3}
    assert ended[1].cause == "raised"
    assert set(client.nthreads()) == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_argument_that_cannot_be_unpickled_harms_no_other(on_cluster, kind):
    items = [0, Raises("unpickled", kind), 2]
    (ended,) = carried_out(on_cluster, calls(lambda x: x, columns={"x": items}, batch=3))
    assert (ended[0], ended[2]) == (0, 2)
    assert "cannot be unpickled on worker" in ended[1].error


def raising(place, kind):
    """A flow of three items, of which the second raises at a place on the driver."""

    def bad(x):
        if x == 1:
            raise made(kind)
        return x

    options = {
        "key": {"key": lambda x: str(bad(x))},
        "priority": {"priority": bad},
        "timeout": {"timeout": lambda x: bad(x) + 60},
        "retries": {"retries": bad},
    }

    @task(**options.get(place, {}))
    def work(x):
        if place == "retries":
            raise ValueError("once more")
        return bad(x) if place == "body" else x

    @task
    async def coordinate(x):
        bad(x)
        return x

    chosen = coordinate if place == "coordinator" else work
    return flow(lambda: chosen.expand(x=[0, 1, 2]))


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"StopIteration"}))
@pytest.mark.parametrize("place", ["body", "key", "priority", "timeout", "retries", "coordinator"])
def test_inline_it_is_that_instances_failure(place, kind):
    outcomes = list(raising(place, kind).run().result().items())
    assert outcomes[1].state == "failed"
    if place != "retries":
        assert [outcome.value for outcome in outcomes[::2]] == [0, 2]


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"StopIteration"}))
def test_an_iterable_that_raises_fails_the_map_over_it(kind):
    class Items:
        def __iter__(self):
            yield 1
            raise made(kind)

    @task
    def items():
        return Items()

    @task
    def work(x):
        return x

    @task
    def other():
        return 5

    @flow
    def mapping():
        work.expand(x=items())
        return other()

    run = mapping.run()
    assert (run.state, run.result()) == ("failed", 5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_version_that_raises_is_that_customers_problem(kind):
    def version(customer):
        if customer.id == "bad":
            raise made(kind)
        return "1"

    loader = Loader(path="mine:load", load=lambda customer: None, version=version)
    good, bad = data_versions(loader, [Customer(id="good", data=1), Customer(id="bad", data=1)])
    assert (good.text, good.problem) == ("1", "")
    assert "`version` beside loader mine:load raised" in bad.problem


def test_all_lines_of_an_error_are_kept():
    assert described(ValueError("one\n  two")) == "ValueError: one\n  two"


def test_a_real_interrupt_is_not_taken_for_user_codes():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted), user_code():
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(RaisedError, match="KeyboardInterrupt"), user_code():
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)
