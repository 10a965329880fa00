"""Prometheus metrics of the flow run that this process drives, for as long as it lasts.

Touches prometheus-client; takes an address, progress and a ledger; serves text; driver, in a thread
of its own. It queries the counts when Prometheus scrapes, so that they cost nothing otherwise.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily, Metric

from orchestrator.clusters import present_workers
from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger
from orchestrator.mapping import NodeProgress

_LOOPBACK = "127.0.0.1"


@contextmanager
def serving_metrics(address: str, ledger: str) -> Iterator["Metrics"]:
    """Serve metrics at `PORT` of this machine alone, or at `HOST:PORT`.

    Args:
        address: `PORT`, or `HOST:PORT`.
        ledger: The ledger's address.

    Raises:
        UsageError: The address is malformed, or already in use.
    """
    host, port = _parted(address)
    registry = CollectorRegistry()
    metrics = Metrics(ledger)
    registry.register(metrics)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise UsageError(f"--metrics-port {address}: {error}; choose another") from error
    try:
        yield metrics
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Metrics:
    """The collector that Prometheus's scrapes read.

    Args:
        ledger: The address of the ledger in which trials and MLflow's backlog are counted; it need
            not exist yet while the flow run is being prepared.
    """

    def __init__(self, ledger: str) -> None:
        self._ledger = ledger
        self._nodes: Sequence[NodeProgress] = ()

    def observe(self, nodes: Sequence[NodeProgress]) -> None:
        """Store the progress of the flow run; an observer of `Flow.run`."""
        self._nodes = nodes

    def describe(self) -> Iterator[Metric]:
        """Return nothing: the registry need not collect in order to learn the names."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the current metrics."""
        yield from self._instances()
        yield from self._trials()
        workers = "Workers of the Dask cluster."
        yield GaugeMetricFamily("orchestrator_workers", workers, value=present_workers())

    def _instances(self) -> Iterator[Metric]:
        ended = GaugeMetricFamily(
            "orchestrator_instances", "Instances that have ended.", labels=("task", "state")
        )
        running = GaugeMetricFamily(
            "orchestrator_instances_running", "Instances under way.", labels=("task",)
        )
        expected = GaugeMetricFamily(
            "orchestrator_instances_expected", "Instances known of.", labels=("task",)
        )
        for node in self._nodes:
            for state, number in node.counts.items():
                ended.add_metric((node.name, str(state)), number)
            running.add_metric((node.name,), node.running)
            if node.total is not None:
                expected.add_metric((node.name,), node.total)
        yield from (ended, running, expected)

    def _trials(self) -> Iterator[Metric]:
        trials = GaugeMetricFamily(
            "orchestrator_trials", "Recorded trials of the flow run.", labels=("state",)
        )
        backlog = GaugeMetricFamily(
            "orchestrator_mlflow_backlog", "What MLflow is still to be sent.", labels=("what",)
        )
        with Ledger.look(self._ledger) as ledger:
            for flow_run in ledger.flow_runs.list(1):
                for state, number in ledger.trials.counts(flow_run.id).items():
                    trials.add_metric((state,), number)
            backlog.add_metric(("trials",), ledger.trials.backlog())
            backlog.add_metric(("champions",), ledger.promotions.backlog())
        yield from (trials, backlog)


def _parted(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 < int(port) < 65_536:
        raise UsageError(f"--metrics-port {address!r}: write PORT, or HOST:PORT")
    return host or _LOOPBACK, int(port)
