"""Upgrades of a ledger from earlier versions: Alembic's revisions, in order.

    v0002_leases              leases
    v0003_budgets             the budgets of pruned trials
    v0004_retirements         models that MLflow shows as retired
    v0005_keys                keys whose parts cannot be confused
    v0006_logs                the output of attempts
    v0007_identity            the ledger's own stores
    v0008_promotion_states    promotions with a state
    v0009_columns             kinds, customers and scopes as columns
    v0010_promotion_records   states and records of promotions

To change the schema: change `tables.py`, raise its `SCHEMA_VERSION`, and add `vNNNN_what.py` here
with `revision = "NNNN"`, the one before as `down_revision`, and an `upgrade()` that uses
`alembic.op`. A test proves that they turn version 1 into the schema of `tables.py`. Version 1 is
the first, so it has no revision; a downgrade is a backup, so none has a `downgrade()`.

Touches Alembic; takes a connection inside a writing transaction; runs on the driver.
"""

from collections.abc import Iterator
from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, found: int) -> None:
    """Make a schema of version `found` one of the newest version."""
    with Operations.context(MigrationContext.configure(connection)):
        for script in _after(found):
            script.module.upgrade()


def newest() -> int:
    """The version that the last revision makes."""
    return max(int(script.revision) for script in _after(0))


def _after(version: int) -> Iterator[Script]:
    """The revisions that come after a version, oldest first."""
    here = Path(__file__).parent
    scripts = ScriptDirectory(here, version_locations=[here]).walk_revisions()
    return (script for script in reversed(list(scripts)) if int(script.revision) > version)
