"""The append-only database of snapshots, history, flow runs, trials and promotions.

    Ledger.open(address) -> .snapshots .lives .flow_runs .trials .promotions .recorder()

    ledger                              the object that has all of these
    database, schema, tables            the open database and its tables
    migrations                          older ledgers upgraded
    codec, lookup                       records to text and bytes; ids found by their beginning
    snapshots                           the registry's lists, as fetched
    history, changes                    valid-time periods of customers and models
    flow_runs, recorder, logs           flow runs and their instances
    flow_run_rows, instance_rows        their rows as records, and records as rows
    trials, trial_rows, studies         results
    promotions, retirements             the served models, and the retired ones
    store_identity                      the MLflow and the folder that belong to this ledger
    leases                              one live driver for each experiment
    retention                           removal of old records, or of one customer
    backups                             copies, and their restoration

Touches SQLAlchemy and pydantic; runs on the driver, its only writer (law 5). SQLite by default,
PostgreSQL by address.
"""

from orchestrator.ledger.changes import Changes, Difference, FieldChange
from orchestrator.ledger.history import Period, compare
from orchestrator.ledger.leases.holder import Hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.promotions import Champion
from orchestrator.ledger.recorder import LedgerRecorder
from orchestrator.ledger.snapshots import Fetch
from orchestrator.ledger.studies import StudyTally
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
    "StudyTally",
    "compare",
]
