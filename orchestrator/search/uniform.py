"""The strategy `random`: points of the grid or space without repetition, in one round.

Touches no library; takes a `Study`; gives one round of trials; driver and workers.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import chain, count, islice
from random import Random
from typing import ClassVar

from orchestrator.errors import ConfigError
from orchestrator.identity import derive_seed
from orchestrator.records import Distribution, Params, Study, Trial
from orchestrator.search.points import GridPoints, count_at_most, is_finite
from orchestrator.search.spaces import draw
from orchestrator.search.strategies import Rounds
from orchestrator.search.traits import Traits

_REPEATS = 8
"""The draws of already tried points after which the next untried point is taken instead."""


@dataclass(frozen=True, slots=True)
class RandomStrategy:
    """Points drawn uniformly, none twice; a larger `n_trials` begins with the same points.

    Args:
        n_trials: The number of trials; a grid with fewer points is tried as a whole.

    Raises:
        ConfigError: `n_trials` is not a positive whole number.
    """

    traits: ClassVar[Traits] = Traits(learns=False)
    n_trials: int

    def __post_init__(self) -> None:
        require_n_trials(self.n_trials)

    def count(self, study: Study) -> int:
        """Return `n_trials`, or the number of points if there are fewer."""
        return count_at_most(study, self.n_trials)

    def rounds(self, study: Study) -> Rounds:
        """Yield one round: the points to be tried first, then drawn points."""
        first = set(map(repr, study.first))
        others = (params for params in _points(study) if repr(params) not in first)
        points = islice(chain(study.first, others), self.count(study))
        yield tuple(
            Trial(study=study, number=number, params=params) for number, params in enumerate(points)
        )


def require_n_trials(n_trials: object) -> None:
    """Reject an invalid number of trials.

    Raises:
        ConfigError: `n_trials` is not a positive whole number.
    """
    if not isinstance(n_trials, int) or isinstance(n_trials, bool) or n_trials < 1:
        raise ConfigError(
            f"must be a whole number of at least 1, not {n_trials!r}",
            key="search.n_trials",
        )


def first_untried(
    study: Study, suggest: Callable[[], Params], tried: Collection[str]
) -> Params | None:
    """Return the first untried suggestion, else another untried point; None if all were tried.

    Args:
        study: The study whose points are searched.
        suggest: A function that returns another suggestion at each call.
        tried: The points tried so far, by their repr.
    """
    suggestions = (suggest() for _ in range(_REPEATS))
    others = GridPoints(study) if is_finite(study) else _draws(study, len(tried), first=_REPEATS)
    untried = (params for params in chain(suggestions, others) if repr(params) not in tried)
    return next(untried, None)


def _points(study: Study) -> Iterator[Params]:
    """Yield drawn points, none twice, until there are no more."""
    has_ranges = any(isinstance(v, Distribution) for part in study.grid for v in part.values())
    if has_ranges:
        yield from _drawn_points(study)
    else:
        points = GridPoints(study)
        yield from (points[position] for position in _positions(study, points.size))


def _drawn_points(study: Study) -> Iterator[Params]:
    """Yield drawn points of a space that has ranges."""
    tried: set[str] = set()
    for turn in count():
        params = first_untried(study, _draws(study, turn).__next__, tried)
        if params is None:
            return
        tried.add(repr(params))
        yield params


def _draws(study: Study, turn: int, first: int = 0) -> Iterator[Params]:
    """Yield draws for one point without end: each parameter independently, on its own scale."""
    for again in count(first):
        random = _random(study, turn, again)
        yield draw(random.choice(study.grid), random)


def _positions(study: Study, size: int) -> Iterator[int]:
    """Yield distinct positions by a Fisher-Yates shuffle that stores only the swapped ones."""
    swapped: dict[int, int] = {}
    for number in range(size):
        drawn = _random(study, number).randrange(number, size)
        yield swapped.get(drawn, drawn)
        swapped[drawn] = swapped.get(number, number)


def _random(study: Study, *turn: int) -> Random:
    return Random(derive_seed(study.evaluation.seed, study.seed_name, *turn))  # noqa: S311 - a search, not a secret
