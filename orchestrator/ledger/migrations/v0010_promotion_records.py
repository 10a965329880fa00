"""Promotions whose states say what was done, and which hold a model and a version, or neither.

Until now an empty address stood for a model that was not written, and an empty name for a version
that was not deployed.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_STATES = {"ready": "written", "confirmed": "deployed", "withdrawn": "failed"}


def upgrade() -> None:
    """Rewrite the states and the records of promotions."""
    connection = op.get_bind()
    found = connection.execute(sa.text("SELECT id, state, content FROM ledger_promotions")).all()
    changed = [
        {
            "id": row.id,
            "state": _STATES.get(row.state, row.state),
            "content": json.dumps(
                _rewritten(json.loads(row.content), row.state),
                separators=(",", ":"),
                ensure_ascii=False,
            ),
        }
        for row in found
    ]
    if changed:
        update = "UPDATE ledger_promotions SET state = :state, content = :content WHERE id = :id"
        connection.execute(sa.text(update), changed)


def _rewritten(promotion: dict[str, Any], state: str) -> dict[str, Any]:
    source, files = promotion.pop("source", ""), promotion.pop("files", [])
    version = {
        name: promotion.pop(name, None) for name in ("model_name", "version", "previous_version")
    }
    return {
        **promotion,
        "state": _STATES.get(state, state),
        "model": {"source": source, "files": files} if source else None,
        "deployed": version if version["model_name"] and version["version"] else None,
    }
