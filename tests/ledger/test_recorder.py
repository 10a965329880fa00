"""The ledger as a recorder, on both databases, beside its twin in memory."""

import pytest

from orchestrator.ledger import Ledger
from orchestrator.mapping.driver.recorder import MemoryRecorder
from orchestrator.redaction import keep_secret
from orchestrator.testing.recorders import RecorderContract
from tests.support.ledger_records import flow_run, instance


class TestMemoryRecorder(RecorderContract):
    @pytest.fixture
    def recorder(self):
        return MemoryRecorder()


class TestLedgerOnSqlite(RecorderContract):
    @pytest.fixture
    def recorder(self, tmp_path):
        with Ledger.open(tmp_path / "ledger.db") as ledger:
            yield ledger.recorder()


@pytest.mark.postgres
class TestLedgerOnPostgres(RecorderContract):
    @pytest.fixture
    def recorder(self, postgres_url):
        with Ledger.open(postgres_url) as ledger:
            yield ledger.recorder()


def test_a_key_stays_itself_though_a_secret_is_part_of_it(ledger):
    """A key is an identity (law 1); an error and arguments are for people."""
    keep_secret("STAGE", "prod-of-ours")
    recorder = ledger.recorder()
    recorder.begin(flow_run())
    recorder.record([instance("prod-of-ours-1", error="at prod-of-ours", arguments="prod-of-ours")])
    [stored] = ledger.flow_runs.instances("run-1")
    assert (stored.key, stored.error, stored.arguments) == (
        "prod-of-ours-1",
        "at ${STAGE}",
        "${STAGE}",
    )
    assert recorder.succeeded("run-1", "add") == {"prod-of-ours-1"}
