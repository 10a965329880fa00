"""Removal of replaced records: studies with their trials and results, and instances.

Touches SQLAlchemy; takes a rule; gives the records to remove as plain rows, for an archive, then
removes them; runs on the driver.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    delete,
    exists,
    func,
    select,
)

from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import (
    flow_runs,
    instances,
    logs,
    nodes,
    promotions,
    results,
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
        flow_run, customer, model: The study's flow run, customer and model.
        key: Its lasting name.
        run_ids: The MLflow runs of its trials.
    """

    id: int
    flow_run: str
    customer: str
    model: str
    key: str
    run_ids: tuple[str, ...]


class OldInstance(NamedTuple):
    """An instance that ended again in later flow runs, by its node's number and its key."""

    node: int
    key: str


class Old:
    """The records that later work has replaced, and their removal."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def studies(self, *, before: float | None, keep_last: int) -> list[OldStudy]:
        """The studies to remove: replaced by later ones, never deployed, known to MLflow.

        A study whose results the last flow run reused is not old, whenever it ran.

        Args:
            before: Only those of flow runs that started before this moment.
            keep_last: The number of studies of each customer and model that stay, whatever their
                age; the last one always stays, since unchanged customers are compared with it.
        """
        turn = func.row_number().over(partition_by=studies.c.key, order_by=studies.c.id.desc())
        ranked = select(studies.c.id, turn.label("turn")).subquery()
        unsent = select(trials.c.study).where(trials.c.sent.is_(None))
        promoted = select(promotions.c.trial).where(promotions.c.trial.is_not(None))
        deployed = select(trials.c.study).where(trials.c.run_id.in_(promoted))
        query = (
            select(studies)
            .join(ranked, ranked.c.id == studies.c.id)
            .join(flow_runs, flow_runs.c.id == studies.c.flow_run)
            .where(ranked.c.turn > max(keep_last, 1))
            .where(studies.c.id.not_in(unsent), studies.c.id.not_in(deployed))
            .order_by(studies.c.id)
        )
        if before is not None:
            query = query.where(flow_runs.c.started < before)
        with self._database.read() as connection:
            in_use = _in_use(connection)
            found = [
                row for row in connection.execute(query) if (row.flow_run, row.key) not in in_use
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

    def instances(self, *, before: float | None, keep_last: int) -> list[OldInstance]:
        """The instances to remove: of ended flow runs, and ended again in later ones.

        Instances with a recorded result stay, and are removed with their study, unless only their
        own flow run could use the result when resumed.

        Args:
            before: Only those of flow runs that started before this moment.
            keep_last: The number of instances of each node and key that stay, whatever their age;
                at least one stays.
        """
        ranked = _ranked().subquery()
        succeeded = ranked.c.state == State.SUCCESS.value
        for_all = exists().where(
            results.c.fingerprint == ranked.c.fingerprint, results.c.scope.is_(None)
        )
        may_be_used_again = succeeded & for_all
        query = (
            select(ranked.c.node, ranked.c.key)
            .where(ranked.c.turn > max(keep_last, 1), ~may_be_used_again)
            .order_by(ranked.c.node)
        )
        if before is not None:
            query = query.where(ranked.c.started < before)
        with self._database.read() as connection:
            return [OldInstance(*row) for row in connection.execute(query)]

    def trial_rows(self, old: Sequence[OldStudy]) -> Iterator[dict[str, Any]]:
        """All data of these studies' trials, for an archive."""
        query = select(studies, trials).join(trials, trials.c.study == studies.c.id)
        with self._database.read() as connection:
            for some in _chunks([study.id for study in old]):
                found = connection.execute(query.where(studies.c.id.in_(some)))
                yield from (dict(row) for row in found.mappings())

    def instance_rows(self, old: Sequence[OldInstance]) -> Iterator[dict[str, Any]]:
        """All data of these instances, for an archive."""
        query = select(nodes.c.flow_run, nodes.c.name, instances)
        query = query.select_from(instances.join(nodes))
        with self._database.read() as connection:
            for node, keys in _by_node(old):
                these = (instances.c.node == node) & instances.c.key.in_(keys)
                yield from (dict(row) for row in connection.execute(query.where(these)).mappings())

    def remove(self, old_studies: Sequence[OldStudy], old_instances: Sequence[OldInstance]) -> None:
        """Remove these studies with their trials, instances and results, and these instances."""
        with self._database.write() as connection:
            for node, keys in _by_node(old_instances):
                these = (instances.c.node == node) & instances.c.key.in_(keys)
                gone = select(instances.c.fingerprint).where(these)
                own = results.c.fingerprint.in_(gone) & results.c.scope.is_not(None)
                connection.execute(delete(results).where(own))
                connection.execute(delete(instances).where(these))
                connection.execute(delete(logs).where(logs.c.node == node, logs.c.key.in_(keys)))
            _remove_results(connection, {(study.flow_run, study.key) for study in old_studies})
            for some in _chunks([study.id for study in old_studies]):
                connection.execute(delete(trials).where(trials.c.study.in_(some)))
                connection.execute(delete(studies).where(studies.c.id.in_(some)))


def _ranked() -> Select[Any]:
    """Instances, numbered for each flow, node and key from the last one, which is 1."""
    turn = func.row_number().over(
        partition_by=(flow_runs.c.flow, nodes.c.name, instances.c.key),
        order_by=instances.c.node.desc(),
    )
    ranked = select(instances, nodes.c.flow_run, flow_runs.c.started, turn.label("turn"))
    named = ranked.select_from(instances.join(nodes).join(flow_runs))
    return named.where(flow_runs.c.ended.is_not(None))


def _in_use(connection: Connection) -> set[tuple[str, str]]:
    """The study of each key whose results were used last, by flow run and key."""
    ranked = _ranked().where(instances.c.fingerprint.is_not(None)).subquery()
    last = select(ranked.c.fingerprint).where(ranked.c.turn == 1)
    query = (
        select(nodes.c.flow_run, instances.c.key)
        .select_from(instances.join(nodes))
        .where(instances.c.state == State.SUCCESS.value, instances.c.fingerprint.in_(last))
        .order_by(instances.c.node)  # after another training with --fresh, the later one counts
    )
    latest = {key: flow_run for flow_run, key in connection.execute(query)}
    return {(flow_run, key) for key, flow_run in latest.items()}


def _run_ids(connection: Connection, numbers: Sequence[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for some in _chunks(numbers):
        query = select(trials.c.study, trials.c.run_id).where(trials.c.study.in_(some))
        for study, run_id in connection.execute(query):
            found.setdefault(study, []).append(run_id)
    return found


def _remove_results(connection: Connection, names: set[tuple[str, str]]) -> None:
    """Remove instances by flow run and key, and their values unless others share them."""
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
                said = (logs.c.node == row.node) & (logs.c.key == row.key)
                connection.execute(delete(logs).where(said))
    for some in _chunks(sorted(gone - kept - {""})):
        connection.execute(delete(results).where(results.c.fingerprint.in_(some)))


def _by_node(old: Iterable[OldInstance]) -> Iterator[tuple[int, Sequence[str]]]:
    for node, some in groupby(old, key=lambda instance: instance.node):
        for keys in _chunks([instance.key for instance in some]):
            yield node, keys


def _chunks(numbers: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))
