"""The page about one customer: its champions, its trials, and the course of each search.

Touches plotly through its rooms; reads the ledger; gives a `Page`; runs on the driver.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import pstdev

from orchestrator.errors import UsageError
from orchestrator.ledger import Champion, Ledger
from orchestrator.records import Promotion, TrialResult
from orchestrator.reports import charts
from orchestrator.reports.formatting import in_short, moment
from orchestrator.reports.front_section import front_section
from orchestrator.reports.page import Card, Chart, Page, Section, Table
from orchestrator.search.plots import pictures
from orchestrator.selection import best_result

ByModel = Mapping[str, Sequence[TrialResult]]

_MOST_REASONS = 20


def customer_page(ledger: Ledger, customer: str) -> Page:
    """Return the page about one customer, made from the ledger.

    Raises:
        UsageError: The registry has never listed such a customer.
    """
    periods = ledger.lives.history("customer", customer)
    if not periods:
        raise UsageError(
            f"no customer {customer!r} has ever been listed; "
            "`orchestrator status` lists the customers"
        )
    champion = ledger.promotions.champion(customer)
    results = [each.result for each in ledger.trials.of_last_studies(customer)]
    by_model = _by_model(results)
    serving = "" if champion is None else champion.result.trial.study.model.id
    return Page(
        title=customer,
        kind="Customer",
        subtitle=f"{periods[-1].state} in the registry; what follows is of its last searches",
        cards=list(_cards(champion, by_model)),
        sections=[
            *_candidates(by_model),
            *front_section(results, None if champion is None else champion.result),
            *_champions(ledger.promotions.of_customer(customer)),
            *_searches(by_model, serving),
            *_failures(by_model),
        ],
    )


def _by_model(results: Sequence[TrialResult]) -> ByModel:
    found: dict[str, list[TrialResult]] = {}
    for result in results:
        found.setdefault(result.trial.study.model.id, []).append(result)
    return found


def _cards(champion: Champion | None, by_model: ByModel) -> Iterator[Card]:
    if champion is None:
        yield Card(label="champion", value="none", remark="nothing serves this customer")
    else:
        trial = champion.result.trial
        metric = trial.study.evaluation.metric
        in_words = in_short(champion.result.trial.params)
        yield Card(label="champion", value=trial.study.model.id, remark=in_words)
        yield Card(
            label=metric,
            value=f"{champion.result.mean(metric):.4f}",
            remark=f"± {_deviation(champion.result, metric):.4f} over folds",
        )
        if champion.deployed is not None:
            yield Card(
                label="deployed as",
                value=f"v{champion.deployed.version}",
                remark=f"{champion.deployed.model_name}, {moment(champion.at)}",
            )
    states = Counter(result.state for results in by_model.values() for result in results)
    others = ", ".join(f"{n} {s.replace('_', ' ')}" for s, n in states.items() if s != "success")
    yield Card(label="trials", value=f"{states.total():,}", remark=others or "all succeeded")


def _candidates(by_model: ByModel) -> Iterator[Section]:
    """Yield the section that compares the models."""
    if not by_model:
        return
    metric = _metric(by_model)
    scored = {model: _scored(results, metric) for model, results in by_model.items()}
    means = {m: [each.mean(metric) for each in results] for m, results in scored.items() if results}
    points = {
        model: [
            (math.fsum(each.fit_seconds), each.mean(metric), in_short(each.trial.params) or model)
            for each in results
        ]
        for model, results in scored.items()
        if results
    }
    yield Section(
        title="Candidates",
        parts=[
            Table(
                columns=(
                    "model",
                    "trials",
                    "failed",
                    metric,
                    "±",
                    "fit seconds",
                    "best parameters",
                ),
                rows=[_candidate(model, results, metric) for model, results in by_model.items()],
            ),
            Chart(title=f"{metric} of every trial", figure=charts.boxes(means, of=metric)),
            Chart(
                title="Score and time to fit",
                figure=charts.clouds(points, x="seconds to fit, all folds", y=metric),
            ),
        ],
    )


def _candidate(
    model: str, results: Sequence[TrialResult], metric: str
) -> tuple[str | int | float | None, ...]:
    best = best_result(results, results[0].trial.study.evaluation)
    counted = (model, len(results), sum(result.is_failure for result in results))
    if best is None or metric not in best.scores:
        return (*counted, None, None, None, "")
    return (
        *counted,
        best.mean(metric),
        _deviation(best, metric),
        math.fsum(best.fit_seconds),
        in_short(best.trial.params),
    )


def _champions(chain: Sequence[Promotion]) -> Iterator[Section]:
    """Yield the section of the customer's successive champions."""
    served = [(each, each.decision.best) for each in chain if each.decision.best is not None]
    if not served:
        return
    metric = served[-1][1].trial.study.evaluation.metric
    known = [(each, best) for each, best in served if metric in best.scores]
    course = charts.course(
        [each.at for each, _ in known],
        [best.mean(metric) for _, best in known],
        [best.trial.study.model.id for _, best in known],
    )
    rows = [
        (
            moment(each.at),
            best.trial.study.model.id,
            best.mean(metric) if metric in best.scores else None,
            f"v{each.deployed_version.version}",
            in_short(best.trial.params),
            each.decision.reason,
        )
        for each, best in reversed(served)
    ]
    table = Table(columns=("since", "model", metric, "version", "parameters", "reason"), rows=rows)
    chart = Chart(title=f"{metric} of the champion at its promotion", figure=course, wide=True)
    yield Section(title="Champions", parts=[chart, table] if len(known) > 1 else [table])


def searches_of(ledger: Ledger, customer: str) -> Iterator[Section]:
    """Yield the last searches of a customer, one section per model, all folded."""
    results = [each.result for each in ledger.trials.of_last_studies(customer)]
    for section in _searches(_by_model(results), ""):
        yield replace(section, title=f"{customer}: {section.title.lower()}", folded=True)


def _searches(by_model: ByModel, serving: str) -> Iterator[Section]:
    """Yield a section for each model's search; only that of the champion's model is open."""
    for model, results in sorted(by_model.items(), key=lambda pair: pair[0] != serving):
        drawn = pictures(results)
        if drawn:
            study = results[0].trial.study
            yield Section(
                title=f"Search of {model}",
                note=f"{len(results)} trials by {study.search.strategy}, flow run {study.flow_run}",
                parts=[
                    Chart(title=each.title, figure=each.figure, wide=each.wide) for each in drawn
                ],
                folded=model != serving and len(by_model) > 1,
            )


def _failures(by_model: ByModel) -> Iterator[Section]:
    failed = [r for results in by_model.values() for r in results if r.is_failure]
    reasons = Counter(result.error or "unknown" for result in failed)
    first = {result.error or "unknown": result.trial.key for result in reversed(failed)}
    if reasons:
        table = Table(
            columns=("times", "reason", "first"),
            rows=[(n, why, first[why]) for why, n in reasons.most_common(_MOST_REASONS)],
        )
        yield Section(title="Failures", parts=[table])


def _metric(by_model: ByModel) -> str:
    return next(iter(by_model.values()))[0].trial.study.evaluation.metric


def _scored(results: Sequence[TrialResult], metric: str) -> list[TrialResult]:
    """Return the results with this metric; a model's older search may have used another one."""
    return [each for each in results if each.state == "success" and metric in each.scores]


def _deviation(result: TrialResult, metric: str) -> float:
    return pstdev(result.scores[metric])
