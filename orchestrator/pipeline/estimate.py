"""How long a flow run would take, by what its like took: fits, and all that is no fit.

What is no fit (start of the cluster, loading, refits, MLflow) is taken from the last flow runs: the
least of them is what any run takes, and what others took above it grows with their trials.

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
"""Flow runs: the setup may have been another long ago."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a flow run would take.

    Attributes:
        fits: Seconds of one core for the trials; None when their like was never made.
        cores: How many there are for them; None where the cluster is not ours to start.
        duration: Seconds from start to end; None where fits or cores are not known.
    """

    fits: float | None
    cores: int | None
    duration: float | None


class _Past(NamedTuple):
    """A flow run that ended: its trials, and what it took besides fitting them."""

    trials: int
    besides: float


def estimate(ledger: Ledger, resolved: Resolved, new: Sequence[Study], trials: int) -> Estimate:
    """What a flow run would take, had it started now.

    Args:
        ledger: What is known.
        resolved: Where it runs, and how trials are chosen.
        new: The studies to train.
        trials: How many trials it makes in all.
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
    """A customer's own time with a model comes first, then the model's mean, then that of all."""
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
    """The last flow runs that came to their end, on as many cores as there are now."""
    ended = [run for run in ledger.flow_runs.list() if run.flow == name and _came_to_its_end(run)]
    fetched = sorted(fetch.at for fetch in ledger.snapshots.list())
    for run in ended[:_LOOKED_AT]:
        trials, seconds = ledger.trials.total(run.id)
        # It began by fetching the lists; the flow itself starts once its cluster is there.
        began = max((at for at in fetched if at <= run.started), default=run.started)
        yield _Past(trials, max((run.ended or began) - began - seconds / cores, 0.0))


def _came_to_its_end(run: FlowRun) -> bool:
    return run.ended is not None and run.state in {"success", "failed"}


def _besides(past: Sequence[_Past], trials: int) -> float:
    least = min(run.besides for run in past)
    each = [(run.besides - least) / run.trials for run in past if run.trials]
    return least + trials * (median(each) if each else 0.0)
