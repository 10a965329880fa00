"""The page about all customers: their champions, the models' results, and the failures.

Touches plotly through its rooms; reads the ledger; gives a `Page`; runs on the driver.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

from orchestrator.ledger import Champion, Ledger, StudyTally
from orchestrator.records import TrialResult
from orchestrator.reports import charts
from orchestrator.reports.customer_page import searches_of
from orchestrator.reports.formatting import in_short, moment
from orchestrator.reports.page import Card, Chart, Page, Section, Table
from orchestrator.reports.status import CustomerStatus, standings
from orchestrator.search.plots import pictures_of_many

_MOST_ROWS = 1_000
_MOST_REASONS = 20
_BEHIND = "behind the best"
_MOST_TRIALS = 1_000
"""The maximum number of trials drawn for a model: more points would add no information."""


def overview_page(ledger: Ledger, experiment: str, searched: Sequence[str] = ()) -> Page:
    """Return the page about all customers of an experiment, made from the ledger.

    Args:
        ledger: The experiment's ledger.
        experiment: The experiment's name.
        searched: The customers whose searches are shown one by one.
    """
    found = standings(ledger)
    tallies = ledger.studies.tallies()
    served = [standing.champion for standing in found if standing.champion is not None]
    last = next(iter(ledger.flow_runs.list(1)), None)
    return Page(
        title=experiment,
        kind="Experiment",
        subtitle=f"last flow run {last.id}, begun {moment(last.started)}" if last else "",
        cards=list(_cards(found, tallies)),
        sections=[
            *_champions(found, served),
            *_models(tallies, served),
            *_failures(ledger),
            *_searches(ledger, sorted({tally.model for tally in tallies})),
            *(section for customer in searched for section in searches_of(ledger, customer)),
        ],
    )


def _cards(found: Sequence[CustomerStatus], tallies: Sequence[StudyTally]) -> Iterator[Card]:
    states = Counter(standing.state for standing in found)
    served = sum(standing.champion is not None for standing in found)
    yield Card(
        label="customers",
        value=f"{len(found):,}",
        remark=", ".join(f"{number:,} {state}" for state, number in states.items()),
    )
    yield Card(label="served", value=f"{served:,}", remark="have a champion now")
    models = {tally.model for tally in tallies}
    yield Card(label="models", value=f"{len(models):,}", remark=f"{len(tallies):,} last searches")
    trials = _states(tallies)
    failed = trials["failed"] + trials["timed_out"]
    yield Card(
        label="trials in them",
        value=f"{trials.total():,}",
        remark=f"{failed:,} failed, {trials['pruned']:,} pruned",
    )
    seconds = sum(tally.seconds for tally in tallies)
    yield Card(label="time of one core", value=_duration(seconds), remark="fits and scorings")


def _champions(found: Sequence[CustomerStatus], served: Sequence[Champion]) -> Iterator[Section]:
    """Yield the section of the champion of each customer."""
    if not served:
        return
    metric = Counter(_metric(champion.result) for champion in served).most_common(1)[0][0]
    alike = [champion.result for champion in served if _metric(champion.result) == metric]
    by_segment = _grouped(alike, lambda result: result.trial.study.customer.segment or "none")
    parts: list[Table | Chart] = [
        Chart(
            title="Champions by model",
            figure=charts.counts(Counter(map(_model, alike)), of="customers"),
        ),
        Chart(
            title=f"{metric} of the champions",
            figure=charts.spread([result.mean(metric) for result in alike], of=metric),
        ),
    ]
    if len(by_segment) > 1:
        scores = {s: [result.mean(metric) for result in some] for s, some in by_segment.items()}
        figure = charts.boxes(scores, of=metric)
        parts.append(Chart(title=f"{metric} by segment", figure=figure, wide=True))
    yield Section(title="Champions", parts=[*parts, _standings(found)])


def _standings(found: Sequence[CustomerStatus]) -> Table:
    left_out = len(found) - _MOST_ROWS
    return Table(
        title="Every customer",
        columns=("customer", "segment", "state", "champion", "score", "parameters", "since"),
        rows=[_standing(standing) for standing in found[:_MOST_ROWS]],
        note=f"{left_out:,} more: orchestrator status lists them all" if left_out > 0 else "",
    )


def _standing(standing: CustomerStatus) -> tuple[str | float | None, ...]:
    if standing.champion is None:
        return standing.customer, "", standing.state, "none", None, "", ""
    result = standing.champion.result
    left = "" if standing.model_listed else " (left the registry)"
    return (
        standing.customer,
        result.trial.study.customer.segment,
        standing.state,
        f"{_model(result)}{left}",
        result.mean(_metric(result)),
        in_short(result.trial.params),
        moment(standing.champion.at),
    )


def _models(tallies: Sequence[StudyTally], served: Sequence[Champion]) -> Iterator[Section]:
    """Yield the section of the results of each model over all of its customers."""
    by_model: dict[str, list[StudyTally]] = {}
    for tally in tallies:
        by_model.setdefault(tally.model, []).append(tally)
    if not by_model:
        return
    metric = Counter(tally.metric for tally in tallies).most_common(1)[0][0]
    champions = Counter(_model(champion.result) for champion in served)
    best = {
        model: [each.best for each in some if each.best is not None and each.metric == metric]
        for model, some in by_model.items()
    }
    states = {model: _states(some) for model, some in by_model.items()}
    yield Section(
        title="Models",
        note="Of the last search of each for each customer.",
        parts=[
            Table(
                columns=("model", "customers", "champion of", "trials", "failed", "median best"),
                rows=[
                    (
                        model,
                        len(some),
                        champions[model],
                        states[model].total(),
                        states[model]["failed"] + states[model]["timed_out"],
                        median(best[model]) if best[model] else None,
                    )
                    for model, some in sorted(by_model.items())
                ],
            ),
            Chart(title=f"Best {metric} for each customer", figure=charts.boxes(best, of=metric)),
            Chart(title="Trials by state", figure=charts.states(states, of="trials")),
        ],
    )


def _failures(ledger: Ledger) -> Iterator[Section]:
    reasons = ledger.studies.failures(_MOST_REASONS)
    if reasons:
        rows = [(times, reason, study) for reason, times, study in reasons]
        table = Table(columns=("times", "reason", "for instance in"), rows=rows)
        yield Section(title="Failures", note="Of the last searches.", parts=[table])


def _searches(ledger: Ledger, models: Sequence[str]) -> Iterator[Section]:
    """Yield the effect of each model's parameters, with scores relative to the customer's best."""
    for model in models:
        results = [each.result for each in ledger.trials.scored_last(model, _MOST_TRIALS)]
        behind = _behind_the_best(results)
        drawn = pictures_of_many(results, [behind[each.trial.key] for each in results], _BEHIND)
        if drawn:
            yield Section(
                title=f"Parameters of {model}",
                note=f"{len(results):,} trials; how far each is behind the best of its customer",
                parts=[Chart(title=each.title, figure=each.figure, wide=True) for each in drawn],
                folded=True,
            )


def _behind_the_best(results: Sequence[TrialResult]) -> Mapping[str, float]:
    """Return, by trial, its score minus the best score of its study, which itself gets 0."""
    behind: dict[str, float] = {}
    by_customer = _grouped(results, lambda result: result.trial.study.key)
    for some in by_customer.values():
        metric = some[0].trial.study.evaluation.selecting
        means = [result.mean(_metric(result)) for result in some]
        best = max(means, key=metric.goodness)
        behind |= {result.trial.key: mean - best for result, mean in zip(some, means, strict=True)}
    return behind


def _grouped(
    results: Sequence[TrialResult], name_of: Callable[[TrialResult], str]
) -> dict[str, list[TrialResult]]:
    groups: dict[str, list[TrialResult]] = {}
    for result in results:
        groups.setdefault(name_of(result), []).append(result)
    return groups


def _states(tallies: Sequence[StudyTally]) -> Counter[str]:
    found: Counter[str] = Counter()
    for tally in tallies:
        found.update(tally.trials)
    return found


def _model(result: TrialResult) -> str:
    return result.trial.study.model.id


def _metric(result: TrialResult) -> str:
    return result.trial.study.evaluation.metric


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"
