"""Columns for what was read out of JSON and keys: kinds, customers, scopes and promoted trials.

An experiment's flow run kept a `snapshot`, and a file's a `digest`; an instance's key began with
its customer's id; a fingerprint that counts in one flow run only began with that flow run's id.
"""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from orchestrator import keys

revision = "0009"
down_revision = "0008"

_NAME = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")

_CHAMPION = "@champion"


def upgrade() -> None:
    """Add the columns, and fill them from what was recorded."""
    _add_columns()
    connection = op.get_bind()
    _fill_kinds(connection)
    on_sqlite = connection.dialect.name == "sqlite"
    for table in ("ledger_instances", "ledger_logs"):
        _fill_customers(connection, table, on_sqlite=on_sqlite)
    _fill_scopes(connection, on_sqlite=on_sqlite)
    _fill_trials(connection)


def _add_columns() -> None:
    for table, column, comment in (
        ("flow_runs", "kind", "experiment, file or erasure; null: a program called `run`"),
        ("instances", "customer", "in flow runs of an experiment; null: of all customers"),
        ("logs", "customer", "as of the instance"),
        ("results", "scope", "the flow run that alone may use it; null: all may"),
        ("promotions", "trial", "the promoted one, by its run_id"),
    ):
        kind = sa.Text() if column == "kind" else _NAME
        op.add_column(f"ledger_{table}", sa.Column(column, kind, comment=comment))


def _fill_kinds(connection: sa.Connection) -> None:
    found = connection.execute(sa.text("SELECT id, flow, context FROM ledger_flow_runs")).all()
    known = []
    for row in found:
        context = json.loads(row.context)
        kind = _kind(row.flow, context)
        if kind == "experiment":
            context["spread"] = [keys.split(key) for key in context.get("spread", ())]
        known.append({"id": row.id, "kind": kind, "context": json.dumps(context)})
    if known:
        update = "UPDATE ledger_flow_runs SET kind = :kind, context = :context WHERE id = :id"
        connection.execute(sa.text(update), known)


def _kind(flow: str, context: dict[str, object]) -> str | None:
    if "snapshot" in context:
        return "experiment"
    if "digest" in context:
        return "file"
    return "erasure" if flow == "forget" and "removed" in context else None


def _fill_customers(connection: sa.Connection, name: str, *, on_sqlite: bool) -> None:
    """Write the first part of keys; parts in which something is encoded are decoded afterwards."""
    flow_runs = sa.table("ledger_flow_runs", sa.column("id"), sa.column("kind"))
    nodes = sa.table("ledger_nodes", sa.column("id"), sa.column("flow_run"))
    rows = sa.table(name, sa.column("node"), sa.column("key"), sa.column("customer"))
    trained = sa.select(flow_runs.c.id).where(flow_runs.c.kind == "experiment")
    of_experiments = sa.select(nodes.c.id).where(nodes.c.flow_run.in_(trained))
    slash = sa.func.instr(rows.c.key.concat("/"), "/")
    first = (
        sa.func.substr(rows.c.key, 1, slash - 1)
        if on_sqlite
        else sa.func.split_part(rows.c.key, "/", 1)
    )
    named = rows.c.node.in_(of_experiments) & (rows.c.key != "") & rows.c.key.not_like("#%")
    connection.execute(sa.update(rows).where(named).values(customer=first))
    _decode_customers(connection, rows)


def _decode_customers(connection: sa.Connection, rows: sa.TableClause) -> None:
    """Write ids in place of the parts of keys in which something is encoded, in one pass."""
    is_encoded = rows.c.customer.contains("%", autoescape=True)
    written = connection.execute(sa.select(rows.c.customer).distinct().where(is_encoded)).scalars()
    decoded = [{"written": part, "id": keys.split(part)[0]} for part in written]
    if not decoded:
        return
    ids = sa.Table(
        f"{rows.name}_customers",
        sa.MetaData(),
        sa.Column("written", _NAME, primary_key=True),
        sa.Column("id", _NAME),
        prefixes=["TEMPORARY"],
    )
    ids.create(connection)
    connection.execute(ids.insert(), decoded)
    named = sa.select(ids.c.id).where(ids.c.written == rows.c.customer).scalar_subquery()
    connection.execute(sa.update(rows).where(is_encoded).values(customer=named))
    ids.drop(connection)


def _fill_scopes(connection: sa.Connection, *, on_sqlite: bool) -> None:
    rows = sa.table("ledger_results", sa.column("fingerprint"), sa.column("scope"))
    find = sa.func.instr if on_sqlite else sa.func.strpos
    colon = find(rows.c.fingerprint, ":")
    scope = sa.func.substr(rows.c.fingerprint, 1, colon - 1)
    connection.execute(sa.update(rows).where(colon > 0).values(scope=scope))


def _fill_trials(connection: sa.Connection) -> None:
    """Write which trial was promoted, found by its study as keys are written now."""
    find = sa.text(
        "SELECT t.run_id FROM ledger_trials t JOIN ledger_studies s ON s.id = t.study"
        " WHERE s.flow_run = :flow_run AND s.key = :key AND t.number = :number"
    )
    promotions = connection.execute(sa.text("SELECT id, content FROM ledger_promotions")).all()
    for row in promotions:
        found = connection.execute(find, _promoted(json.loads(row.content))).scalar_one_or_none()
        if found is not None:
            connection.execute(
                sa.text("UPDATE ledger_promotions SET trial = :trial WHERE id = :id"),
                {"trial": found, "id": row.id},
            )


def _promoted(promotion: dict[str, Any]) -> dict[str, Any]:
    """Return flow run, key and number of the promoted trial."""
    trial = promotion["decision"]["best"]["trial"]
    study = trial["study"]
    model = f"{study['model']['id']}{_CHAMPION if study.get('champion') else ''}"
    return {
        "flow_run": study["flow_run"],
        "key": keys.join(study["customer"]["id"], model),
        "number": trial["number"],
    }
