"""The ledger as a recorder, on both databases, beside its twin in memory."""

import pytest

from orchestrator.ledger import Ledger
from orchestrator.mapping.recording import MemoryRecorder
from tests.contracts.recorders import RecorderContract


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
