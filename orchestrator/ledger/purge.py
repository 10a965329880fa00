"""Removing what is no longer wanted: old trials by rule, or all of one customer.

Everything else in the ledger is only ever added to. Touches SQLAlchemy; takes rules and names;
gives what there is to remove as plain rows, then removes it; runs on the driver.
"""

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, delete, func, select, update

from orchestrator.ledger.database import Database
from orchestrator.ledger.encoding import dump_for_people
from orchestrator.ledger.tables import (
    fetches,
    flow_runs,
    instances,
    lives,
    nodes,
    promotions,
    results,
    snapshots,
    studies,
    trials,
)
from orchestrator.records import State

_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class OldStudy:
    """A study that a later one has replaced.

    Attributes:
        id: Its number in the ledger.
        flow_run, customer, model: Which.
        key: Its lasting name.
        run_ids: The MLflow runs of its trials.
    """

    id: int
    flow_run: str
    customer: str
    model: str
    key: str
    run_ids: tuple[str, ...]


class Purge:
    """The only way anything leaves the ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def old_studies(self, *, before: float | None, keep_last: int) -> list[OldStudy]:
        """Studies that may go: replaced by later ones, never deployed, known to MLflow.

        Args:
            before: Only those of flow runs that started before this moment.
            keep_last: How many of each customer and model stay, whatever their age; the last one
                always does, since it is what an unchanged customer is compared by.
        """
        turn = func.row_number().over(partition_by=studies.c.key, order_by=studies.c.id.desc())
        ranked = select(studies.c.id, turn.label("turn")).subquery()
        unsent = select(trials.c.study).where(trials.c.sent.is_(None))
        query = (
            select(studies)
            .join(ranked, ranked.c.id == studies.c.id)
            .join(flow_runs, flow_runs.c.id == studies.c.flow_run)
            .where(ranked.c.turn > max(keep_last, 1), studies.c.id.not_in(unsent))
            .order_by(studies.c.id)
        )
        if before is not None:
            query = query.where(flow_runs.c.started < before)
        with self._database.read() as connection:
            deployed = _deployed(connection)
            found = [
                row for row in connection.execute(query) if (row.flow_run, row.key) not in deployed
            ]
            run_ids = _run_ids(connection, [row.id for row in found])
        return [
            OldStudy(
                id=row.id,
                flow_run=row.flow_run,
                customer=row.customer,
                model=row.model,
                key=row.key,
                run_ids=tuple(run_ids.get(row.id, ())),
            )
            for row in found
        ]

    def rows(self, old: Sequence[OldStudy]) -> Iterator[dict[str, Any]]:
        """Everything about these studies' trials, for an archive."""
        query = select(studies, trials).join(trials, trials.c.study == studies.c.id)
        with self._database.read() as connection:
            for some in _chunks([study.id for study in old]):
                found = connection.execute(query.where(studies.c.id.in_(some)))
                yield from (dict(row) for row in found.mappings())

    def remove(self, old: Sequence[OldStudy]) -> None:
        """Remove these studies, their trials, instances and recorded results."""
        with self._database.write() as connection:
            names = {(study.flow_run, study.key) for study in old}
            _remove_results(connection, names)
            for some in _chunks([study.id for study in old]):
                connection.execute(delete(trials).where(trials.c.study.in_(some)))
                connection.execute(delete(studies).where(studies.c.id.in_(some)))

    def run_ids_of(self, customer: str) -> list[str]:
        """The MLflow runs of all trials of a customer."""
        query = select(trials.c.run_id).join(studies, studies.c.id == trials.c.study)
        with self._database.read() as connection:
            of_customer = query.where(studies.c.customer == customer)
            return list(connection.execute(of_customer).scalars())

    def forget(self, customer: str, *, record: str) -> dict[str, int]:
        """Remove all of a customer, and write one flow run as the record that it happened.

        A snapshot keeps its id although a customer is taken out of it: it names what was fetched.

        Args:
            customer: Its id.
            record: The id of the flow run that records it; it names no customer.

        Returns:
            How many rows of each table went.
        """
        with self._database.write() as connection:
            counts = _forget_instances(connection, customer)
            own = select(studies.c.id).where(studies.c.customer == customer)
            counts["trials"] = _count(connection, trials, trials.c.study.in_(own))
            counts["studies"] = _count(connection, studies, studies.c.customer == customer)
            of_customer = (lives.c.kind == "customer") & (lives.c.key == customer)
            counts["periods"] = _count(connection, lives, of_customer)
            counts["promotions"] = _count(connection, promotions, promotions.c.customer == customer)
            counts["snapshots"] = _forget_in_snapshots(connection, customer)
            _forget_rejections(connection, customer)
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
                    context=dump_for_people({"removed": counts}),
                )
            )
        return counts


def _chunks(numbers: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))


def _count(connection: Connection, table: Table, condition: Any) -> int:
    return int(connection.execute(delete(table).where(condition)).rowcount)


def _deployed(connection: Connection) -> set[tuple[str, str]]:
    """Flow run and key of every study that a version in MLflow was made of."""
    found = set()
    for content in connection.execute(select(promotions.c.content)).scalars():
        study = json.loads(content)["decision"]["best"]["trial"]["study"]
        key = f"{study['customer']['id']}/{study['model']['id']}"
        found.add((study["flow_run"], f"{key}@champion" if study["champion"] else key))
    return found


def _run_ids(connection: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for some in _chunks(numbers):
        query = select(trials.c.study, trials.c.run_id).where(trials.c.study.in_(some))
        for study, run_id in connection.execute(query):
            found.setdefault(study, []).append(run_id)
    return found


def _remove_results(connection: Connection, names: set[tuple[str, str]]) -> None:
    """Remove instances by flow run and key, and what they returned unless others returned it."""
    keys = sorted({key for _, key in names})
    gone: set[str] = set()
    kept: set[str] = set()
    for some in _chunks(keys):
        query = (
            select(nodes.c.flow_run, instances)
            .join(nodes, nodes.c.id == instances.c.node)
            .where(instances.c.key.in_(some), instances.c.state == State.SUCCESS.value)
        )
        for row in connection.execute(query).all():
            is_gone = (row.flow_run, row.key) in names
            (gone if is_gone else kept).add(row.fingerprint or "")
            if is_gone:
                this = (instances.c.node == row.node) & (instances.c.key == row.key)
                connection.execute(delete(instances).where(this))
    for some in _chunks(sorted(gone - kept - {""})):
        connection.execute(delete(results).where(results.c.fingerprint.in_(some)))


def _forget_instances(connection: Connection, customer: str) -> dict[str, int]:
    """Remove the customer's instances in all flow runs, and what they returned."""
    models = connection.execute(select(lives.c.key).where(lives.c.kind == "model").distinct())
    keys = [customer, f"{customer}/{customer}"]
    for model in models.scalars():
        keys += [f"{customer}/{model}", f"{customer}/{model}@champion"]
    counts = {"results": 0, "instances": 0}
    for some in _chunks(keys):
        own = instances.c.key.in_(some)
        names = select(instances.c.fingerprint).where(own, instances.c.fingerprint.is_not(None))
        counts["results"] += _count(connection, results, results.c.fingerprint.in_(names))
        counts["instances"] += _count(connection, instances, own)
    return counts


def _forget_in_snapshots(connection: Connection, customer: str) -> int:
    """Take the customer out of every snapshot that holds it."""
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


def _forget_rejections(connection: Connection, customer: str) -> None:
    """Take the customer out of the rows that were set aside."""
    query = select(fetches.c.id, fetches.c.rejections).where(fetches.c.rejected > 0)
    for row in connection.execute(query).all():
        left = [each for each in json.loads(row.rejections) if each["id"] != customer]
        this = update(fetches).where(fetches.c.id == row.id)
        connection.execute(this.values(rejections=json.dumps(left)))
