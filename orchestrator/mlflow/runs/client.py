"""Runs one by one through MLflow's own client: for tracking servers and all other databases.

Touches MLflow; takes `TrackedRun`; runs on the driver, with a few connections at a time if MLflow
is a server.

MLflow's client does not let callers choose a run's id, so each run carries ours in the tag
`run_key`, set in the call that creates it. A run that is sent again is found by this tag, and
finished if it was left unfinished.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from threading import Lock

from mlflow import MlflowClient, entities
from mlflow.entities import (
    DatasetInput,
    Experiment,
    InputTag,
    LifecycleStage,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
from mlflow.utils.validation import MAX_METRICS_PER_BATCH, MAX_PARAMS_TAGS_PER_BATCH

from orchestrator.errors import as_machinery_error
from orchestrator.mlflow.experiments import FOREIGN, attach, delete_files, tag_experiment
from orchestrator.mlflow.runs.inputs import CONTEXT
from orchestrator.mlflow.runs.limits import tags_within_limits, within_limits
from orchestrator.mlflow.runs.tracked_run import Dataset, TrackedRun
from orchestrator.mlflow.runs.tracker import KEEP, Location

RUN_KEY = "run_key"
"""The tag that holds our id of a run whose id MLflow chose."""

_PAGE = 1000
_PARAMS_A_CALL = MAX_PARAMS_TAGS_PER_BATCH
_METRICS_A_CALL = MAX_METRICS_PER_BATCH - _PARAMS_A_CALL  # MLflow counts the two together


class ClientTracker:
    """A tracker that writes runs through MLflow's client; see `Tracker`.

    Args:
        client: MLflow's client.
        experiment: The MLflow experiment that receives the runs.
        connections: The number of simultaneous calls; 1 for a database file, which allows only one
            writer.
    """

    def __init__(self, client: MlflowClient, experiment: Experiment, connections: int) -> None:
        self.experiment_id: str = experiment.experiment_id
        self.artifact_root: str = experiment.artifact_location
        self._client = client
        self._connections = connections
        self._found: dict[str, Location] = {}
        self._ended: set[str] = set()
        self._flow_runs_looked_up: set[str] = set()
        self._datasets: set[Dataset] = set()
        self._making_a_dataset = Lock()
        # Otherwise MLflow requests each run once more, to print its address.
        MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT.set(True)

    def log(self, runs: Sequence[TrackedRun]) -> None:
        """Write ended runs; runs that MLflow has are left unchanged, or finished."""
        with (
            as_machinery_error(f"not all of {len(runs)} runs were sent to MLflow", *FOREIGN),
            ThreadPoolExecutor(self._connections) as connections,
        ):
            self._look_up(runs)
            once_each = {run.run_id: run for run in reversed(runs)}
            try:
                list(connections.map(self._log, once_each.values()))  # raises what a call raised
            except BaseException:
                # MLflow may have created runs without its answer arriving: look them up again.
                self._flow_runs_looked_up.clear()
                raise

    def tag(self, tags: Mapping[str, Mapping[str, str]]) -> frozenset[str]:
        """Set tags by run id; return the run ids that MLflow does not have."""
        with as_machinery_error(f"not all tags of {len(tags)} runs were set in MLflow", *FOREIGN):
            return frozenset(key for key, texts in tags.items() if not self._tag(key, texts))

    def locate(self, run_ids: Sequence[str]) -> Mapping[str, Location]:
        """Return the locations of runs; a run that was never logged does not have one yet."""
        with as_machinery_error(f"{len(run_ids)} runs were not looked up in MLflow", *FOREIGN):
            locations = {run_id: self._find(run_id) for run_id in run_ids}
        return {run_id: place for run_id, place in locations.items() if place is not None}

    def kept(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these runs that a user tagged to be kept, found in one search."""
        with as_machinery_error("the runs to keep were not looked up in MLflow", *FOREIGN):
            asked = self._search(f"tags.{KEEP} != 'false'")
            return frozenset(map(_our_id, asked)).intersection(run_ids)

    def missing(self, run_ids: Sequence[str]) -> frozenset[str]:
        """Return those of these runs that MLflow does not have, found in one search."""
        with as_machinery_error(f"{len(run_ids)} runs were not looked up in MLflow", *FOREIGN):
            return frozenset(run_ids).difference(map(_our_id, self._search("")))

    def delete(self, run_ids: Sequence[str]) -> None:
        """Mark runs as deleted, one by one."""
        with as_machinery_error(f"not all of {len(run_ids)} runs were deleted", *FOREIGN):
            for place in filter(None, map(self._find, run_ids)):
                self._delete(place.run_id)

    def erase(self, customer: str, run_ids: Sequence[str]) -> bool:
        """Delete a customer's files and mark its runs as deleted; a server cannot erase runs."""
        with as_machinery_error(f"not all runs of {customer!r} were erased", *FOREIGN):
            for place in filter(None, map(self._find, run_ids)):
                delete_files(place.artifact_uri, self.artifact_root, self._client.tracking_uri)
                self._delete(place.run_id)
        return False

    def attach(self, run_id: str, name: str, text: str) -> None:
        """Write a text file into the files of a run."""
        attach(self._client, self.locate([run_id])[run_id].run_id, name, text)

    def tag_experiment(self, tags: Mapping[str, str]) -> None:
        """Set tags of the experiment."""
        tag_experiment(self._client, self.experiment_id, tags)

    def _log(self, run: TrackedRun) -> None:
        if run.run_id in self._ended:
            return
        run = within_limits(run)
        location = self._found.get(run.run_id) or self._create(run)
        with self._unless_deleted(location.run_id):
            self._finish(location.run_id, run)
        self._ended.add(run.run_id)

    def _finish(self, run_id: str, run: TrackedRun) -> None:
        metrics = [Metric(m.key, m.value, run.end_time, m.step) for m in run.metrics]
        params = [Param(key, value) for key, value in run.params.items()]
        while metrics or params:
            self._client.log_batch(run_id, metrics[:_METRICS_A_CALL], params[:_PARAMS_A_CALL])
            del metrics[:_METRICS_A_CALL], params[:_PARAMS_A_CALL]
        if run.dataset is not None:
            self._log_dataset(run_id, run.dataset)
        self._client.set_terminated(run_id, run.status, run.end_time)

    def _log_dataset(self, run_id: str, dataset: Dataset) -> None:
        """Log a dataset; a new one under a lock, since two calls that create it would collide."""
        is_new = dataset not in self._datasets
        with self._making_a_dataset if is_new else nullcontext():
            self._client.log_inputs(run_id, [_input(dataset)])
        self._datasets.add(dataset)

    def _delete(self, run_id: str) -> None:
        if self._is_active(run_id):
            self._client.delete_run(run_id)

    def _is_active(self, run_id: str) -> bool:
        stage: str = self._client.get_run(run_id).info.lifecycle_stage
        return stage == LifecycleStage.ACTIVE

    @contextmanager
    def _unless_deleted(self, run_id: str) -> Iterator[None]:
        """Ignore the errors of a run that a user deleted: a server refuses to change such a run."""
        try:
            yield
        except MlflowException:
            if self._is_active(run_id):
                raise

    def _create(self, run: TrackedRun) -> Location:
        tags = {**run.tags, RUN_KEY: run.run_id}
        self._remember(
            [self._client.create_run(self.experiment_id, run.start_time, tags, run.name)]
        )
        return self._found[run.run_id]

    def _tag(self, key: str, tags: Mapping[str, str]) -> bool:
        location = self._find(key)
        if location is not None:
            texts = [RunTag(name, value) for name, value in tags_within_limits(tags).items()]
            with self._unless_deleted(location.run_id):
                self._client.log_batch(location.run_id, tags=texts)
        return location is not None

    def _find(self, key: str) -> Location | None:
        """Find a run by our id, which is also MLflow's if the run was written in bulk."""
        if key not in self._found:
            self._remember(self._search(f"tags.{RUN_KEY} = '{key}'"))
        if key not in self._found:
            self._remember(self._search(f"attributes.run_id = '{key}'"))
        return self._found.get(key)

    def _look_up(self, runs: Sequence[TrackedRun]) -> None:
        """Remember all runs of the same flow runs, with a few calls instead of one for each run."""
        for run in runs:
            if "flow_run" not in run.tags:
                self._find(run.run_id)
        flow_runs = {run.tags["flow_run"] for run in runs if "flow_run" in run.tags}
        for flow_run in flow_runs - self._flow_runs_looked_up:
            self._remember(self._search(f"tags.flow_run = '{flow_run}'"))
            self._flow_runs_looked_up.add(flow_run)

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
            key = _our_id(run)
            known = self._found.get(key)
            if known is not None and known.run_id != run.info.run_id:
                double = self._double(known.run_id, run, known_has_ended=key in self._ended)
                self._delete(double)
                if double == run.info.run_id:
                    continue
            self._found[key] = Location(run.info.run_id, run.info.artifact_uri)
            if _has_ended(run):
                self._ended.add(key)

    def _double(self, known_id: str, run: Run, *, known_has_ended: bool) -> str:
        """Return which of two runs of one key to delete: keep an ended one, then an active one.

        MLflow's client repeats a request that a server does not answer in time, although the server
        may have created the run.
        """
        is_active = run.info.lifecycle_stage == LifecycleStage.ACTIVE
        known = (known_has_ended, self._is_active(known_id))
        found: str = run.info.run_id
        return known_id if (_has_ended(run), is_active) > known else found


def _input(dataset: Dataset) -> DatasetInput:
    described = entities.Dataset(dataset.name, dataset.digest, dataset.source_type, dataset.source)
    return DatasetInput(described, [InputTag(MLFLOW_DATASET_CONTEXT, CONTEXT)])


def _has_ended(run: Run) -> bool:
    ended: bool = RunStatus.is_terminated(RunStatus.from_string(run.info.status))
    return ended


def _our_id(run: Run) -> str:
    """Return our id of a run; it is MLflow's own id if the run was written in bulk."""
    key: str = run.data.tags.get(RUN_KEY, run.info.run_id)
    return key
