"""A driver that is killed while it records: what was committed is whole, and can go on."""

import subprocess
import sys
import textwrap

import pytest

from orchestrator.ledger import Ledger
from orchestrator.records import State
from tests.support.ledger_records import flow_run

DRIVER = textwrap.dedent(
    """
    import itertools, sys
    from orchestrator.ledger import Ledger
    from tests.support.ledger_records import flow_run, instance, result

    def recorded(number):
        customer = f"c{number}"
        results = [result(customer, number=n) for n in range(3)]
        return instance(customer, index=number, fingerprint=customer, value=results)

    with Ledger.open(sys.argv[1]) as ledger:
        recorder = ledger.recorder(lambda ended: ended.value)
        recorder.begin(flow_run())
        for batch in itertools.count():
            recorder.record([recorded(batch * 50 + n) for n in range(50)])
            print(batch, flush=True)
    """
)


@pytest.mark.parametrize("batches", [1, 4, 9])
def test_every_instance_has_its_value_and_its_trials(tmp_path, batches):
    file = tmp_path / "ledger.db"
    command = [sys.executable, "-c", DRIVER, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
        for _ in range(batches):
            driver.stdout.readline()
        driver.kill()

    with Ledger.open(file) as ledger:
        done = [each.key for each in ledger.flow_runs.instances("run-1", limit=None)]
        pending = ledger.trials.pending()
        assert len(done) >= batches * 50
        assert len(done) % 50 == 0
        assert set(ledger.recorder().recall(done)) == set(done)
        assert len(pending) == len({each.run_id for each in pending}) == 3 * len(done)
        ledger.recorder().finish(flow_run(state="interrupted", ended=1.0))
        assert ledger.flow_runs.counts("latest") == {"add": {State.SUCCESS: len(done)}}
