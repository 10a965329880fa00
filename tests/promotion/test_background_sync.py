"""The courier outlives its own faults: results are in the ledger, and sent another time."""

import pytest

from orchestrator.errors import MachineryError
from orchestrator.promotion import background_sync
from orchestrator.promotion.background_sync import BackgroundSync


class FaultyDesk:
    """A desk with a bug: it fails as nobody expected."""

    has_sent, has_trials_to_send = False, True

    def __init__(self, error):
        self.error = error

    def mark_listed(self):
        pass

    def send_trials(self):
        raise self.error

    def lacking(self):
        return 6, 0


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(background_sync, "_HEAD_START_SECONDS", 0.0)


def sent_by(outbox):
    said = []
    with BackgroundSync(outbox, evaluation=None, flow_run="run-1", say=said.append) as sender:
        pass
    return said, sender.what_is_lacking()


def test_a_bug_in_sending_is_told_and_logged_and_spoils_no_run(caplog):
    said, lacking = sent_by(FaultyDesk(KeyError("a bug")))
    assert said == [
        "KeyError: 'a bug'. The run continues without it; the ledger keeps what MLflow lacks"
    ]
    assert lacking.startswith("MLflow lacks 6 trials and 0 champions of this ledger: KeyError: ")
    assert "orchestrator sync" in lacking
    traced = [record for record in caplog.records if record.exc_info]
    assert [record.levelname for record in traced] == ["ERROR", "ERROR"]


def test_trouble_that_is_expected_is_told_without_a_traceback(caplog):
    said, lacking = sent_by(FaultyDesk(MachineryError("no server answers")))
    assert len(said) == 1
    assert lacking.startswith("MLflow lacks 6 trials and 0 champions of this ledger: no server")
    assert not any(record.exc_info for record in caplog.records)
