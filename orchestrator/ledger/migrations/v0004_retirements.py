"""Retirements: the models MLflow shows as retired, so that a run without news need not ask."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table; the next run asks MLflow once and fills it."""
    op.create_table(
        "ledger_retirements",
        sa.Column("customer", _NAME, primary_key=True),
        sa.Column("at", sa.Double, nullable=False, comment="when MLflow received it"),
        comment="Customers whose registered model MLflow shows as retired.",
    )
