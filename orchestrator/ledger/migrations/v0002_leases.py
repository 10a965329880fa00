"""Leases: at most one live driver at work on an experiment or flow."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = None

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table of leases."""
    op.create_table(
        "ledger_leases",
        sa.Column("flow", _NAME, primary_key=True),
        sa.Column("token", _NAME, nullable=False, comment="whose it is; drawn by chance"),
        sa.Column("flow_run", _NAME, nullable=False, comment="empty: no flow run, e.g. a sync"),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("place", sa.Text, nullable=False, comment="where `pid` has a meaning"),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("taken", sa.Double, nullable=False),
        sa.Column("beats", sa.Integer, nullable=False, comment="grows while it is held"),
        sa.Column("beaten", sa.Double, nullable=False, comment="when `beats` last grew, by host"),
        sa.Column(
            "lasts",
            sa.Double,
            nullable=False,
            comment="seconds without a beat until it expires",
        ),
        comment="Who drives a flow now: at most one live driver for each.",
    )
