"""What a strategy that learns is told of a result: its objectives, and how it meets constraints.

Seconds differ from run to run, and trials would with them: only where the search need not be
reproducible is it told of what was measured in seconds.

Touches no library; takes a `Search` and an `Evaluation`; gives `Goals`; driver and workers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.records import Constraint, Direction, Evaluation, Search


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
    measures = map(evaluation.measure, (evaluation.metric, *evaluation.objectives[1:]))
    return Goals(
        objectives={
            each.name: each.direction
            for each in measures
            if each.name == evaluation.metric or not (each.timed and search.reproducible)
        },
        constraints=tuple(
            each
            for each in evaluation.constraints
            if not (evaluation.measure(each.measure).timed and search.reproducible)
        ),
    )
