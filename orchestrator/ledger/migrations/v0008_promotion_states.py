"""Promotions have a state: `ready` only once their model was read back, `withdrawn` if none could.

Promotions that an earlier version wrote but did not confirm were not read back: they are intended
again.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the column of promotions."""
    op.add_column(
        "ledger_promotions",
        sa.Column(
            "state",
            sa.Text,
            nullable=False,
            server_default="intended",
            comment="intended, ready, confirmed or withdrawn",
        ),
    )
    op.execute("UPDATE ledger_promotions SET state = 'confirmed' WHERE confirmed IS NOT NULL")
