"""Removing history on purpose: `clean` by rule, after archiving it; `forget` for one customer.

MLflow goes first and the ledger last, so that either can be repeated after a failure.

Touches pyarrow; takes an `Experiment`; gives what went; runs on the driver.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestrator.deployment.names import model_name
from orchestrator.errors import MachineryError, UsageError
from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Ledger
from orchestrator.ledger.purge import OldStudy
from orchestrator.mapping.flows import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What `clean` removed, or would remove.

    Attributes:
        studies: Replaced by later ones and never deployed.
        archive: The Parquet file their trials were written to; "" when nothing was removed.
    """

    studies: tuple[OldStudy, ...]
    archive: str = ""

    @property
    def trials(self) -> int:
        """How many trials, each a run of MLflow."""
        return sum(len(study.run_ids) for study in self.studies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgetting:
    """What `forget` removed.

    Attributes:
        record: The flow run that records that it happened, without naming the customer.
        removed: Rows of the ledger, by what they were.
        model: The registered model that was deleted; "" when there was none.
        for_good: Whether MLflow's runs are gone; a server only marks them as deleted.
    """

    record: str
    removed: Mapping[str, int]
    model: str
    for_good: bool


def cleanable(experiment: Experiment, *, before: float | None, keep_last: int) -> Cleaning:
    """What `clean` would remove; nothing is written.

    Args:
        experiment: Whose ledger.
        before: Only studies of flow runs that started before this moment, in epoch seconds.
        keep_last: How many studies of each customer and model stay; at least one does.
    """
    with Ledger.look(experiment.ledger) as ledger:
        old = ledger.purge.old_studies(before=before, keep_last=keep_last)
    return Cleaning(studies=tuple(old))


def clean(
    experiment: Experiment, archive: Path, *, before: float | None, keep_last: int
) -> Cleaning:
    """Archive old trials, delete their runs in MLflow, and remove them from the ledger.

    Args:
        experiment: Whose ledger and MLflow.
        archive: The Parquet file to write; it must not exist.
        before: As `cleanable` takes it.
        keep_last: As `cleanable` takes it.

    Raises:
        UsageError: The archive exists already.
        MachineryError: The archive cannot be written, or MLflow refused; repeat it then.
    """
    from orchestrator.tracking.opening import open_tracker  # late: it imports MLflow

    if archive.exists():
        raise UsageError(f"--archive {archive} exists already; name another file")
    with Ledger.open(experiment.ledger) as ledger:
        old = ledger.purge.old_studies(before=before, keep_last=keep_last)
        if not old:
            return Cleaning(studies=())
        _archive(ledger, old, archive)
        tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
        tracker.delete([run_id for study in old for run_id in study.run_ids])
        ledger.purge.remove(old)
    return Cleaning(studies=tuple(old), archive=str(archive))


def forget(experiment: Experiment, customer: str) -> Forgetting:
    """Remove all of a customer: ledger, MLflow's runs, files, registered model.

    Raises:
        UsageError: The ledger has never seen such a customer.
        MachineryError: MLflow refused; repeat it then.
    """
    from orchestrator.deployment.opening import open_deployer  # late: they import MLflow
    from orchestrator.tracking.opening import open_tracker

    with Ledger.open(experiment.ledger) as ledger:
        run_ids = ledger.purge.run_ids_of(customer)
        if not run_ids and not ledger.lives.history("customer", customer):
            raise UsageError(f"no customer {customer!r} has ever been listed")
        tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
        had_model = open_deployer(experiment.tracking, experiment.name).forget(customer)
        for_good = tracker.erase(customer, run_ids)
        record = new_id()
        removed = ledger.purge.forget(customer, record=record)
    model = model_name(experiment.name, customer) if had_model else ""
    return Forgetting(record=record, removed=removed, model=model, for_good=for_good)


def _archive(ledger: Ledger, old: Sequence[OldStudy], file: Path) -> None:
    """Write the trials of these studies to a Parquet file, complete or not at all."""
    import pyarrow as pa  # late: only here
    import pyarrow.parquet as pq

    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(list(ledger.purge.rows(old))), unfinished)
        unfinished.rename(file)
    except OSError as error:
        raise MachineryError(f"the archive {file} cannot be written: {error}") from error
