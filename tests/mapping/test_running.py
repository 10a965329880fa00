"""`Flow.run`: parameters apart from options, and the lease that a ledger gives."""

import pytest

from orchestrator import FlowError, HeldError, Ledger, MemoryRecorder, UsageError, flow, task
from orchestrator.errors import LeaseLostError


@task
def itself(x):
    return x


@flow
def named_as_options(client, ledger, stop, self=0):
    return itself([client, ledger, stop, self])


@flow
def one(n=1):
    return itself(n)


def test_a_parameter_may_have_the_name_of_an_option():
    run = named_as_options.run(params={"client": 1, "ledger": 2, "stop": 3, "self": 4})
    assert run.result() == [1, 2, 3, 4]


@pytest.mark.parametrize("given", [({"n": 1},), (None, None)])
def test_parameters_in_the_wrong_place_are_refused_with_the_cure(given):
    with pytest.raises(FlowError, match=r"give its parameters as run\(params=\{\.\.\.\}\)"):
        one.run(*given, params=None if len(given) == 1 else [1])


def test_a_client_that_is_not_one_is_refused():
    with pytest.raises(FlowError, match="client is a int, not a Dask client"):
        one.run(5)


def test_parameters_as_keywords_still_work_and_are_deprecated():
    with pytest.warns(DeprecationWarning, match=r"run\(params=\{\.\.\.\}\)"):
        assert one.run(None, MemoryRecorder(), n=7).result() == 7


def test_an_unknown_parameter_is_refused():
    with pytest.raises(FlowError, match="unexpected keyword argument 'm'"):
        one.run(params={"m": 1})


def test_a_flow_run_on_a_ledger_is_recorded_and_its_lease_given_up(ledger):
    run = one.run(params={"n": 7}, ledger=ledger)
    assert run.result() == 7
    assert ledger.flow_runs.get(run.id).state == "success"
    assert ledger.leases.of("one") is None
    assert one.run(ledger=ledger).state == "success"


def test_of_two_drivers_on_one_ledger_the_second_is_refused(tmp_path):
    address = tmp_path / "ledger.db"

    @task
    def second_driver():
        with Ledger.open(address) as other, pytest.raises(HeldError, match="driven already"):
            one.run(ledger=other)
        return [run.flow for run in ledger.flow_runs.list()]

    first = flow(name="one")(lambda: [second_driver()])
    with Ledger.open(address) as ledger:
        assert first.run(ledger=ledger).result() == [["one"]]


def test_a_driver_that_lost_its_lease_writes_nothing_more(tmp_path):
    address = tmp_path / "ledger.db"

    @task
    def taken_over():
        with Ledger.open(address) as other:
            one.run(ledger=other, force=True)

    with Ledger.open(address) as ledger:
        with pytest.raises(LeaseLostError):
            flow(name="one")(lambda: [taken_over()]).run(ledger=ledger)
        assert [run.state for run in ledger.flow_runs.list()].count("success") == 1


def test_a_recorder_is_used_without_a_lease():
    recorder = MemoryRecorder()
    run = one.run(ledger=recorder)
    assert recorder.flow_runs[run.id].state == "success"


def test_an_id_under_which_another_flow_run_is_recorded_is_refused(ledger):
    first = one.run(params={"n": 7}, ledger=ledger, flow_run_id="same")
    with pytest.raises(UsageError, match="a flow run of one is already recorded as same"):
        one.run(ledger=ledger, flow_run_id="same")
    assert ledger.flow_runs.get("same").started == first.flow_run.started


@pytest.mark.parametrize("address", ["", "  ", None, 5])
def test_a_ledger_without_a_place_is_refused(address):
    with pytest.raises(UsageError, match="names no database"):
        Ledger.open(address)
