"""Removing all of one customer, as a privacy law may demand.

Touches SQLAlchemy; takes a customer's id; gives how much went; runs on the driver.
"""

import json
import time
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, select, update

from orchestrator.ledger.database import Database
from orchestrator.ledger.encoding import dump_for_people
from orchestrator.ledger.tables import (
    fetches,
    flow_runs,
    instances,
    lives,
    promotions,
    results,
    snapshots,
    studies,
    trials,
)

_AT_ONCE = 500


class Forgetting:
    """The way a customer leaves the ledger: whole, with one line of record that it happened."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def run_ids(self, customer: str) -> list[str]:
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
        self._database.compact()
        return counts


def _chunks(numbers: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))


def _count(connection: Connection, table: Table, condition: Any) -> int:
    return int(connection.execute(delete(table).where(condition)).rowcount)


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
