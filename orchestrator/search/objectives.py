"""What a strategy that learns is told of a result: its objectives, and how it meets constraints.

Seconds differ from run to run, and trials would with them: only where the search need not be
reproducible is it told of what was measured in seconds.

Touches no library; takes a `Search` and an `Evaluation`; gives `Goals`; driver and workers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from orchestrator.records import COSTS, TIMES, Constraint, Evaluation, Search

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """What is told.

    Attributes:
        objectives: Each with the direction in which it is better, the one that selects first.
        constraints: What is to be met.
    """

    objectives: Mapping[str, Direction]
    constraints: tuple[Constraint, ...]

    def values(self, measured: Callable[[str], float]) -> list[float]:
        """What was measured of each objective."""
        return [measured(name) for name in self.objectives]

    def violations(self, measured: Callable[[str], float]) -> dict[str, float]:
        """By how much each constraint is missed; at most zero where it is met, as Optuna counts."""
        return {
            str(each): measured(each.measure) - each.bound
            if each.relation == "<="
            else each.bound - measured(each.measure)
            for each in self.constraints
        }


def goals(search: Search, evaluation: Evaluation) -> Goals:
    """What a strategy is told in such a search."""
    untold = TIMES if search.reproducible else ()
    later = [name for name in evaluation.objectives[1:] if name not in untold]
    objectives: dict[str, Direction] = {evaluation.metric: evaluation.direction}
    for name in later:
        objectives[name] = "minimize" if name in COSTS else "maximize"
    constraints = tuple(each for each in evaluation.constraints if each.measure not in untold)
    return Goals(objectives=objectives, constraints=constraints)
