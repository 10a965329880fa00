"""Reads flow runs and their instances.

Touches SQLAlchemy; gives `FlowRun` and `InstanceRecord`; runs on the driver. `recorder` writes
what this module reads; `flow_run_rows` and `instance_rows` turn rows into records.
"""

import re
import time
from collections.abc import Callable, Iterable, Sequence
from fnmatch import translate
from itertools import islice
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    func,
    select,
)

from orchestrator import keys
from orchestrator.errors import UsageError
from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_run_rows import flow_run_of
from orchestrator.ledger.instance_rows import instance_of
from orchestrator.ledger.leases.leases import all_leases
from orchestrator.ledger.lookup import begins_with, of_task, one_id
from orchestrator.ledger.tables import flow_runs, instances, nodes, results
from orchestrator.records import FlowRun, InstanceRecord, State

LATEST = "latest"

_LATEST_FIRST = flow_runs.c.started.desc(), flow_runs.c.id.desc()


_UNFINISHED = ("running", "interrupted")


class FlowRuns:
    """The flow runs, and the ends of their instances.

    A flow run whose driver seems to be dead is `interrupted`, though its driver could not write it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, limit: int = 20) -> Sequence[FlowRun]:
        """The last flow runs, latest first."""
        query = select(flow_runs).order_by(*_LATEST_FIRST).limit(limit)
        with self._database.read() as connection:
            over = _left_by_the_dead(connection)
            return [flow_run_of(row, is_over=row.id in over) for row in connection.execute(query)]

    def get(self, flow_run: str) -> FlowRun:
        """One flow run.

        Args:
            flow_run: Its id, a beginning of it that no other shares, or `latest`.

        Raises:
            UsageError: None or several are meant.
        """
        with self._database.read() as connection:
            full = full_id(connection, flow_run)
            query = select(flow_runs).where(flow_runs.c.id == full)
            row = connection.execute(query).one()
            return flow_run_of(row, is_over=row.id in _left_by_the_dead(connection))

    def last_of(self, flow: str) -> FlowRun | None:
        """The flow run of a flow that started last, None before the first."""
        query = select(flow_runs).where(flow_runs.c.flow == flow)
        return self._first(query)

    def left_unfinished(self, flow: str) -> FlowRun | None:
        """The last flow run of a flow, if it was interrupted or its driver died."""
        last = self.last_of(flow)
        return last if last is not None and last.state in _UNFINISHED else None

    def last_unfinished(self) -> FlowRun | None:
        """The last flow run that was interrupted or lost its driver, without a later one."""
        with self._database.read() as connection:
            driven = _driven(connection)
        query = select(flow_runs).where(
            flow_runs.c.state.in_(_UNFINISHED),
            flow_runs.c.started == _start_of_last(),
            flow_runs.c.id.not_in(driven),
        )
        return self._first(query)

    def _first(self, query: Select[Any]) -> FlowRun | None:
        with self._database.read() as connection:
            row = connection.execute(query.order_by(*_LATEST_FIRST).limit(1)).one_or_none()
            if row is None:
                return None
            return flow_run_of(row, is_over=row.id in _left_by_the_dead(connection))

    def counts(self, flow_run: str) -> dict[str, dict[State, int]]:
        """The number of instances by node and end state; `flow_run` as `get` takes it."""
        with self._database.read() as connection:
            query = (
                select(nodes.c.name, instances.c.state, func.count())
                .join(instances, instances.c.node == nodes.c.id)
                .where(nodes.c.flow_run == full_id(connection, flow_run))
                .group_by(nodes.c.id, nodes.c.name, instances.c.state)
                .order_by(nodes.c.id)
            )
            counted: dict[str, dict[State, int]] = {}
            for name, state, number in connection.execute(query):
                counted.setdefault(name, {})[State(state)] = number
        return counted

    def not_stored(self, flow_run: str) -> dict[str, int]:
        """The number of successes by node without a stored value, which only a new call can give.

        Args:
            flow_run: As `get` takes it.
        """
        with self._database.read() as connection:
            full = full_id(connection, flow_run)
            is_stored = results.c.fingerprint == instances.c.fingerprint
            query = (
                select(nodes.c.name, func.count().label("number"))
                .join(instances, instances.c.node == nodes.c.id)
                .outerjoin(results, is_stored)
                .where(nodes.c.flow_run == full)
                .where(instances.c.state.in_((State.SUCCESS.value, State.CACHED.value)))
                .where(results.c.fingerprint.is_(None))
                .group_by(nodes.c.id, nodes.c.name)
                .order_by(nodes.c.id)
            )
            return {row.name: row.number for row in connection.execute(query)}

    def instances(
        self,
        flow_run: str,
        *,
        task: str | None = None,
        state: State | None = None,
        key_pattern: str | None = None,
        limit: int | None = 100,
        offset: int = 0,
    ) -> Sequence[InstanceRecord]:
        """Instances by node and map index, without their values.

        Args:
            flow_run: As `get` takes it.
            task: Only calls of this task, `fit`, or those of one coordinator, `fit@tune`.
            state: Only in this state.
            key_pattern: Only keys that match, with `*`, `?` and `[...]` as in a shell. A slash
                inside a name may be typed as `/` or as in the key, `%2F`.
            limit: The most instances; None for all.
            offset: The number of first instances to leave out.
        """
        stop = None if limit is None else offset + limit
        with self._database.read() as connection:
            full = full_id(connection, flow_run)
            query = _instances_query(full, task, state, key_pattern)
            # In chunks, so that a million instances need not fit in memory.
            with connection.execution_options(yield_per=1_000).execute(query) as rows:
                wanted = islice(_matching(rows, key_pattern), offset, stop)
                return [instance_of(full, row) for row in wanted]


def _start_of_last() -> ScalarSelect[Any]:
    """The start of the last flow run of the same flow."""
    others = flow_runs.alias()
    return (
        select(func.max(others.c.started))
        .where(others.c.flow == flow_runs.c.flow)
        .correlate(flow_runs)
        .scalar_subquery()
    )


def full_id(connection: Connection, flow_run: str) -> str:
    """The whole id for its beginning, or for `latest`."""
    if flow_run != LATEST:
        return one_id(connection, flow_runs.c.id, flow_run, "flow run")
    query = select(flow_runs.c.id).order_by(*_LATEST_FIRST).limit(1)
    latest = connection.execute(query).scalar_one_or_none()
    if latest is None:
        raise UsageError("no flow run is recorded yet")
    return str(latest)


def _instances_query(
    flow_run: str, task: str | None, state: State | None, key_pattern: str | None
) -> Select[Any]:
    query = (
        select(nodes.c.name, instances)
        .join(instances, instances.c.node == nodes.c.id)
        .where(nodes.c.flow_run == flow_run)
        .order_by(nodes.c.name, instances.c.idx, instances.c.key)
    )
    if task is not None:
        query = query.where(of_task(nodes.c.name, task))
    if state is not None:
        query = query.where(instances.c.state == state.value)
    return query.where(*keys_begin(instances.c.key, key_pattern))


def keys_begin(column: Column[str], key_pattern: str | None) -> list[ColumnElement[bool]]:
    """Conditions that every key of a pattern meets, so that an index narrows the search.

    They end where people may type a key differently from how it is written; see `keys`.
    """
    beginning = re.split(r"[*?\[/%]|\A#", key_pattern or "", maxsplit=1)[0]
    return [begins_with(column, beginning)] if beginning else []


def key_matches(key_pattern: str | None) -> Callable[[str], bool]:
    """A function that returns whether a key matches a pattern."""
    matches = re.compile(translate(key_pattern or "*")).match
    return lambda key: bool(matches(key) or matches(keys.readable(key)))


def _matching(rows: Iterable[Row[Any]], key_pattern: str | None) -> Iterable[Row[Any]]:
    if key_pattern is None:
        return rows
    matches = key_matches(key_pattern)
    return (row for row in rows if matches(row.key))


def _left_by_the_dead(connection: Connection) -> frozenset[str]:
    """The flow runs whose drivers seem to have died and left a lease."""
    now = time.time()
    return frozenset(lease.flow_run for lease in all_leases(connection) if lease.seems_over(now))


def _driven(connection: Connection) -> frozenset[str]:
    """The flow runs whose drivers seem to be alive."""
    now = time.time()
    live = (lease for lease in all_leases(connection) if not lease.seems_over(now))
    return frozenset(lease.flow_run for lease in live)
