"""Writes a flow run and its instances to the ledger as they end, and recalls their values.

Implements `orchestrator.mapping.driver.recorder.Recorder`. Touches SQLAlchemy; takes `FlowRun` and
`InstanceRecord`; gives values by fingerprint; runs on the driver.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, delete, select

from orchestrator.errors import UsageError
from orchestrator.ledger.codec import NOTHING, clean, freeze, thaw
from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_run_rows import flow_run_row
from orchestrator.ledger.instance_rows import customer_of, instance_row
from orchestrator.ledger.logs import content_of
from orchestrator.ledger.lookup import begins_with
from orchestrator.ledger.tables import flow_runs, instances, logs, nodes, results
from orchestrator.ledger.trials import add_trials
from orchestrator.records import (
    FlowRun,
    InstanceLog,
    InstanceRecord,
    State,
    TrialResult,
    own_fingerprint,
)
from orchestrator.sql.inserts import Rows, insert_missing, insert_or_replace

_DROPPED_AT_ONCE = 50
"""Earlier flow runs to clear: each success drops the results kept by those before it."""

_UNFINISHED = ("running", "interrupted")
"""States of flow runs that were interrupted, or whose driver died or lives."""

TrialsOf = Callable[[InstanceRecord], Sequence[TrialResult]]
"""Finds the trials in an instance's value; an empty sequence if it holds none."""

_RECALLED_AT_ONCE = 500
"""SQLite's time for one query grows with the square of its parameters."""


class LedgerRecorder:
    """The ledger as a flow run's recorder; see `Recorder` for the contract.

    Args:
        database: The open ledger.
        trials_of: If given, the trials of each instance are written in the transaction that
            writes the instance, so that neither exists without the other.
        planned: By fingerprint, in the order of later lookups, whether a success is recorded;
            thousands of small queries become a few large ones.
    """

    def __init__(
        self,
        database: Database,
        trials_of: TrialsOf | None = None,
        planned: Mapping[str, bool] | None = None,
    ) -> None:
        self._database = database
        self._trials_of = trials_of
        self._has_results = False
        self._planned = planned or {}
        self._next = (name for name, is_recorded in self._planned.items() if is_recorded)
        self._ahead: dict[str, bytes] = {}

    def begin(self, flow_run: FlowRun) -> None:
        """Write the flow run, or overwrite it when it is resumed.

        Raises:
            UsageError: Another flow run is recorded under this id.
        """
        with self._database.write() as connection:
            _require_same(connection, flow_run)
            insert_or_replace(connection, flow_runs, [flow_run_row(flow_run)])

    def finish(self, flow_run: FlowRun) -> None:
        """Write the end of the flow run.

        Once it has ended well, what was kept for earlier flow runs of the flow alone is dropped,
        except for those that were interrupted: a resume continues them without repeating anything.
        """
        with self._database.write() as connection:
            insert_or_replace(connection, flow_runs, [flow_run_row(flow_run)])
            if flow_run.state == "success":
                _drop_results_of_earlier(connection, flow_run)

    def record(self, instances: Sequence[InstanceRecord]) -> None:
        """Write the instances, their trials, and values that are small enough."""
        values = _result_rows(instances)
        trials = self._trials(instances)
        with self._database.write() as connection:
            _write_instances(connection, instances)
            insert_or_replace(connection, results, values)
            add_trials(connection, trials)

    def keep_logs(self, said: Sequence[InstanceLog]) -> None:
        """Write attempts' logs."""
        with self._database.write() as connection:
            numbers = _node_numbers(connection, {(log.flow_run, log.node) for log in said})
            trained = _of_experiments(connection, {log.flow_run for log in said})
            rows = [
                {
                    "node": numbers[log.flow_run, log.node],
                    "key": clean(log.key),
                    "attempt": log.attempt,
                    "content": content_of(log.text),
                    "customer": customer_of(log.key) if log.flow_run in trained else None,
                }
                for log in said
            ]
            insert_or_replace(connection, logs, rows)

    def recall(self, fingerprints: Sequence[str]) -> Mapping[str, Any]:
        """The values of recorded successes that can still be loaded, by fingerprint."""
        may_be = [name for name in fingerprints if self._planned.get(name, True)]
        missing = [name for name in may_be if name not in self._ahead]
        if missing:
            soon = islice(self._next, max(0, _RECALLED_AT_ONCE - len(missing)))
            self._ahead |= self._read([*missing, *soon])
        frozen = {name: self._ahead.pop(name) for name in may_be if name in self._ahead}
        recalled = {name: thaw(value) for name, value in frozen.items()}
        return {name: value for name, value in recalled.items() if value is not NOTHING}

    def known(self, fingerprints: Sequence[str]) -> frozenset[str]:
        """The fingerprints with a recorded success; their values are not read."""
        found: set[str] = set()
        name = results.c.fingerprint
        with self._database.read() as connection:
            if self._anything_to_recall(connection):
                for start in range(0, len(fingerprints), _RECALLED_AT_ONCE):
                    some = fingerprints[start : start + _RECALLED_AT_ONCE]
                    found.update(connection.execute(select(name).where(name.in_(some))).scalars())
        return frozenset(found)

    def succeeded(self, flow_run: str, node: str) -> frozenset[str]:
        """Keys of this node that succeeded in a flow run."""
        query = (
            select(instances.c.key)
            .join(nodes, nodes.c.id == instances.c.node)
            .where(nodes.c.flow_run == flow_run, nodes.c.name == node)
            .where(instances.c.state == State.SUCCESS.value)
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def nodes_of(self, flow_run: str) -> Sequence[str]:
        """Names of the nodes of a flow run."""
        query = select(nodes.c.name).where(nodes.c.flow_run == flow_run).order_by(nodes.c.name)
        with self._database.read() as connection:
            return [*connection.execute(query).scalars()]

    def states_of(self, flow_run: str, node: str) -> Mapping[str, State]:
        """States by key of this node in a flow run, without `removed` ones."""
        query = (
            select(instances.c.key, instances.c.state)
            .join(nodes, nodes.c.id == instances.c.node)
            .where(nodes.c.flow_run == flow_run, nodes.c.name == node)
            .where(instances.c.state != State.REMOVED.value)
        )
        with self._database.read() as connection:
            return {row.key: State(row.state) for row in connection.execute(query)}

    def last_keys(self, flow: str, node: str) -> frozenset[str]:
        """Keys of this node in the flow's last ended flow run, without `removed` ones."""
        last = (
            select(flow_runs.c.id)
            .where(flow_runs.c.flow == flow, flow_runs.c.ended.is_not(None))
            .order_by(flow_runs.c.started.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = (
            select(instances.c.key)
            .join(nodes, nodes.c.id == instances.c.node)
            .where(nodes.c.flow_run == last, nodes.c.name == node)
            .where(instances.c.state != State.REMOVED.value)
        )
        with self._database.read() as connection:
            return frozenset(connection.execute(query).scalars())

    def _read(self, fingerprints: Sequence[str]) -> dict[str, bytes]:
        """The recorded values, still pickled."""
        found: dict[str, bytes] = {}
        query = select(results.c.fingerprint, results.c.value)
        with self._database.read() as connection:
            if self._anything_to_recall(connection):
                for start in range(0, len(fingerprints), _RECALLED_AT_ONCE):
                    some = fingerprints[start : start + _RECALLED_AT_ONCE]
                    rows = connection.execute(query.where(results.c.fingerprint.in_(some)))
                    found.update((row.fingerprint, row.value) for row in rows)
        return found

    def _trials(self, ended: Sequence[InstanceRecord]) -> list[TrialResult]:
        if self._trials_of is None:
            return []
        # A cached instance's trials were written with the instance it was taken from.
        fresh = (instance for instance in ended if instance.state is not State.CACHED)
        return [trial for instance in fresh for trial in self._trials_of(instance)]

    def _anything_to_recall(self, connection: Connection) -> bool:
        """Whether any result is recorded: a cheap check that saves a first flow run lookups."""
        if not self._has_results:
            one = connection.execute(select(results.c.fingerprint).limit(1)).one_or_none()
            self._has_results = one is not None
        return self._has_results


def _of_experiments(connection: Connection, flow_run_ids: Iterable[str]) -> frozenset[str]:
    """The flow runs, among some, of experiments, whose instances therefore have customers."""
    query = select(flow_runs.c.id).where(
        flow_runs.c.id.in_(list(flow_run_ids)), flow_runs.c.kind == "experiment"
    )
    return frozenset(connection.execute(query).scalars())


def _require_same(connection: Connection, flow_run: FlowRun) -> None:
    """Refuse an id under which another flow run is recorded; a resumed one keeps its start."""
    columns = select(flow_runs.c.flow, flow_runs.c.started)
    found = connection.execute(columns.where(flow_runs.c.id == flow_run.id)).one_or_none()
    if found is not None and tuple(found) != (flow_run.flow, flow_run.started):
        raise UsageError(
            f"a flow run of {found.flow} is already recorded as {flow_run.id}: "
            "leave out the id, or continue that one by resumed="
        )


def _write_instances(connection: Connection, ended: Sequence[InstanceRecord]) -> None:
    names = {(i.flow_run, i.node) for i in ended}
    numbers = _node_numbers(connection, names)
    trained = _of_experiments(connection, {flow_run for flow_run, _ in names})
    rows = [
        instance_row(numbers[i.flow_run, i.node], i, of_customer=i.flow_run in trained)
        for i in ended
    ]
    insert_or_replace(connection, instances, rows)


def _node_numbers(
    connection: Connection, wanted: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], int]:
    wanted = list(wanted)
    insert_missing(connection, nodes, [{"flow_run": run, "name": name} for run, name in wanted])
    of_flow_runs = nodes.c.flow_run.in_({flow_run for flow_run, _ in wanted})
    query = select(nodes.c.flow_run, nodes.c.name, nodes.c.id).where(of_flow_runs)
    return {(flow_run, name): number for flow_run, name, number in connection.execute(query)}


def _drop_results_of_earlier(connection: Connection, flow_run: FlowRun) -> None:
    of_flow = select(flow_runs.c.id).where(flow_runs.c.flow == flow_run.flow)
    others = of_flow.where(flow_runs.c.id != flow_run.id, flow_runs.c.state.not_in(_UNFINISHED))
    earlier = others.order_by(flow_runs.c.started.desc())
    for each in connection.execute(earlier.limit(_DROPPED_AT_ONCE)).scalars().all():
        # An index of scopes would cost each result 2.6 us; the key's own index finds them as well.
        near = begins_with(results.c.fingerprint, own_fingerprint(each, ""))
        connection.execute(delete(results).where(near, results.c.scope == each))


def _result_rows(ended: Sequence[InstanceRecord]) -> Rows:
    rows, now = [], time.time()
    for instance in ended:
        if instance.is_to_be_kept:
            frozen = freeze(instance.value)
            if frozen is not None:
                rows.append(
                    {
                        "fingerprint": instance.fingerprint,
                        "scope": instance.scope,
                        "value": frozen,
                        "recorded": now,
                    }
                )
    return rows
