"""The strategy `random`: points of the grid drawn without repetition, in one round.

Touches no library; takes a `Study`; gives one round of trials; driver and workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from orchestrator.errors import ConfigError
from orchestrator.identity import derive_seed
from orchestrator.records import Study, Trial
from orchestrator.search.points import GridPoints
from orchestrator.search.strategies import Rounds


@dataclass(frozen=True, slots=True)
class RandomStrategy:
    """Points drawn uniformly, none twice; a larger `n_trials` begins with the same points.

    Args:
        n_trials: How many; a grid with fewer points is tried as a whole.

    Raises:
        ConfigError: `n_trials` is not a positive whole number.
    """

    n_trials: int

    def __post_init__(self) -> None:
        require_n_trials(self.n_trials)

    def count(self, study: Study) -> int:
        """`n_trials`, or as many points as there are."""
        return min(self.n_trials, len(GridPoints(study)))

    def rounds(self, study: Study) -> Rounds:
        """One round of drawn points."""
        points = GridPoints(study)
        yield tuple(
            Trial(study=study, number=number, params=points[position])
            for number, position in enumerate(_draw(study, len(points), self.count(study)))
        )


def require_n_trials(n_trials: object) -> None:
    """Refuse what is no number of trials.

    Raises:
        ConfigError: It is not a positive whole number.
    """
    if not isinstance(n_trials, int) or isinstance(n_trials, bool) or n_trials < 1:
        raise ConfigError(
            f"must be a whole number of at least 1, not {n_trials!r}",
            key="search.n_trials",
        )


def _draw(study: Study, size: int, draws: int) -> Iterator[int]:
    """Distinct positions: a Fisher-Yates shuffle that keeps only what it has swapped."""
    swapped: dict[int, int] = {}
    for number in range(draws):
        seed = derive_seed(study.evaluation.seed, study.key, number)
        drawn = Random(seed).randrange(number, size)  # noqa: S311 - a search, not a secret
        yield swapped.get(drawn, drawn)
        swapped[drawn] = swapped.get(number, number)
