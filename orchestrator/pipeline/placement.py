"""The choice of studies to spread over the workers, trial by trial, and the order of customers.

Thousands of short studies run as a whole, in one call each. A study is spread if it would keep one
worker busy while the others have nothing left to do. The customers whose work takes longest start
first. Neither choice changes the trials.

Touches no library; pure; takes `Study` and durations; gives keys of studies, and `CustomerPlan` in
order; runs on the driver.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.records import Study
from orchestrator.search import find_strategy, open_strategy

Durations = Mapping[tuple[str, str], float]
"""The mean seconds of a trial last time, by customer and model."""

_SHORTEST_TRIAL = 0.02
"""Seconds; sending a shorter trial to a worker costs too much in comparison with its work."""


def to_spread(studies: Sequence[Study], durations: Durations, threads: int) -> frozenset[str]:
    """The keys of the studies to be spread.

    A study is spread if `search.placement` says so. By default, it is spread in two cases: if its
    trials can run at the same time and would take more than half of each thread's share of all
    work; or if as a whole it would take longer than a trial may, and be ended with its worker.

    Args:
        studies: All studies to be run.
        durations: Their trials' durations last time; a study without one counts as their mean.
        threads: The number of threads of all workers together.
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
    """Whether the whole study is known to take longer than `search.timeout` allows a trial."""
    each, timeout = durations.get((study.customer.id, study.model.id)), study.search.timeout
    if each is None or timeout is None:
        return False
    return each * find_strategy(study.search).count(study) > timeout


def longest_first(
    work: Sequence[CustomerPlan], studies: Sequence[Study], durations: Durations
) -> tuple[CustomerPlan, ...]:
    """The work, longest first, so that the short pieces left at the end keep all workers busy.

    Args:
        work: One plan per customer.
        studies: All studies to be run; the other studies have a recorded result.
        durations: Their trials' durations last time; a study without one counts as their mean, so
            that among unknown studies the ones with the most candidates come first.
    """
    expected: dict[str, float] = {}
    for study, seconds in zip(studies, _lengths(studies, durations), strict=True):
        expected[study.customer.id] = expected.get(study.customer.id, 0.0) + seconds
    return tuple(sorted(work, key=lambda piece: -expected.get(piece.id, 0.0)))


def _lengths(studies: Sequence[Study], durations: Durations) -> list[float]:
    """The expected length of each study in seconds; in trials if no duration is known."""
    each = [durations.get((study.customer.id, study.model.id)) for study in studies]
    known = [seconds for seconds in each if seconds is not None]
    mean = fmean(known) if known else 1.0
    return [
        (mean if seconds is None else seconds) * find_strategy(study.search).count(study)
        for study, seconds in zip(studies, each, strict=True)
    ]
