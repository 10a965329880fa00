"""The estimated duration of a flow run, from similar ones: fits, and everything else.

Everything else (starting the cluster, loading, refits, MLflow) is estimated from the last flow
runs: every run takes at least the minimum of theirs, and the excess grows with the trials.

Touches no library; reads the ledger; gives seconds; runs on the driver.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

from orchestrator.clusters import find_kind
from orchestrator.ledger import Ledger
from orchestrator.pipeline.resolution import Resolved
from orchestrator.records import FlowRun, Study
from orchestrator.search import Strategy

_LOOKED_AT = 5
"""Flow runs; older ones may have had another setup."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The time a flow run would take.

    Attributes:
        fits: Seconds of one core for the trials; None if no trial was ever recorded.
        cores: The number of cores for the trials; None if orchestrator does not start the cluster.
        duration: Seconds from start to end; None if fits or cores are not known, or no earlier
            flow run can be compared.
    """

    fits: float | None
    cores: int | None
    duration: float | None


class _Past(NamedTuple):
    """A flow run that ended: its number of trials, and its seconds besides fitting them."""

    trials: int
    besides: float


def estimate(ledger: Ledger, resolved: Resolved, new: Sequence[Study], trials: int) -> Estimate:
    """Return the time that a flow run would take if it started now.

    Args:
        ledger: The ledger with earlier flow runs and trials.
        resolved: The experiment, with its cluster and its search strategy.
        new: The studies to train.
        trials: The number of trials in all.
    """
    cluster = resolved.experiment.cluster
    cores = find_kind(cluster).cores(cluster)
    fits = _fit_seconds(ledger, resolved.strategy, new)
    past = [] if cores is None else list(_past(ledger, resolved.experiment.name, cores))
    if fits is None or cores is None or not past:
        return Estimate(fits=fits, cores=cores, duration=None)
    duration = fits / cores + _besides(past, trials)
    return Estimate(fits=fits, cores=cores, duration=duration)


def _fit_seconds(ledger: Ledger, strategy: Strategy, new: Sequence[Study]) -> float | None:
    """The seconds of all fits; None if no trial is recorded.

    A study's trials count with the customer's own time for the model, else with the mean time of
    the model, else with the mean of all.
    """
    if not new:
        return 0.0
    known = ledger.trials.durations()
    if not known:
        return None
    of_model: dict[str, list[float]] = {}
    for (_, model), seconds in known.items():
        of_model.setdefault(model, []).append(seconds)
    usual = {model: sum(times) / len(times) for model, times in of_model.items()}
    typical = sum(known.values()) / len(known)
    return sum(
        strategy.count(study)
        * known.get((study.customer.id, study.model.id), usual.get(study.model.id, typical))
        for study in new
    )


def _past(ledger: Ledger, name: str, cores: int) -> Iterator[_Past]:
    """The last flow runs that were not stopped; their fits are spread over the current cores."""
    ended = [run for run in ledger.flow_runs.list() if run.flow == name and _came_to_its_end(run)]
    fetched = sorted(fetch.at for fetch in ledger.snapshots.list())
    for run in ended[:_LOOKED_AT]:
        trials, seconds = ledger.trials.total(run.id)
        # A flow run begins by fetching the lists; the flow starts once its cluster is up.
        began = max((at for at in fetched if at <= run.started), default=run.started)
        yield _Past(trials, max((run.ended or began) - began - seconds / cores, 0.0))


def _came_to_its_end(run: FlowRun) -> bool:
    return run.ended is not None and run.state in {"success", "failed"}


def _besides(past: Sequence[_Past], trials: int) -> float:
    least = min(run.besides for run in past)
    each = [(run.besides - least) / run.trials for run in past if run.trials]
    return least + trials * (median(each) if each else 0.0)
