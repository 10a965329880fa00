"""The choice of the model that serves a customer: the best trial, the gate, and the reason.

With several objectives the rule is: of the candidates that meet every constraint, those whose
`metric` is within `slack` of the best; of these the best by the second objective, then by the
third, and so on, last by `metric`. What it picks is on the Pareto front: no other candidate is as
good in all objectives and better in one.

Touches no library, does no I/O; takes the trial results of one customer; gives a `Decision`;
runs on the driver.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from operator import ge

from orchestrator.records import Customer, Decision, Evaluation, TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The conditions under which a challenger replaces a champion, in MLflow's terms.

    Attributes:
        threshold: The least score that is served at all; the greatest where `direction` is
            `minimize`. None for no threshold.
        min_absolute_change: The least improvement on the champion, in units of the metric.
        min_relative_change: The least improvement on the champion, as a share of its score: 0.01
            asks for 1 %.
    """

    threshold: float | None = None
    min_absolute_change: float = 0.0
    min_relative_change: float = 0.0


def decide(
    flow_run: str,
    customer: Customer,
    results: Sequence[TrialResult],
    incumbent: TrialResult | None,
    *,
    evaluation: Evaluation,
    gate: Gate,
    deployed_data: str = "",
    deployed_code: str = "",
) -> Decision:
    """Decide which model serves one customer.

    Args:
        flow_run: The flow run that decides.
        customer: The customer's id.
        results: Every trial of the customer in this flow run, failed ones included.
        incumbent: The present champion, scored on this flow run's folds; None without one.
        evaluation: The deciding metric and its direction.
        gate: The conditions for a challenger.
        deployed_data: The version of the data the champion was fitted on; "" when unknown.
        deployed_code: The hash of the project's code it was fitted with; "" when unknown.

    Returns:
        The decision. `best` is the result to serve: the best challenger, or the incumbent
        where the challenger did not pass; `promote` says whether that has to be deployed.
    """
    served = [result for result in results if _may_be_served(result, evaluation, gate)]
    best = best_result(served, evaluation) or best_result(results, evaluation)
    if best is None:
        verdict = _Verdict(incumbent, promote=False, reason=_why_none(results, evaluation))
    elif refusal := _below_threshold(best, evaluation, gate):
        verdict = _Verdict(incumbent, promote=False, reason=refusal)
    elif incumbent is None:
        verdict = _Verdict(best, promote=True, reason="first champion")
    elif incumbent.state != "success":
        reason = f"the champion now fails: {incumbent.error}"
        verdict = _Verdict(best, promote=True, reason=reason)
    elif violated := _in_words(incumbent, evaluation):
        verdict = _Verdict(best, promote=True, reason=f"the champion violates {violated}")
    else:
        best = _challenger(best, served, incumbent, evaluation, gate)
        same_data = bool(deployed_data) and best.data_version == deployed_data
        code = best.trial.study.follows_from.get("code", "")
        same_code = not deployed_code or not code or code == deployed_code
        verdict = _contest(
            best, incumbent, evaluation, gate, same_data=same_data, same_code=same_code
        )
    return Decision(
        flow_run=flow_run,
        customer=customer,
        best=verdict.serve,
        incumbent=incumbent,
        promote=verdict.promote,
        reason=verdict.reason,
    )


def best_result(results: Sequence[TrialResult], evaluation: Evaluation) -> TrialResult | None:
    """The best success that meets the constraints: by the objectives, then cost, id and number.

    None when there is none.
    """
    eligible = _eligible(results, evaluation)
    if not eligible:
        return None
    enough = max(_goodness(result, evaluation) for result in eligible) - evaluation.slack
    near = [result for result in eligible if _goodness(result, evaluation) >= enough]
    return min(near, key=lambda result: _rank(result, evaluation))


def pareto_front(results: Sequence[TrialResult], evaluation: Evaluation) -> tuple[TrialResult, ...]:
    """The successes that meet the constraints, and that no other one beats in all objectives.

    The first of several with equal values is taken; the best by `metric` comes first.
    """
    ranked = sorted(
        ((_values(result, evaluation), result) for result in _eligible(results, evaluation)),
        key=lambda pair: pair[0],
        reverse=True,
    )
    front: list[tuple[tuple[float, ...], TrialResult]] = []
    for values, result in ranked:  # what could beat it comes before it
        if not any(all(map(ge, better, values)) for better, _ in front):
            front.append((values, result))
    return tuple(result for _, result in front)


def same_candidate(one: TrialResult, other: TrialResult) -> bool:
    """Whether two results are of the same estimator with the same parameters."""
    return (
        one.trial.study.model.steps == other.trial.study.model.steps
        and one.trial.study.model.params == other.trial.study.model.params
        and one.trial.params == other.trial.params
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    serve: TrialResult | None
    promote: bool
    reason: str


def _challenger(
    best: TrialResult,
    served: Sequence[TrialResult],
    incumbent: TrialResult,
    evaluation: Evaluation,
    gate: Gate,
) -> TrialResult:
    """The challenger of the champion: the best, or if it cannot win, the best of those that can.

    Within the slack the best by a later objective may be too little better for the gate, while the
    best by `metric` is enough.
    """
    if same_candidate(best, incumbent) or not _not_better(best, incumbent, evaluation, gate):
        return best
    better = [each for each in served if not _not_better(each, incumbent, evaluation, gate)]
    return best_result(better, evaluation) or best


def _contest(
    best: TrialResult,
    incumbent: TrialResult,
    evaluation: Evaluation,
    gate: Gate,
    *,
    same_data: bool,
    same_code: bool,
) -> _Verdict:
    """Champion against challenger; the winner is fitted again where the data is new.

    A champion that wins with the same parameters is fitted again where its code was corrected, too.

    Data of unknown version counts as new: a run without versions retrains what it serves.
    """
    if same_candidate(best, incumbent):
        if same_data and same_code:
            return _Verdict(incumbent, promote=False, reason="unchanged")
        news = "with changed code" if same_data else "on new data"
        return _Verdict(best, promote=True, reason=f"same parameters, fitted {news}")
    refusal = _not_better(best, incumbent, evaluation, gate)
    if refusal is None:
        reason = _how_much_better(best, incumbent, evaluation)
        return _Verdict(best, promote=True, reason=reason)
    if same_data:
        return _Verdict(incumbent, promote=False, reason=refusal)
    return _Verdict(incumbent, promote=True, reason=f"{refusal}; fitted on new data")


def _eligible(results: Sequence[TrialResult], evaluation: Evaluation) -> list[TrialResult]:
    return [
        result
        for result in results
        if result.state == "success" and not result.violated(evaluation.constraints)
    ]


def _rank(result: TrialResult, evaluation: Evaluation) -> tuple[tuple[float, ...], float, str, int]:
    """The later objectives, and then `metric`; within the slack it decides last."""
    first, *later = _values(result, evaluation)
    model = result.trial.study.model
    worse = tuple(-value for value in (*later, first))
    return worse, model.cost, model.id, result.trial.number


def _values(result: TrialResult, evaluation: Evaluation) -> tuple[float, ...]:
    """The measured value of each objective, signed so that greater is better."""
    objectives = map(evaluation.measure, evaluation.objectives or (evaluation.metric,))
    return tuple(each.goodness(result.measured(each.name)) for each in objectives)


def _goodness(result: TrialResult, evaluation: Evaluation) -> float:
    """The deciding score, signed so that greater is better."""
    return evaluation.selecting.goodness(result.mean(evaluation.metric))


def _in_words(result: TrialResult, evaluation: Evaluation) -> str:
    """The constraints a result does not meet, with what it has instead."""
    return ", ".join(
        f"{each} with {result.measured(each.measure):.3g}"
        for each in result.violated(evaluation.constraints)
    )


def _why_none(results: Sequence[TrialResult], evaluation: Evaluation) -> str:
    if not results:
        return "no model is meant for this customer"
    violations = Counter(
        str(each)
        for result in results
        if result.state == "success"
        for each in result.violated(evaluation.constraints)
    )
    if violations:
        most, times = violations.most_common(1)[0]
        return f"no trial meets the constraints; {times} of {len(results)} violate {most}"
    errors = Counter(result.error or "unknown" for result in results if result.is_failure)
    if not errors:
        return f"none of {len(results)} trials was evaluated to its end"
    reason, _ = errors.most_common(1)[0]
    return f"none of {len(results)} trials succeeded: {reason}"


def _may_be_served(result: TrialResult, evaluation: Evaluation, gate: Gate) -> bool:
    """Whether it reaches the threshold: the later objectives choose among those that do."""
    return result.state == "success" and _below_threshold(result, evaluation, gate) is None


def _below_threshold(best: TrialResult, evaluation: Evaluation, gate: Gate) -> str | None:
    if gate.threshold is None:
        return None
    if _goodness(best, evaluation) >= evaluation.selecting.goodness(gate.threshold):
        return None
    mean = best.mean(evaluation.metric)
    return f"the best {evaluation.metric} of {mean:.4g} misses the threshold of {gate.threshold:g}"


def _not_better(
    best: TrialResult, incumbent: TrialResult, evaluation: Evaluation, gate: Gate
) -> str | None:
    change = _goodness(best, evaluation) - _goodness(incumbent, evaluation)
    if evaluation.objectives and abs(change) <= evaluation.slack:
        return _not_better_by_others(best, incumbent, evaluation)
    least = max(
        gate.min_absolute_change,
        gate.min_relative_change * abs(incumbent.mean(evaluation.metric)),
    )
    if change > 0 and change >= least:
        return None
    if change <= 0:
        return f"no candidate beats the champion's {evaluation.metric}"
    return f"{change:.2g} better in {evaluation.metric}, the gate asks for {least:.2g}"


def _not_better_by_others(
    best: TrialResult, incumbent: TrialResult, evaluation: Evaluation
) -> str | None:
    """Within the slack the later objectives decide, and the gate has no say in them."""
    if _rank(best, evaluation)[0] < _rank(incumbent, evaluation)[0]:
        return None
    return f"no candidate beats the champion in {', '.join(evaluation.objectives)}"


def _how_much_better(best: TrialResult, incumbent: TrialResult, evaluation: Evaluation) -> str:
    return ", ".join(
        f"{name} {incumbent.measured(name):.4f} -> {best.measured(name):.4f}"
        for name in evaluation.objectives or (evaluation.metric,)
    )
