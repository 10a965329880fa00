"""The training flow: map, reduce, map, reduce.

    choose [customers]      a coordinator a customer, on the driver
      read_version          on a worker, where only loading the data tells its version
      evaluate [studies]    on workers: every candidate of a model, on the same folds; or as
                            many tasks as it has trials (`searching`)
    publish                 the reduce: writes down who is promoted; lists the models to be fitted
    refit [promotions]      on workers: fits the winner on all rows and writes its files
    deploy                  the reduce: versions and aliases

Beside it a courier sends MLflow the trials as they are recorded. Where MLflow fails, `publish` or
`deploy` does; by then all it lacks is in the ledger.

Touches no library itself; takes `Work` and a `Desk`; gives the promotions made.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.experiment.desk import Desk
from orchestrator.experiment.generations import Carried
from orchestrator.experiment.orders import Refit, Refitted
from orchestrator.experiment.searching import STUDIES, Searching
from orchestrator.experiment.settings import Experiment
from orchestrator.experiment.work import Work, champion_study, with_version
from orchestrator.ledger import Champion
from orchestrator.mapping import Flow, Outcome, Outcomes, Skip, flow, task
from orchestrator.records import (
    Customer,
    Decision,
    Evaluation,
    InstanceRecord,
    Promotion,
    State,
    Study,
    Trial,
    TrialResult,
)
from orchestrator.selection import decide, pareto_front, same_candidate
from orchestrator.training.data import DataError
from orchestrator.training.fingerprint import Fingerprints

_NO_TRIAL = -1
"""In place of a trial's number: the study failed as a whole. Its trials still have their own
numbers to be recorded under, should it be tried again when the flow run is resumed."""


def _data_key(study: Study) -> str:  # noqa: ARG001 - a key's arguments are the task's, by name
    return "data"  # one a customer, whose key it hangs under


@task(key=_data_key, cache=False)
def read_version(study: Study) -> str:
    """Load a customer's data for a hash of it, on a worker."""
    # joblib and scikit-learn are imported on the workers only
    from orchestrator.training.versions import loaded_version

    return loaded_version(study)


@task(cache=False)
def refit(what: Refit) -> Refitted:
    """Fit a winner on all rows and write its files, on a worker."""
    # scikit-learn and MLflow are imported on the workers only
    from orchestrator.experiment.refitting import refit_and_write

    return refit_and_write(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What became of one customer.

    Attributes:
        decision: What to serve.
        unfinished: A failed result for every study that could not be run to its end.
        front: With several objectives, by MLflow run whether a trial is on the Pareto front; empty
            where nothing new was tried.
    """

    decision: Decision
    unfinished: tuple[TrialResult, ...] = ()
    front: Mapping[str, bool] = field(default_factory=dict)


def training_flow(
    experiment: Experiment,
    work: Sequence[Work],
    desk: Desk,
    *,
    flow_run: str,
    fingerprints: Fingerprints,
    to_spread: Collection[str] = (),
    carried: Carried | None = None,
) -> Flow:
    """The flow of one flow run; it closes over what was fetched when the run started.

    Args:
        experiment: How candidates are compared.
        work: One entry a customer.
        desk: Where the driver writes.
        flow_run: Its id.
        fingerprints: What gives studies the hashes their results are known by.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: What is known of studies from an earlier generation.
    """
    evaluation, gate = experiment.evaluation, experiment.gate
    search = Searching(experiment, to_spread, carried)
    loaded = read_version.options(timeout=experiment.study_timeout)

    @task
    async def choose(work: Work) -> Choice:
        """Evaluate a customer's studies and decide what to serve."""
        if work.problem:
            raise DataError(work.problem)
        studies = work.studies
        if studies and not studies[0].data_version:
            versions = await loaded.expand(study=studies[:1])
            studies = with_version(studies, next(iter(versions), ""), fingerprints)
        evaluated = await search.outcomes_of(studies)
        results = _at_todays_cost(evaluated)
        unfinished = _unfinished(evaluated)
        skipped = [outcome.error for _, outcome in evaluated if outcome.state is State.SKIPPED]
        if skipped and not results and not unfinished:
            raise Skip(skipped[0])
        incumbent = scored_already(work, results)
        if incumbent is None and work.champion is not None and results:
            study = champion_study(studies, work.champion, fingerprints)
            rescored = await search.rescored(study)
            incumbent = next(iter(rescored.value or ()), None)
            if incumbent is None:
                unscored = _unfinished([(study, rescored)])
                decision = _as_it_is(flow_run, work.customer, work.champion, unscored)
                return Choice(decision=decision, unfinished=unfinished + unscored)
        decision = decide(
            flow_run,
            work.customer,
            [*results, *unfinished],
            incumbent,
            evaluation=evaluation,
            gate=gate,
            deployed_data=work.champion.result.data_version if work.champion else "",
        )
        front = _front(results, evaluated, evaluation)
        return Choice(decision=decision, unfinished=unfinished, front=front)

    # What the desk has to do follows from the ledger, which may have changed since.
    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def publish(choices: Outcomes) -> list[Refit]:
        """Write down who is promoted, and say which models are to be fitted, and where to."""
        desk.keep_fronts([choice.front for choice in choices])
        return desk.orders(desk.intend([choice.decision for choice in choices]))

    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def deploy(refitted: Outcomes) -> list[Promotion]:
        """Make the fitted models their customers' champions."""
        return desk.deploy(list(refitted))

    @flow(name=experiment.name)
    def train() -> object:
        choices = choose.expand(work=work)
        return choices, deploy(refit.expand(what=publish(choices)))

    return train


def refitting_flow(orders: Sequence[Refit]) -> Flow:
    """The flow of a sync: the models that an earlier flow run left unwritten."""

    @flow
    def refitting() -> object:
        return refit.expand(what=orders)

    return refitting


def trials_of(instance: InstanceRecord) -> Sequence[TrialResult]:
    """The trials in what an instance of the training flow returned, for the ledger."""
    if isinstance(instance.value, Choice):
        return instance.value.unfinished
    if instance.state is State.SUCCESS and instance.node.startswith(STUDIES):
        results: Sequence[TrialResult] = instance.value
        return results
    return ()


def customer_of(node: str, key: str) -> str:
    """Whose an instance of the training flow is.

    What `choose` calls hangs under the customer's id, which may have slashes itself, by one part
    that has none; and what `spread` calls, by two.
    """
    parts = {"choose": 1, "spread": 2}.get(node.partition("@")[2], 0)
    return key.rsplit("/", parts)[0]


def scored_already(work: Work, results: Sequence[TrialResult]) -> TrialResult | None:
    """The champion's score on today's folds, when it is known without another fit.

    It is where the champion is among the candidates, and where neither the data nor the way of
    comparing has changed since it was scored.
    """
    if work.champion is None:
        return None
    champion = work.champion.result
    for result in results:
        if same_candidate(result, champion):
            return result
    versions = {result.data_version for result in results}
    same_data = champion.data_version and versions == {champion.data_version}
    if same_data and work.studies[0].evaluation == champion.trial.study.evaluation:
        return champion
    return None


def _front(
    results: Sequence[TrialResult],
    evaluated: Sequence[tuple[Study, Outcome]],
    evaluation: Evaluation,
) -> Mapping[str, bool]:
    is_news = any(outcome.state is State.SUCCESS for _, outcome in evaluated)
    if len(evaluation.objectives) < 2 or not is_news:
        return {}
    front = {result.trial.run_id for result in pareto_front(results, evaluation)}
    return {result.trial.run_id: result.trial.run_id in front for result in results}


def _at_todays_cost(evaluated: Sequence[tuple[Study, Outcome]]) -> list[TrialResult]:
    """All results; those recorded earlier take the cost that the registry lists now."""
    return [
        _with_cost(result, study.model.cost)
        for study, outcome in evaluated
        for result in outcome.value or ()
    ]


def _with_cost(result: TrialResult, cost: float) -> TrialResult:
    trial = result.trial
    if trial.study.model.cost == cost:
        return result
    study = replace(trial.study, model=replace(trial.study.model, cost=cost))
    return replace(result, trial=replace(trial, study=study))


def _as_it_is(
    flow_run: str, customer: Customer, champion: Champion, unscored: Sequence[TrialResult]
) -> Decision:
    """The champion serves on, since nothing can be compared with it."""
    why = next((result.error for result in unscored), None) or "its data was skipped"
    return Decision(
        flow_run=flow_run,
        customer=customer,
        best=champion.result,
        incumbent=champion.result,
        promote=False,
        reason=f"the champion could not be scored again: {why}",
    )


def _unfinished(evaluated: Sequence[tuple[Study, Outcome]]) -> tuple[TrialResult, ...]:
    """A failed result for each study that failed as a whole, so that it is seen in MLflow."""
    return tuple(
        _failed_result(study, outcome)
        for study, outcome in evaluated
        if outcome.state in {State.FAILED, State.UPSTREAM_FAILED}
    )


def _failed_result(study: Study, outcome: Outcome) -> TrialResult:
    return TrialResult(
        trial=Trial(study=study, number=_NO_TRIAL, params={}),
        state="failed",
        started=outcome.started or 0.0,
        ended=outcome.ended or 0.0,
        worker=outcome.worker,
        error=outcome.error,
    )
