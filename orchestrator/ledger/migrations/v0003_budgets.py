"""Budgets: a trial that was pruned early records the budget it had."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column of trials."""
    op.add_column(
        "ledger_trials",
        sa.Column("budget", sa.Text, comment="the part it was given, JSON; null: everything"),
    )
