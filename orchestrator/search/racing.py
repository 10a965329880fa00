"""The strategy `racing`: after each fold, a candidate that is clearly behind is pruned.

Touches no library; takes a `Study` and results; gives rounds of trials; driver and workers.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from operator import sub
from statistics import NormalDist, fmean
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.records import Study, Trial, TrialResult
from orchestrator.search.candidate_source import (
    Suggestions,
    check_suggesting,
    folds_of,
    suggesting_strategy,
)
from orchestrator.search.strategies import Rounds, window
from orchestrator.search.traits import Traits

_LEAST_FREEDOM = 4
"""The degrees of freedom from which on the estimate of the folds' noise is trusted."""


@dataclass(frozen=True, slots=True)
class RacingStrategy:
    """Candidates run over the folds one by one, against the best that has run over all of them.

    Every candidate begins with one fold; then the best of the waiting candidates get their next
    fold. Before that, a candidate is compared with the best on the same folds. Their differences
    vary from fold to fold by a noise that is estimated from all candidates so far. The candidate is
    pruned if the chance that its mean over all folds will be better is below `p_threshold`: the
    means over `k` of `K` folds and over all of them differ by that noise times
    sqrt((K - k) / (K k)).

    Args:
        suggest: The strategy that gives the candidates, and its settings.
        p_threshold: The chance of beating the best below which a candidate is pruned.

    Raises:
        ConfigError: A setting is wrong.
    """

    suggest: Mapping[str, Any] = field(default_factory=lambda: {"strategy": "grid"})
    p_threshold: float = 0.1

    def __post_init__(self) -> None:
        suggesting_strategy(self.suggest)
        if not isinstance(self.p_threshold, float) or not 0 < self.p_threshold < 1:
            raise ConfigError(
                f"must be between 0 and 1, not {self.p_threshold!r}", key="search.p_threshold"
            )

    @property
    def traits(self) -> Traits:
        """The traits of a strategy that prunes candidates after some of the folds."""
        return Traits(prunes=True, resource="folds", check=self._check)

    def _check(self) -> None:
        check_suggesting(self.suggest)

    def count(self, study: Study) -> int:
        """Return the number of suggested candidates."""
        return suggesting_strategy(self.suggest).count(study)

    def rounds(self, study: Study) -> Rounds:
        """Yield rounds of trials, each a candidate with one more fold."""
        source = Suggestions(suggesting_strategy(self.suggest), study)
        race = _Race(study, self.p_threshold)
        at_once = window(study, self.count(study))
        step = tuple(_next_steps(race, source, at_once))
        under_way = len(step)
        while True:
            result = yield step
            if result.state == "pruned":
                race.stand(result)
            else:
                race.end(result)
                source.tell(result)
            step = tuple(_next_steps(race, source, at_once - under_way + 1))
            under_way += len(step) - 1


def _next_steps(race: "_Race", source: Suggestions, room: int) -> Iterator[Trial]:
    """New candidates first; then one more fold for the best of those that have a chance."""
    while room:
        fresh = source.next()
        if fresh is not None:
            yield folds_of(fresh, 1)
            room -= 1
            continue
        standing = race.best_standing()
        if standing is None:
            return
        if race.has_a_chance(standing):
            yield folds_of(standing.trial, len(race.scores(standing)) + 1)
            room -= 1
        else:
            race.end(standing)
            source.tell(standing)


class _Race:
    """The best candidate so far, the waiting ones, and the variance of differences over folds."""

    def __init__(self, study: Study, p_threshold: float) -> None:
        self._metric, self._p_threshold = study.evaluation.selecting, p_threshold
        self._standing: list[tuple[float, int, TrialResult]] = []
        self._ended: list[Sequence[float]] = []
        self._best: Sequence[float] = ()
        self._squares, self._freedom = 0.0, 0

    def scores(self, result: TrialResult) -> Sequence[float]:
        """Return a candidate's scores by fold, with the sign for which greater is better."""
        return [*map(self._metric.goodness, result.scores[self._metric.name])]

    def stand(self, result: TrialResult) -> None:
        """Add a candidate to those that wait for their next fold."""
        heappush(self._standing, (-fmean(self.scores(result)), result.trial.number, result))

    def best_standing(self) -> TrialResult | None:
        """Remove and return the best waiting candidate; None if none is waiting."""
        return heappop(self._standing)[-1] if self._standing else None

    def has_a_chance(self, result: TrialResult) -> bool:
        """Return whether a candidate may still have a greater mean over all folds than the best."""
        scores = self.scores(result)
        done, total = len(scores), len(self._best)
        if self._freedom < _LEAST_FREEDOM or done >= total:
            return True
        ahead = fmean(map(sub, scores, self._best))
        noise = math.sqrt(self._squares / self._freedom * (total - done) / (total * done))
        chance = NormalDist().cdf(ahead / noise) if noise else float(ahead >= 0)
        return chance >= self._p_threshold

    def end(self, result: TrialResult) -> None:
        """Count a candidate that has ended; a new best means that all differences change."""
        if result.is_failure:
            return
        scores = self.scores(result)
        self._ended.append(scores)
        if result.state == "success" and (not self._best or fmean(scores) > fmean(self._best)):
            self._best, self._squares, self._freedom = scores, 0.0, 0
            for each in self._ended:
                self._add(each)
        elif self._best:
            self._add(scores)

    def _add(self, scores: Sequence[float]) -> None:
        if scores is self._best or len(scores) < 2:
            return
        differences = list(map(sub, scores, self._best))
        mean = fmean(differences)
        self._squares += sum((difference - mean) ** 2 for difference in differences)
        self._freedom += len(differences) - 1
