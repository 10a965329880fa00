"""The seam through which a flow run is recorded; the ledger is one recorder, memory another.

Touches no library; takes and gives `FlowRun` and `InstanceRecord`; runs on the driver.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from orchestrator.records import FlowRun, InstanceLog, InstanceRecord, State


class Recorder(Protocol):
    """Stores a flow run and its instances, and reads them again for a later flow run.

    The contract: `record` is called in bulk, as instances end, from one thread; calling it twice
    with the same (flow run, node, key) keeps the later one. `recall` answers from every recorded
    success, whatever the flow run. Nothing here may raise for a value it cannot store: it is
    then not recalled. Anything it raises is a failure of the machinery and ends the flow run.
    """

    def begin(self, flow_run: FlowRun) -> None:
        """Record that a flow run has started."""
        ...

    def record(self, instances: Sequence[InstanceRecord]) -> None:
        """Record instances that have ended."""
        ...

    def keep_logs(self, logs: Sequence[InstanceLog]) -> None:
        """Keep attempts' logs; of two with one flow run, node, key and number the later wins."""
        ...

    def recall(self, fingerprints: Sequence[str]) -> Mapping[str, Any]:
        """The values of recorded successes, by fingerprint; missing ones are left out."""
        ...

    def succeeded(self, flow_run: str, node: str) -> frozenset[str]:
        """The keys of this node that succeeded in a flow run that now continues."""
        ...

    def nodes_of(self, flow_run: str) -> Sequence[str]:
        """The names of the nodes of which a flow run has recorded instances."""
        ...

    def states_of(self, flow_run: str, node: str) -> Mapping[str, State]:
        """The states of this node's instances in a flow run by key, without `removed` ones."""
        ...

    def last_keys(self, flow: str, node: str) -> frozenset[str]:
        """The keys of this node in the last ended flow run of this flow, without `removed` ones."""
        ...

    def finish(self, flow_run: FlowRun) -> None:
        """Record that the flow run has ended, with its state, end time and counts."""
        ...


class MemoryRecorder:
    """Records for as long as the process lives: the default, and the twin for tests."""

    def __init__(self) -> None:
        self.flow_runs: dict[str, FlowRun] = {}
        self.instances: dict[tuple[str, str, str], InstanceRecord] = {}
        self.logs: dict[tuple[str, str, str, int], InstanceLog] = {}
        self._by_fingerprint: dict[str, Any] = {}

    def begin(self, flow_run: FlowRun) -> None:
        """Keep the flow run."""
        self.flow_runs[flow_run.id] = flow_run

    def record(self, instances: Sequence[InstanceRecord]) -> None:
        """Keep the instances; the later of two wins."""
        for instance in instances:
            self.instances[instance.flow_run, instance.node, instance.key] = instance
            if instance.is_to_be_kept:
                self._by_fingerprint[str(instance.fingerprint)] = instance.value

    def keep_logs(self, logs: Sequence[InstanceLog]) -> None:
        """Keep attempts' logs; the later of two wins."""
        for log in logs:
            self.logs[log.flow_run, log.node, log.key, log.attempt] = log

    def recall(self, fingerprints: Sequence[str]) -> Mapping[str, Any]:
        """Values of recorded successes by fingerprint."""
        return {f: self._by_fingerprint[f] for f in fingerprints if f in self._by_fingerprint}

    def succeeded(self, flow_run: str, node: str) -> frozenset[str]:
        """Keys of this node that succeeded in a flow run."""
        return frozenset(
            key
            for (run, of_node, key), instance in self.instances.items()
            if (run, of_node) == (flow_run, node) and instance.state is State.SUCCESS
        )

    def nodes_of(self, flow_run: str) -> Sequence[str]:
        """Names of the nodes of a flow run."""
        return sorted({node for run, node, _ in self.instances if run == flow_run})

    def states_of(self, flow_run: str, node: str) -> Mapping[str, State]:
        """States by key of this node in a flow run."""
        return {
            key: instance.state
            for (run, of_node, key), instance in self.instances.items()
            if (run, of_node) == (flow_run, node) and instance.state is not State.REMOVED
        }

    def last_keys(self, flow: str, node: str) -> frozenset[str]:
        """Keys of this node in the latest ended flow run of this flow."""
        ended = [r for r in self.flow_runs.values() if r.flow == flow and r.ended is not None]
        if not ended:
            return frozenset()
        return frozenset(self.states_of(max(ended, key=lambda run: run.started).id, node))

    def finish(self, flow_run: FlowRun) -> None:
        """Keep the ended flow run."""
        self.flow_runs[flow_run.id] = flow_run
