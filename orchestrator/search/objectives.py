"""The goals of a strategy that learns: the objectives and constraints it receives of each result.

Measured seconds differ from run to run, and the trials would differ with them. So a strategy
receives measures in seconds only if the search need not be reproducible.

Touches no library; takes a `Search` and an `Evaluation`; gives `Goals`; driver and workers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.records import Constraint, Direction, Evaluation, Search


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """The objectives and constraints of a search.

    Attributes:
        objectives: The direction of each objective, by name; the metric that selects comes first.
        constraints: The constraints that a trial should meet.
    """

    objectives: Mapping[str, Direction]
    constraints: tuple[Constraint, ...]

    def values(self, measured: Callable[[str], float]) -> list[float]:
        """Return the measured value of each objective."""
        return [measured(name) for name in self.objectives]

    def violations(self, measured: Callable[[str], float]) -> dict[str, float]:
        """Return by how much each constraint is violated; at most 0 if it is met, as in Optuna."""
        return {
            str(each): measured(each.measure) - each.bound
            if each.relation == "<="
            else each.bound - measured(each.measure)
            for each in self.constraints
        }


def goals(search: Search, evaluation: Evaluation) -> Goals:
    """Return the goals that a strategy receives in this search."""
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
