"""Identity: the MLflow and the folder of model files that belong to this ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Add the table; the next driver fills it when it opens MLflow."""
    op.create_table(
        "ledger_identity",
        sa.Column(
            "id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False
        ),
        sa.Column("token", _NAME, nullable=False, comment="drawn by chance, also kept in MLflow"),
        sa.Column("place", sa.Text, nullable=False, comment="where this ledger is"),
        sa.Column("tracking", sa.Text, nullable=False, comment="MLflow's address, no password"),
        sa.Column("artifacts", sa.Text, nullable=False, comment="the root of MLflow's experiment"),
        sa.Column("bound", sa.Integer, nullable=False, comment="1: MLflow has the token, too"),
        comment="At most one row: the stores that this ledger works with.",
    )
