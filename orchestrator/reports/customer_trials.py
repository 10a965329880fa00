"""The trials of one customer as flat records: parameters, scores, and which trial serves.

Touches no library; reads the ledger; gives records for people and machines; driver.
"""

from dataclasses import dataclass
from typing import Any, get_args

from orchestrator.errors import UsageError
from orchestrator.ledger import Ledger, RecordedTrial
from orchestrator.records import TrialState
from orchestrator.tabular import TableView, Tabular, time_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerTrials(Tabular):
    """Trials of one customer.

    Attributes:
        customer: The customer's id.
        trials: The latest first; if the best were requested, the best first.
        serving: The run id of the trial that serves the customer; "" if none does.
    """

    customer: str
    trials: tuple[RecordedTrial, ...]
    serving: str = ""

    def rows(self) -> list[dict[str, Any]]:
        """Return a flat record per trial; `scores` holds means, `folds` the score of each fold."""
        return [self._row(trial) for trial in self.trials]

    def tables(self) -> tuple[TableView, ...]:
        """Return a row per trial, with a column for each parameter and each metric."""
        rows = []
        for row in self.rows():
            params, scores = row.pop("params"), row.pop("scores")
            del row["folds"]
            rows.append({**row, "started": time_of(row["started"]), **scores, **_named(params)})
        return (TableView(title=self.customer, rows=rows, columns=("trial", "model", "state")),)

    def _row(self, recorded: RecordedTrial) -> dict[str, Any]:
        result, trial = recorded.result, recorded.result.trial
        return {
            "trial": trial.key,
            "flow_run": recorded.flow_run,
            "model": trial.study.model.id,
            "number": trial.number,
            "state": result.state,
            "serves": recorded.run_id == self.serving,
            "params": dict(trial.params),
            "scores": {metric: result.mean(metric) for metric in result.scores},
            "folds": {metric: list(values) for metric, values in result.scores.items()},
            "fit_seconds": sum(result.fit_seconds),
            "score_seconds": sum(result.score_seconds),
            "rows": result.rows,
            "data_version": result.data_version,
            "started": result.started,
            "run_id": recorded.run_id,
            "error": result.error,
        }


def customer_trials(
    ledger: Ledger,
    customer: str,
    *,
    model: str | None = None,
    best: int | None = None,
    state: TrialState | None = None,
    limit: int | None = None,
) -> CustomerTrials:
    """Return trials of one customer: the latest, or the best.

    Args:
        ledger: The experiment's ledger.
        customer: The customer's id.
        model: The id of a model to select trials by; None selects all models.
        best: The number of best trials, by the metric that last compared the customer's trials.
        state: The state to select trials by; None selects all states.
        limit: The greatest number of latest trials; None returns all.

    Raises:
        UsageError: The registry has never listed the customer, or the arguments contradict each
            other.
    """
    for name, number in (("best", best), ("limit", limit)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}: take at least 1")
    if state not in {None, *get_args(TrialState)}:
        raise UsageError(
            f"no trial has the state {state!r}; take {', '.join(get_args(TrialState))}"
        )
    if best is not None and limit is not None:
        raise UsageError("the number of the best is given: leave out the limit")
    if best is not None and state not in {None, "success"}:
        raise UsageError(f"the best are ranked by their score, and a {state} trial has none")
    if not ledger.lives.history("customer", customer):
        raise UsageError(
            f"no customer {customer!r} has ever been listed; "
            "`orchestrator status` lists the customers"
        )
    if best is not None:
        found = ledger.trials.best(customer, best, model=model)
    else:
        found = ledger.trials.latest(customer, limit, model=model, state=state)
    champion = ledger.promotions.champion(customer)
    serving = "" if champion is None else champion.result.trial.run_id
    return CustomerTrials(customer=customer, trials=tuple(found), serving=serving)


def _named(params: dict[str, Any]) -> dict[str, Any]:
    return {f"params.{name}": value for name, value in params.items()}
