"""Run after run through MLflow's own client: for tracking servers and all other databases.

Touches MLflow; takes `TrackedRun`; runs on the driver, with a few connections at a time where a
server answers them.

MLflow's client lets nobody choose a run's id, so each run carries ours in the tag `run_key`, set in
the call that creates it. A run sent again is found by it, and finished if it was left unfinished.
"""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run, RunStatus, RunTag, ViewType
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from orchestrator.errors import as_machinery_error
from orchestrator.tracking.experiments import FOREIGN, tag_experiment
from orchestrator.tracking.limits import tags_within_limits, within_limits
from orchestrator.tracking.runs import TrackedRun
from orchestrator.tracking.tracker import Location

RUN_KEY = "run_key"
"""The tag that holds our id of a run whose own id MLflow chose."""

_PAGE = 1000


class ClientTracker:
    """Writes runs of one experiment through MLflow's client; see `Tracker`.

    Args:
        client: MLflow's client.
        experiment: Where runs go.
        connections: How many calls are under way at once; one for a database file, which lets
            only one in.
    """

    def __init__(self, client: MlflowClient, experiment: Experiment, connections: int) -> None:
        self.experiment_id: str = experiment.experiment_id
        self.artifact_root: str = experiment.artifact_location
        self._client = client
        self._connections = connections
        self._found: dict[str, Run] = {}

    def log(self, runs: Sequence[TrackedRun]) -> None:
        """Write ended runs; those MLflow has are left as they are, or finished."""
        with (
            as_machinery_error(f"not all of {len(runs)} runs were sent to MLflow", *FOREIGN),
            ThreadPoolExecutor(self._connections) as connections,
        ):
            self._look_up_flow_runs({run.tags.get("flow_run", "") for run in runs})
            for _ in connections.map(self._log, runs):
                pass

    def tag(self, tags: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Set tags by run id; gives the run ids MLflow does not have."""
        with as_machinery_error(f"not all tags of {len(tags)} runs were set in MLflow", *FOREIGN):
            return frozenset(key for key, texts in tags.items() if not self._tag(key, texts))

    def locate(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Where runs are kept; a run that was never logged has no place yet."""
        with as_machinery_error(f"{len(run_ids)} runs were not looked up in MLflow", *FOREIGN):
            runs = {run_id: self._find(run_id) for run_id in run_ids}
        return {
            run_id: Location(run.info.run_id, run.info.artifact_uri)
            for run_id, run in runs.items()
            if run is not None
        }

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        tag_experiment(self._client, self.experiment_id, tags)

    def _log(self, run: TrackedRun) -> None:
        run = within_limits(run)
        there = self._found.get(run.run_id) or self._create(run)
        if RunStatus.is_terminated(RunStatus.from_string(there.info.status)):
            return
        run_id = there.info.run_id
        metrics = [Metric(m.key, m.value, run.end_time, m.step) for m in run.metrics]
        params = [Param(key, value) for key, value in run.params.items()]
        while metrics or params:
            self._client.log_batch(
                run_id,
                metrics[: MAX_METRICS_PER_BATCH - MAX_PARAMS_TAGS_PER_BATCH],
                params[:MAX_PARAMS_TAGS_PER_BATCH],
            )
            del metrics[: MAX_METRICS_PER_BATCH - MAX_PARAMS_TAGS_PER_BATCH]
            del params[:MAX_PARAMS_TAGS_PER_BATCH]
        self._client.set_terminated(run_id, run.status, run.end_time)

    def _create(self, run: TrackedRun) -> Run:
        tags = {**run.tags, RUN_KEY: run.run_id}
        created = self._client.create_run(self.experiment_id, run.start_time, tags, run.name)
        self._found[run.run_id] = created
        return created

    def _tag(self, key: str, tags: Mapping[str, str]) -> bool:
        run = self._find(key)
        if run is not None:
            texts = [RunTag(name, value) for name, value in tags_within_limits(tags).items()]
            self._client.log_batch(run.info.run_id, tags=texts)
        return run is not None

    def _find(self, key: str) -> Run | None:
        """A run by our id, which is MLflow's too where it was once written in bulk."""
        if key not in self._found:
            self._remember(self._search(f"tags.{RUN_KEY} = '{key}'"))
        if key not in self._found:
            self._remember(self._search(f"attributes.run_id = '{key}'"))
        return self._found.get(key)

    def _look_up_flow_runs(self, flow_runs: Iterable[str]) -> None:
        """Remember all runs of these flow runs, in a few calls rather than one for each run."""
        for flow_run in flow_runs:
            self._remember(self._search(f"tags.flow_run = '{flow_run}'"))

    def _search(self, query: str) -> Iterable[Run]:
        token = None
        while True:
            page = self._client.search_runs(
                [self.experiment_id], query, ViewType.ALL, _PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return

    def _remember(self, runs: Iterable[Run]) -> None:
        for run in runs:
            self._found[run.data.tags.get(RUN_KEY, run.info.run_id)] = run
