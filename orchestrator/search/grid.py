"""The strategy `grid`: every point of the grid, in one round.

Touches no library; takes a `Study`; gives one round of trials; driver and workers.
"""

from dataclasses import dataclass
from typing import ClassVar

from orchestrator.records import Study, Trial
from orchestrator.search.points import GridPoints
from orchestrator.search.strategies import Rounds
from orchestrator.search.traits import Traits


@dataclass(frozen=True, slots=True)
class GridStrategy:
    """Every point of the grid; a trial's number is its position there.

    Ranges with a finite number of values count as points: whole numbers, and floats with a `step`.
    """

    traits: ClassVar[Traits] = Traits(learns=False, is_exhaustive=True)

    def count(self, study: Study) -> int:
        """Return the number of points of the grid."""
        return GridPoints(study).size

    def rounds(self, study: Study) -> Rounds:
        """Yield one round that contains every point."""
        yield tuple(
            Trial(study=study, number=number, params=params)
            for number, params in enumerate(GridPoints(study))
        )
