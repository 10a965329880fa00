"""Logs: the prints, logs and warnings of instances' attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table of logs."""
    op.create_table(
        "ledger_logs",
        sa.Column(
            "node",
            sa.Integer,
            sa.ForeignKey("ledger_nodes.id"),
            primary_key=True,
            autoincrement=False,
        ),
        sa.Column("key", _NAME, primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="zlib of UTF-8; bounded"),
        comment="What an attempt of an instance printed, logged and warned of, where that is kept.",
    )
