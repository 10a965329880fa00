"""Leases: one live driver a flow, whatever dies and whatever clocks say."""

import os
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from uuid import uuid4

import psutil
import pytest

from orchestrator.errors import HeldError, LeaseLostError, MachineryError
from orchestrator.ledger import Ledger
from orchestrator.ledger.leases.holder import holding
from orchestrator.ledger.leases.leases import LASTS, Clock, Lease, here, is_surely_dead
from tests.support.ledger_records import flow_run, instance

HOUR = 3600.0


class Hands:
    """A clock whose hands a test sets: sleeping moves them, and tells the test each time."""

    def __init__(self, at=1_000_000.0):
        self.now, self.elapsed, self.slept = at, 0.0, lambda: None

    def clock(self):
        return Clock(now=lambda: self.now, elapsed=lambda: self.elapsed, sleep=self._sleep)

    def _sleep(self, seconds):
        self.now, self.elapsed = self.now + seconds, self.elapsed + seconds
        self.slept()


@pytest.fixture
def hands():
    return Hands()


def lease_of_another_machine(ledger, at):
    """A lease whose holder nobody here can look at."""
    lease = Lease(
        flow="train", flow_run="run-1", host="far", place="elsewhere", taken=at, beaten=at
    )
    assert ledger.leases.take(lease, after=None)
    return lease


def held(ledger, hands=None, **options):
    clock = hands.clock() if hands is not None else None
    return holding(ledger._database, "train", "run-2", clock=clock, **options)


DRIVER = textwrap.dedent(
    """
    import sys, time
    from orchestrator.ledger import Ledger
    from tests.support.ledger_records import flow_run

    with Ledger.open(sys.argv[1]) as ledger, ledger.holding("train", "run-1"):
        ledger.recorder().begin(flow_run())
        print("driving", flush=True)
        time.sleep(100)
    """
)


@pytest.fixture
def driver(tmp_path):
    """Another process that drives the flow `train`; its ledger is `ledger.db`."""
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "ledger.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "driving\n"
        yield process
        process.kill()


class TestWhileItIsHeld:
    def test_a_second_driver_is_told_who_where_and_since_when(self, driver, tmp_path):
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            [lease] = ledger.leases.list()
            since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(lease.taken))
            with pytest.raises(HeldError) as refused, held(ledger):
                pass
        told = str(refused.value)
        assert f"'train' is being driven already: flow run run-1 on {lease.host}" in told
        assert f"process {driver.pid}, since {since}" in told
        assert "its lease expires in 30 s; --force replaces it at once" in told
        assert refused.value.exit_code == 75

    def test_other_flows_may_be_driven(self, ledger):
        with held(ledger), holding(ledger._database, "multiplying"):
            assert {lease.flow for lease in ledger.leases.list()} == {"train", "multiplying"}

    def test_it_is_given_up_at_the_end_even_of_an_error(self, ledger):
        with pytest.raises(ZeroDivisionError), held(ledger):
            _ = 1 / 0
        assert ledger.leases.list() == []

    def test_of_many_that_ask_at_once_one_gets_it(self, ledger):
        done = Event()

        def ask(_):
            try:
                with held(Ledger(ledger._database)):
                    done.wait(10)
            except HeldError:
                return "refused"
            return "held"

        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(ask, number) for number in range(8)]
            while sum(each.done() for each in asked) < 7:
                time.sleep(0.01)
            done.set()
        assert sorted(each.result() for each in asked) == ["held"] + ["refused"] * 7

    def test_heartbeats_renew_it(self, ledger):
        with held(ledger, lasts=0.3):
            before = ledger.leases.of("train")
            limit = time.monotonic() + 10
            while ledger.leases.of("train").beats < before.beats + 3:
                assert time.monotonic() < limit
                time.sleep(0.02)
            assert ledger.leases.of("train").beaten > before.beaten


class TestTakingOver:
    def test_from_a_process_that_died_here_at_once(self, driver, tmp_path):
        said = []
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            driver.kill()
            driver.wait()
            with held(ledger, say=said.append):
                assert ledger.flow_runs.get("run-1").state == "interrupted"
        assert said == []

    def test_from_a_process_that_died_and_that_nobody_buried(self, driver, tmp_path):
        driver.kill()
        limit = time.monotonic() + 10
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            [lease] = ledger.leases.list()
            while not lease.is_of_dead_process():
                assert time.monotonic() < limit
                time.sleep(0.01)
            with held(ledger):
                pass

    def test_from_a_dead_machine_once_it_has_expired(self, ledger, hands):
        lease_of_another_machine(ledger, at=hands.now)
        hands.now += LASTS - 1
        with (
            pytest.raises(HeldError, match=r"on far, process .* expires in 1 s"),
            held(ledger, hands),
        ):
            pass
        hands.now += 2
        said = []
        with held(ledger, hands, say=said.append):
            assert ledger.leases.of("train").flow_run == "run-2"
        assert "watching for 30 s whether it is alive" in said[0]
        assert hands.elapsed >= LASTS

    @pytest.mark.parametrize("set_by", [-HOUR, HOUR])
    def test_not_from_a_live_one_whose_clock_or_ours_was_set(self, ledger, hands, set_by):
        lease = lease_of_another_machine(ledger, at=hands.now + set_by)

        def live():
            nonlocal lease
            if hands.elapsed > LASTS / 2:
                lease = ledger.leases.beat(lease, hands.now + set_by)

        hands.slept = live
        with pytest.raises(HeldError, match=r"expires in (0|30) s"), held(ledger, hands):
            pass
        assert ledger.leases.of("train").token == lease.token

    def test_from_a_dead_one_whose_clock_was_ahead(self, ledger, hands):
        lease_of_another_machine(ledger, at=hands.now + HOUR)
        with held(ledger, hands):
            assert ledger.leases.of("train").flow_run == "run-2"

    def test_not_from_one_that_lives_again_just_then(self, ledger, hands):
        """Its heartbeat falls between the last look and the write."""
        seen = lease_of_another_machine(ledger, at=hands.now)
        ledger.leases.beat(seen, hands.now)
        assert not ledger.leases.take(replace(seen, token=uuid4().hex), after=seen)

    def test_by_force_from_whoever_holds_it(self, driver, tmp_path):
        with Ledger.open(tmp_path / "ledger.db") as ledger, held(ledger, force=True):
            assert ledger.leases.of("train").flow_run == "run-2"


@pytest.mark.postgres
def test_a_driver_that_stands_still_within_a_transaction_is_waited_for_until_its_server_ends_it(
    postgres_url,
):
    soon = f"{postgres_url}&options=-c%20idle_in_transaction_session_timeout%3D300ms"
    with Ledger.open(soon) as lost, Ledger.open(postgres_url) as ledger, held(lost):
        transaction = lost._database.write()
        transaction.__enter__()
        with held(ledger, force=True):
            assert ledger.leases.of("train") is not None
        with pytest.raises(MachineryError, match="paused for too long"):
            transaction.__exit__(None, None, None)


@pytest.mark.postgres
def test_a_lock_that_nobody_gives_up_is_told(postgres_url):
    soon = f"{postgres_url}&options=-c%20lock_timeout%3D100ms"
    with (
        Ledger.open(postgres_url) as ledger,
        Ledger.open(soon) as other,
        held(ledger),
        ledger._database.write(),
        pytest.raises(MachineryError, match="another process holds"),
    ):
        held(other, force=True).__enter__()


class TestWhoLostIt:
    def test_writes_nothing_more(self, ledger):
        other = Ledger.open(address_of(ledger))
        with held(ledger), held(other, force=True):
            with pytest.raises(
                LeaseLostError, match=r"'train' was treated as dead.*writes nothing"
            ):
                ledger.recorder().begin(flow_run())
            with pytest.raises(LeaseLostError):
                ledger.recorder().record([instance("a")])
            other.recorder().begin(flow_run())
        assert ledger.flow_runs.counts("run-1") == {}
        other.close()

    def test_is_told_when_it_asks_whether_to_stop(self, ledger):
        other = Ledger.open(address_of(ledger))
        with (
            held(ledger, lasts=0.12) as hold,
            held(other, force=True),
            pytest.raises(LeaseLostError),
        ):
            ask_until_told(hold.guarded(None))
        other.close()

    def test_does_not_give_up_what_is_not_its_own(self, ledger):
        other = Ledger.open(address_of(ledger))
        with held(other, force=True):
            with held(ledger, force=True):
                pass
            with pytest.raises(LeaseLostError, match="took its place and has ended"):
                other.recorder().begin(flow_run())
        other.close()


def ask_until_told(stop):
    limit = time.monotonic() + 10
    while not stop():
        assert time.monotonic() < limit
        time.sleep(0.01)


def address_of(ledger):
    return ledger._database._engine.url.render_as_string(hide_password=False)


class TestWhatIsShownOfAFlowRun:
    def test_while_it_is_driven_it_runs(self, ledger):
        with ledger.holding("train", "run-1"):
            ledger.recorder().begin(flow_run())
            assert ledger.flow_runs.get("run-1").state == "running"
            assert ledger.flow_runs.last_unfinished() is None, "it is nobody else's to go on with"
        assert ledger.flow_runs.last_unfinished().id == "run-1"

    def test_of_a_dead_driver_it_is_interrupted(self, driver, tmp_path):
        driver.kill()
        driver.wait()
        with Ledger.look(tmp_path / "ledger.db") as ledger:
            assert ledger.flow_runs.get("latest").state == "interrupted"
            assert [run.state for run in ledger.flow_runs.list()] == ["interrupted"]

    def test_of_a_machine_not_heard_of_for_long_too(self, ledger):
        ledger.recorder().begin(flow_run())
        lease_of_another_machine(ledger, at=time.time() - 10 * LASTS)
        ledger.recorder().begin(flow_run())
        assert ledger.flow_runs.get("run-1").state == "interrupted"

    def test_of_a_driver_that_could_not_write_its_end_it_is_interrupted(self, ledger):
        with ledger.holding("train", "run-1"):
            ledger.recorder().begin(flow_run())
        assert ledger.flow_runs.get("run-1").state == "interrupted"


def test_a_process_that_the_system_hides_from_us_is_not_taken_for_dead(monkeypatch):
    """As on Linux with `hidepid=2`: /proc shows no process of other users."""

    def refused(_pid, _signal):
        raise PermissionError

    monkeypatch.setattr(os, "kill", refused)
    monkeypatch.setattr(psutil, "PROCFS_PATH", "/nowhere")
    assert not is_surely_dead(os.getpid(), here())


def test_what_mlflow_imports_of_sqlalchemy_is_whole_before_threads_use_the_ledger(tmp_path):
    """While a thread imports it, statements of other threads fail."""
    program = f"""
        import sys
        from orchestrator.ledger import Ledger
        with Ledger.open({str(tmp_path / "ledger.db")!r}) as ledger:
            before = "sqlalchemy.orm" in sys.modules
            with ledger.holding("f", "run"):
                print(before, "sqlalchemy.orm" in sys.modules)
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.split() == ["False", "True"]
