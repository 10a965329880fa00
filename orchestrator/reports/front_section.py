"""The section of a customer's page about several objectives: the trade-offs between them.

Touches plotly through its room; pure; takes trial results; gives a `Section`; runs on the driver.
"""

from collections.abc import Iterator, Sequence

from orchestrator.records import Measure, TrialResult
from orchestrator.reports import charts
from orchestrator.reports.formatting import in_short
from orchestrator.reports.page import Chart, Section, Table
from orchestrator.selection import pareto_front, same_candidate

_MOST_ROWS = 20


def front_section(results: Sequence[TrialResult], serving: TrialResult | None) -> Iterator[Section]:
    """Yield the Pareto front, best by the deciding metric first; nothing if there is one objective.

    Args:
        results: The trial results of a customer's last searches, for all models.
        serving: The result that serves the customer now; None if none does.
    """
    evaluation = results[0].trial.study.evaluation if results else None
    if evaluation is None or len(objectives := evaluation.objectives) < 2:
        return
    comparable = [each for each in results if _has_all(each, objectives)]
    front = pareto_front(comparable, evaluation)
    if not front:
        return
    metric, other = objectives[:2]
    yield Section(
        title="Objectives",
        note=f"{len(front)} of {len(comparable)} trials are on the Pareto front: no other is as "
        "good in all objectives and better in one. Of those within "
        f"{evaluation.slack:g} of the best {metric}, the best by {other} is chosen.",
        parts=[
            _chart(comparable, front, *map(evaluation.measure, (metric, other))),
            Table(
                title="On the front",
                columns=("trial", *objectives, "parameters", ""),
                rows=[_row(each, objectives, serving) for each in front[:_MOST_ROWS]],
                note=_left_out(len(front)),
            ),
        ],
    )


def _chart(
    results: Sequence[TrialResult],
    front: Sequence[TrialResult],
    metric: Measure,
    other: Measure,
) -> Chart:
    keys = {each.trial.key for each in front}
    points: dict[str, list[tuple[float, float, str]]] = {"on the front": [], "behind it": []}
    for each in results:
        group = "on the front" if each.trial.key in keys else "behind it"
        point = each.measured(other.name), each.measured(metric.name), each.trial.key
        points[group].append(point)
    figure = charts.clouds(points, x=str(other), y=str(metric), log=other.kind == "cost")
    return Chart(title=f"{metric.name} and {other.name}", figure=figure, wide=True)


def _has_all(result: TrialResult, objectives: Sequence[str]) -> bool:
    """Whether the trial was made for the same objectives, succeeded, and has a value for each."""
    alike = tuple(objectives) == result.trial.study.evaluation.objectives
    return alike and result.state == "success" and {*result.has_measured} >= set(objectives)


def _row(
    result: TrialResult, objectives: Sequence[str], serving: TrialResult | None
) -> tuple[str | float, ...]:
    serves = serving is not None and same_candidate(result, serving)
    measured = (result.measured(name) for name in objectives)
    key, in_words = result.trial.key, in_short(result.trial.params)
    return key, *measured, in_words, "serves" if serves else ""


def _left_out(number: int) -> str:
    return f"{number - _MOST_ROWS} more" if number > _MOST_ROWS else ""
