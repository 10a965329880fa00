"""The append-only database of snapshots, lives, flow runs, trials and promotions.

    Ledger.open(address) -> .snapshots .lives .flow_runs .trials .promotions .recorder()

Touches SQLAlchemy and pydantic; runs on the driver, its only writer (law 5). SQLite by default,
PostgreSQL by address.
"""

from orchestrator.ledger.changes import Changes, Difference, FieldChange
from orchestrator.ledger.holding import Hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.lives import Period, compare
from orchestrator.ledger.promotions import Champion
from orchestrator.ledger.recorder import LedgerRecorder
from orchestrator.ledger.snapshots import Fetch
from orchestrator.ledger.studies import Tally
from orchestrator.ledger.trial_rows import RecordedTrial

__all__ = [
    "Champion",
    "Changes",
    "Difference",
    "Fetch",
    "FieldChange",
    "Hold",
    "Ledger",
    "LedgerRecorder",
    "Period",
    "RecordedTrial",
    "Tally",
    "compare",
]
