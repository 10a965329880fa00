"""Which studies are spread over the workers, trial by trial, and which customers come first.

Thousands of short studies run as a whole: one call each. A study that would keep one worker busy
while the others have nothing left to do is spread. Either way its trials are the same, and so
they are in whatever order the customers come: what takes longest begins first.

Touches no library; pure; takes `Study` and durations; gives keys of studies, and `Work` in order;
runs on the driver.
"""

from collections.abc import Mapping, Sequence

from orchestrator.experiment.work import Work
from orchestrator.records import Study
from orchestrator.search import find_strategy, open_strategy

Durations = Mapping[tuple[str, str], float]
"""Mean seconds a trial took last time, by customer and model."""

_SHORTEST_TRIAL = 0.02
"""Seconds; below, handing a trial to a worker costs a good part of doing it."""


def to_spread(studies: Sequence[Study], durations: Durations, threads: int) -> frozenset[str]:
    """The keys of the studies to be spread.

    One is where `search.placement` says so. By default it is where it has trials that can run at
    the same time, and would take more than half of what each thread has to do in all; where
    durations are not known yet, when there are fewer studies than threads.

    Args:
        studies: All that are to be run.
        durations: What their trials took last time.
        threads: Of all workers together.
    """
    lengths = {study.key: _seconds(study, durations) for study in studies}
    known = [seconds for seconds in lengths.values() if seconds is not None]
    total = sum(known) / max(len(known), 1) * len(studies)
    return frozenset(
        study.key
        for study in studies
        if study.search.placement == "trials"
        or (
            study.search.placement == "auto"
            and _is_long(study, lengths[study.key], total, len(studies), threads)
            and len(next(open_strategy(study.search, study))) > 1
        )
    )


def longest_first(
    work: Sequence[Work], studies: Sequence[Study], durations: Durations
) -> tuple[Work, ...]:
    """The work in the order to begin it: at the end, what is left is short and fits every worker.

    Args:
        work: One entry a customer.
        studies: All that are to be run; others have a recorded result.
        durations: What their trials took last time. Those of a study without take what trials take
            on average, so that of unknown studies the ones with the most candidates come first.
    """
    known = [each for study in studies if (each := _seconds_each(study, durations)) is not None]
    mean = sum(known) / len(known) if known else 1.0
    expected: dict[str, float] = {}
    for study in studies:
        each = _seconds_each(study, durations)
        seconds = (mean if each is None else each) * find_strategy(study.search).count(study)
        expected[study.customer.id] = expected.get(study.customer.id, 0.0) + seconds
    return tuple(sorted(work, key=lambda piece: -expected.get(piece.id, 0.0)))


def _is_long(study: Study, seconds: float | None, total: float, studies: int, threads: int) -> bool:
    if threads < 2:
        return False
    if seconds is None:
        return studies < threads
    long_trials = seconds >= _SHORTEST_TRIAL * find_strategy(study.search).count(study)
    return long_trials and 2 * threads * seconds > total


def _seconds(study: Study, durations: Durations) -> float | None:
    each = _seconds_each(study, durations)
    return None if each is None else each * find_strategy(study.search).count(study)


def _seconds_each(study: Study, durations: Durations) -> float | None:
    return durations.get((study.customer.id, study.model.id))
