"""Keys: their parts stay distinct for any spelling of customers and models."""

import json
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

from orchestrator import identity, keys

revision = "0005"
down_revision = "0004"

_CHAMPION = "@champion"

_PARTS_BELOW = {"choose": 0, "refit": 0, "@choose": 1, "@spread": 2, "@spread@choose": 2}
"""The number of parts behind the customer's id in keys of the training flow, by the name of a node,
or of the coordinator that calls it."""


def upgrade() -> None:
    """Add the column of studies, and rewrite the keys of ids with special characters."""
    op.add_column(
        "ledger_studies",
        sa.Column(
            "champion",
            sa.Boolean,
            nullable=False,
            server_default=sa.false(),
            comment="it scores the present champion again, and searches nothing",
        ),
    )
    connection = op.get_bind()
    _mark_champions(connection)
    _rewrite_studies(connection)
    if _has_special_ids(connection):
        _rewrite_instances(connection)
        _rewrite_contexts(connection)
    _rename_unsent(connection)


def _mark_champions(connection: sa.Connection) -> None:
    connection.execute(
        sa.text(
            "UPDATE ledger_studies SET champion = :yes"
            " WHERE key = customer || '/' || model || :ending"
        ),
        {"yes": True, "ending": _CHAMPION},
    )


def _rewrite_studies(connection: sa.Connection) -> None:
    found = connection.execute(
        sa.text("SELECT id, customer, model, champion, key FROM ledger_studies")
    ).all()
    changed = [
        {"id": row.id, "key": key}
        for row in found
        if (key := keys.join(row.customer, f"{row.model}{_CHAMPION if row.champion else ''}"))
        != row.key
    ]
    if changed:
        connection.execute(sa.text("UPDATE ledger_studies SET key = :key WHERE id = :id"), changed)


def _has_special_ids(connection: sa.Connection) -> bool:
    """Whether any customer or model has an id that a key writes differently."""
    known = (
        "SELECT key FROM ledger_lives UNION SELECT customer FROM ledger_studies"
        " UNION SELECT model FROM ledger_studies"
    )
    return any(keys.part(each) != each for each in connection.execute(sa.text(known)).scalars())


def _rewrite_instances(connection: sa.Connection) -> None:
    """Rewrite the keys of training flow runs; the parts of other flows' keys are unknown."""
    training = [
        row.id
        for row in connection.execute(sa.text("SELECT id, context FROM ledger_flow_runs"))
        if "snapshot" in json.loads(row.context)
    ]
    for flow_run in training:
        nodes = sa.text("SELECT id, name FROM ledger_nodes WHERE flow_run = :flow_run")
        for node in connection.execute(nodes, {"flow_run": flow_run}).all():
            below = _parts_below(node.name)
            if below is not None:
                _rewrite_node(connection, node.id, below)


def _parts_below(node: str) -> int | None:
    name, at, coordinator = node.partition("@")
    return _PARTS_BELOW.get(f"@{coordinator}" if at else name)


def _rewrite_node(connection: sa.Connection, node: int, below: int) -> None:
    instances = sa.text("SELECT key FROM ledger_instances WHERE node = :node")
    found = connection.execute(instances, {"node": node}).scalars().all()
    changed = [
        {"node": node, "old": key, "new": new}
        for key in found
        if key and (new := keys.join(*key.rsplit("/", below))) != key
    ]
    # Longest first: a rewritten key is longer, and must not collide with one still to come.
    for each in sorted(changed, key=lambda change: -len(change["new"])):
        connection.execute(
            sa.text("UPDATE ledger_instances SET key = :new WHERE node = :node AND key = :old"),
            each,
        )


def _rewrite_contexts(connection: sa.Connection) -> None:
    """Rewrite the keys of studies that flow runs keep for their resumption."""
    for row in connection.execute(sa.text("SELECT id, context FROM ledger_flow_runs")).all():
        context = json.loads(row.context)
        if not context.get("spread"):
            continue
        context["spread"] = [keys.join(*key.rsplit("/", 1)) for key in context["spread"]]
        connection.execute(
            sa.text("UPDATE ledger_flow_runs SET context = :context WHERE id = :id"),
            {"id": row.id, "context": json.dumps(context)},
        )


def _rename_unsent(connection: sa.Connection) -> None:
    """Give failed studies that MLflow does not have yet the run ids they now have."""
    for row in _failed_unsent(connection):
        if "/" in row.customer and row.model.isdecimal():
            connection.execute(
                sa.text("UPDATE ledger_trials SET run_id = :new WHERE run_id = :old"),
                {
                    "new": identity.run_id(row.flow_run, row.customer, row.model),
                    "old": row.run_id,
                },
            )


def _failed_unsent(connection: sa.Connection) -> Iterator[sa.Row[tuple[str, ...]]]:
    query = (
        "SELECT s.flow_run, s.customer, s.model, t.run_id FROM ledger_trials t"
        " JOIN ledger_studies s ON s.id = t.study WHERE t.number < 0 AND t.sent IS NULL"
    )
    yield from connection.execute(sa.text(query)).all()
