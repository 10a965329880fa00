"""The deliberate removal of history: `clean` by rule, with an archive; `forget` for one customer.

MLflow goes first and the ledger last, so that either can be repeated after a failure.

Touches pyarrow; takes an `ExperimentSettings`; gives what was removed; runs on the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from orchestrator.errors import MachineryError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.ledger.retention.retention import OldInstance, OldStudy
from orchestrator.mapping.flows import new_id
from orchestrator.mlflow.models.model_names import model_name
from orchestrator.mlflow.runs.tracked_run import summary_id
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.pipeline.preparation import drop_copies_of_lists
from orchestrator.promotion.store_ownership import require_configured_root, require_own
from orchestrator.settings import ExperimentSettings

_EVERY = 2**31 - 1
"""A number larger than that of any ledger's flow runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """The history that `clean` removed, or would remove.

    Attributes:
        studies: Studies that were replaced by later ones, never deployed, and not kept by request.
        instances: The number of instances that ended again in later flow runs.
        archives: The Parquet files with all of this; empty if nothing was removed.
    """

    studies: tuple[OldStudy, ...]
    instances: int
    archives: tuple[str, ...] = ()

    @property
    def trials(self) -> int:
        """The number of trials, each a run of MLflow."""
        return sum(len(study.run_ids) for study in self.studies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """The data that `forget` removed.

    Attributes:
        record: The id of the flow run that records the removal without naming the customer.
        removed: Numbers of removed rows of the ledger, by kind.
        model: The registered model that was deleted; "" if there was none.
        for_good: Whether MLflow's runs are gone; a server only marks them as deleted.
    """

    record: str
    removed: Mapping[str, int]
    model: str
    for_good: bool


def cleanable(experiment: ExperimentSettings, *, before: float | None, keep_last: int) -> Cleaning:
    """Return the history that `clean` would remove; nothing is written.

    Args:
        experiment: The settings of the experiment.
        before: Only history of flow runs that started before this moment, in epoch seconds.
        keep_last: The number of studies of each customer and model that stay; at least one does.

    Raises:
        MachineryError: MLflow, which has the tags of runs to keep, cannot be reached.
    """
    with Ledger.look(experiment.ledger) as ledger:
        old = _find(experiment, ledger, before=before, keep_last=keep_last)
    return Cleaning(studies=tuple(old.studies), instances=len(old.instances))


def clean(
    experiment: ExperimentSettings, archive: Path, *, before: float | None, keep_last: int
) -> Cleaning:
    """Archive old history, delete its runs in MLflow, and remove it from the ledger.

    Args:
        experiment: The settings of the experiment.
        archive: The folder for the Parquet files to write; it must not exist.
        before: As for `cleanable`.
        keep_last: As for `cleanable`.

    Raises:
        UsageError: The archive exists already.
        HeldError: A driver is running the experiment.
        MachineryError: The archive cannot be written, or MLflow refused; the call can be repeated.
    """
    if archive.exists():
        raise UsageError(f"--archive {archive} exists already; name another folder")
    with Ledger.open(experiment.ledger) as ledger, ledger.holding(experiment.name):
        require_own(experiment, ledger)
        old = _find(experiment, ledger, before=before, keep_last=keep_last)
        if not old.studies and not old.instances:
            return Cleaning(studies=(), instances=0)
        files = _archive(ledger, old, archive)
        run_ids = _run_ids(old.studies)
        if run_ids:
            _tracker(experiment).delete(run_ids)
        ledger.old.remove(old.studies, old.instances)
    return Cleaning(
        studies=tuple(old.studies), instances=len(old.instances), archives=tuple(map(str, files))
    )


def forget(experiment: ExperimentSettings, customer: str) -> Forgotten:
    """Remove all data of a customer: ledger, MLflow's runs, files, registered model.

    The copies of whole lists that the registry's source keeps are removed too.

    Raises:
        ConfigError: Settings of the registry's source are wrong; nothing was removed.
        UsageError: The ledger has no such customer.
        HeldError: A driver is running the experiment.
        MachineryError: MLflow refused; the call can be repeated.
    """
    from orchestrator.mlflow.models.opening import open_deployer  # late: it imports MLflow

    with Ledger.open(experiment.ledger) as ledger, ledger.holding(experiment.name):
        require_own(experiment, ledger)
        if not ledger.forgetting.knows(customer):
            raise UsageError(f"no customer {customer!r} has ever been listed")
        drop_copies_of_lists(experiment)
        run_ids = [*ledger.forgetting.run_ids(customer), *_summaries(ledger)]
        tracker = _tracker(experiment)
        require_configured_root(experiment, tracker)
        deployer = open_deployer(experiment.tracking, experiment.name)
        deployer.claim()  # a driver that this one has replaced must not register it again
        had_model = deployer.forget(customer)
        for_good = tracker.erase(customer, run_ids)
        record = new_id()
        removed = ledger.forgetting.forget(customer, record=record)
    model = model_name(experiment.name, customer) if had_model else ""
    return Forgotten(record=record, removed=removed, model=model, for_good=for_good)


def _summaries(ledger: Ledger) -> list[str]:
    """Return the MLflow runs with reports of flow runs, any of which may name any customer."""
    return [summary_id(flow_run.id) for flow_run in ledger.flow_runs.list(_EVERY)]


class _Old(NamedTuple):
    studies: Sequence[OldStudy]
    instances: Sequence[OldInstance]


def _find(
    experiment: ExperimentSettings, ledger: Ledger, *, before: float | None, keep_last: int
) -> _Old:
    """Return history that the ledger's rule releases, without runs that have the tag `keep`."""
    studies = ledger.old.studies(before=before, keep_last=keep_last)
    run_ids = _run_ids(studies)
    kept = _tracker(experiment).kept(run_ids) if run_ids else frozenset()
    return _Old(
        [study for study in studies if kept.isdisjoint(study.run_ids)],
        ledger.old.instances(before=before, keep_last=keep_last),
    )


def _run_ids(studies: Iterable[OldStudy]) -> list[str]:
    return [run_id for study in studies for run_id in study.run_ids]


def _tracker(experiment: ExperimentSettings) -> Tracker:
    from orchestrator.mlflow.runs.opening import open_tracker  # late: it imports MLflow

    return open_tracker(experiment.tracking, experiment.name, experiment.artifacts)


def _archive(ledger: Ledger, old: _Old, folder: Path) -> list[Path]:
    """Write old history to Parquet files in a new folder, completely or not at all."""
    import pyarrow as pa  # late: only here
    import pyarrow.parquet as pq

    content = {
        "trials": ledger.old.trial_rows(old.studies),
        "instances": ledger.old.instance_rows(old.instances),
    }
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    try:
        unfinished.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = {name: pa.Table.from_pylist(list(rows)) for name, rows in content.items()}
        written = [name for name, table in tables.items() if table.num_rows]
        for name in written:
            pq.write_table(tables[name], unfinished / f"{name}.parquet")
        unfinished.rename(folder)
    except OSError as error:
        raise MachineryError(f"the archive {folder} cannot be written: {error}") from error
    return [folder / f"{name}.parquet" for name in written]
