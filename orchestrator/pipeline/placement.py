"""Which studies are spread over the workers, trial by trial, and which customers come first.

Thousands of short studies run as a whole: one call each. A study that would keep one worker busy
while the others have nothing left to do is spread. Either way its trials are the same, and so
they are in whatever order the customers come: what takes longest begins first.

Touches no library; pure; takes `Study` and durations; gives keys of studies, and `CustomerPlan` in
order;
runs on the driver.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.records import Study
from orchestrator.search import find_strategy, open_strategy

Durations = Mapping[tuple[str, str], float]
"""Mean seconds a trial took last time, by customer and model."""

_SHORTEST_TRIAL = 0.02
"""Seconds; below, handing a trial to a worker costs a good part of doing it."""


def to_spread(studies: Sequence[Study], durations: Durations, threads: int) -> frozenset[str]:
    """The keys of the studies to be spread.

    One is where `search.placement` says so. By default it is where it has trials that can run at
    the same time, and would take more than half of what each thread has to do in all; and where as
    a whole it would outlast what a trial may take, and be ended with its worker.

    Args:
        studies: All that are to be run.
        durations: What their trials took last time; others count as long as the mean of these.
        threads: Of all workers together.
    """
    lengths = _lengths(studies, durations)
    share = sum(lengths) / max(threads, 1)
    return frozenset(
        study.key
        for study, seconds in zip(studies, lengths, strict=True)
        if study.search.placement == "trials"
        or (study.search.placement == "auto" and _outlasts_a_trial(study, durations))
        or (
            study.search.placement == "auto"
            and threads > 1
            and 2 * seconds > share
            and seconds >= _SHORTEST_TRIAL * find_strategy(study.search).count(study)
            and len(next(open_strategy(study.search, study))) > 1
        )
    )


def _outlasts_a_trial(study: Study, durations: Durations) -> bool:
    """Whether the whole study is known to take longer than `search.timeout` gives a trial."""
    each, timeout = durations.get((study.customer.id, study.model.id)), study.search.timeout
    if each is None or timeout is None:
        return False
    return each * find_strategy(study.search).count(study) > timeout


def longest_first(
    work: Sequence[CustomerPlan], studies: Sequence[Study], durations: Durations
) -> tuple[CustomerPlan, ...]:
    """The work in the order to begin it: at the end, what is left is short and fits every worker.

    Args:
        work: One entry a customer.
        studies: All that are to be run; others have a recorded result.
        durations: What their trials took last time; others count as long as the mean of these, so
            that of unknown studies the ones with the most candidates come first.
    """
    expected: dict[str, float] = {}
    for study, seconds in zip(studies, _lengths(studies, durations), strict=True):
        expected[study.customer.id] = expected.get(study.customer.id, 0.0) + seconds
    return tuple(sorted(work, key=lambda piece: -expected.get(piece.id, 0.0)))


def _lengths(studies: Sequence[Study], durations: Durations) -> list[float]:
    """How long each study may take, in seconds; without any durations, in trials."""
    each = [durations.get((study.customer.id, study.model.id)) for study in studies]
    known = [seconds for seconds in each if seconds is not None]
    mean = fmean(known) if known else 1.0
    return [
        (mean if seconds is None else seconds) * find_strategy(study.search).count(study)
        for study, seconds in zip(studies, each, strict=True)
    ]
