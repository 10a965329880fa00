"""Removal of everything of one customer, as a privacy law may demand.

Touches SQLAlchemy; takes a customer's id; gives the removed counts; runs on the driver.
"""

import json
import time
import zlib
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, delete, select, update

from orchestrator import keys
from orchestrator.ledger.codec import clean, dump
from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_run_rows import origin_columns, origin_of
from orchestrator.ledger.logs import naming
from orchestrator.ledger.lookup import begins_with
from orchestrator.ledger.tables import (
    fetches,
    flow_runs,
    instances,
    lives,
    logs,
    promotions,
    results,
    retirements,
    snapshots,
    studies,
    trials,
)
from orchestrator.records import ErasureRun, ExperimentRun

_BLANKED = "the error named a customer that was forgotten"


class Erasure:
    """The complete removal of a customer, with one flow run as the record of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run_ids(self, customer: str) -> list[str]:
        """The MLflow runs of all trials of a customer."""
        query = select(trials.c.run_id).join(studies, studies.c.id == trials.c.study)
        with self._database.read() as connection:
            of_customer = query.where(studies.c.customer == customer)
            return list(connection.execute(of_customer).scalars())

    def knows(self, customer: str) -> bool:
        """Whether anything is recorded of a customer, even if only a rejected row."""
        listed = select(lives.c.id).where(lives.c.kind == "customer", lives.c.key == customer)
        tried = select(studies.c.id).where(studies.c.customer == customer)
        with self._database.read() as connection:
            return any(
                connection.execute(query.limit(1)).first() is not None for query in (listed, tried)
            ) or any(
                customer in {each["id"] for each in json.loads(row.rejections)}
                for row in connection.execute(_with_rejections())
            )

    def forget(self, customer: str, *, record: str) -> dict[str, int]:
        """Remove everything of a customer, and write one flow run as the record of it.

        A snapshot keeps its id although a customer is removed from it: it names the fetched list.

        Args:
            customer: Its id.
            record: The id of the flow run that records it; it names no customer.

        Returns:
            The number of rows removed from each table.
        """
        with self._database.write() as connection:
            counts = _forget_instances(connection, customer)
            own = select(studies.c.id).where(studies.c.customer == customer)
            counts["trials"] = _count(connection, trials, trials.c.study.in_(own))
            counts["studies"] = _count(connection, studies, studies.c.customer == customer)
            of_customer = (lives.c.kind == "customer") & (lives.c.key == customer)
            counts["periods"] = _count(connection, lives, of_customer)
            counts["promotions"] = _count(connection, promotions, promotions.c.customer == customer)
            _count(connection, retirements, retirements.c.customer == customer)
            counts["snapshots"] = _forget_in_snapshots(connection, customer)
            _forget_rejections(connection, customer)
            _forget_in_contexts(connection, customer)
            now = time.time()
            connection.execute(
                flow_runs.insert().values(
                    id=record,
                    flow="forget",
                    state="success",
                    params="{}",
                    started=now,
                    ended=now,
                    counts="{}",
                    **origin_columns(ErasureRun(removed=counts)),
                )
            )
        self._database.compact()
        return counts


def _count(connection: Connection, table: Table, condition: Any) -> int:
    return int(connection.execute(delete(table).where(condition)).rowcount)


def _forget_instances(connection: Connection, customer: str) -> dict[str, int]:
    """Remove the customer's instances in all flow runs, and their values."""
    counts = {"results": 0, "instances": 0, "logs": 0}
    counts["logs"] = _count(connection, logs, _of_customer(logs, customer))
    own = connection.execute(select(instances).where(_of_customer(instances, customer)))
    for row in own.all():
        this = (instances.c.node == row.node) & (instances.c.key == row.key)
        counts["results"] += _count(connection, results, results.c.fingerprint == row.fingerprint)
        counts["instances"] += _count(connection, instances, this)
    _forget_in_calls_for_all(connection, customer)
    return counts


def _of_customer(table: Table, customer: str) -> ColumnElement[bool]:
    """A condition: rows are a customer's.

    Flows of files map over what they like, so their rows have no customer: there, a key that is the
    customer's id, or begins with it, counts.
    """
    key = keys.part(customer)
    named = (table.c.key == key) | begins_with(table.c.key, keys.below(key, ""))
    return (table.c.customer == clean(customer)) | (table.c.customer.is_(None) & named)


def _forget_in_calls_for_all(connection: Connection, customer: str) -> None:
    """Blank errors that name the customer in calls for all customers; remove such logs.

    The values of such calls are kept only for flow runs that may be resumed; they then call again.
    """
    for_all = instances.c.key == ""
    returned = select(instances.c.fingerprint).where(for_all)
    connection.execute(delete(results).where(results.c.fingerprint.in_(returned)))
    named = for_all & instances.c.error.contains(customer, autoescape=True)
    connection.execute(update(instances).where(named).values(error=_BLANKED))
    for row in naming(connection, logs.c.key == "", customer):
        this = (logs.c.node == row.node) & (logs.c.key == "") & (logs.c.attempt == row.attempt)
        connection.execute(delete(logs).where(this))


def _forget_in_snapshots(connection: Connection, customer: str) -> int:
    """Remove the customer from every snapshot that holds it."""
    changed = 0
    for row in connection.execute(select(snapshots)).all():
        content = json.loads(zlib.decompress(row.content))
        left = [each for each in content["customers"] if each["id"] != customer]
        if len(left) < len(content["customers"]):
            content["customers"] = left
            text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
            this = update(snapshots).where(snapshots.c.id == row.id)
            connection.execute(this.values(content=zlib.compress(text.encode())))
            changed += 1
    return changed


def _with_rejections() -> Select[Any]:
    return select(fetches.c.id, fetches.c.rejections).where(fetches.c.rejected > 0)


def _forget_rejections(connection: Connection, customer: str) -> None:
    """Remove the customer from the rejected rows."""
    for row in connection.execute(_with_rejections()).all():
        left = [each for each in json.loads(row.rejections) if each["id"] != customer]
        this = update(fetches).where(fetches.c.id == row.id)
        connection.execute(this.values(rejections=json.dumps(left), rejected=len(left)))


def _forget_in_contexts(connection: Connection, customer: str) -> None:
    """Take the customer out of what flow runs keep so that they can be resumed."""
    columns = select(flow_runs.c.id, flow_runs.c.kind, flow_runs.c.context)
    for row in connection.execute(columns).all():
        left = _context_without(row.kind, row.context, customer)
        if left != row.context:
            this = update(flow_runs).where(flow_runs.c.id == row.id)
            connection.execute(this.values(context=left))


def _context_without(kind: str | None, context: str, customer: str) -> str:
    origin = origin_of(kind, context)
    if isinstance(origin, ExperimentRun):
        left = replace(
            origin,
            settings=_without_customer(origin.settings, customer),
            spread=tuple(each for each in origin.spread if each[0] != customer),
        )
        return str(origin_columns(left)["context"])
    return context if origin else dump(_without_customer(json.loads(context), customer))


def _without_customer(document: Any, customer: str) -> Any:
    """Settings without the customer's row, if they list customers themselves."""
    if not isinstance(document, dict):
        return document
    left = {key: _without_customer(value, customer) for key, value in document.items()}
    listed = left.get("customers")
    if isinstance(listed, list):
        left["customers"] = [each for each in listed if not _is_row_of(each, customer)]
    return left


def _is_row_of(row: Any, customer: str) -> bool:
    return isinstance(row, dict) and str(row.get("id")) == customer
