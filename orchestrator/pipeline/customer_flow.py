"""The flow of one customer: evaluate its studies, compare its champion, make a decision.

    read_version          on a worker, if the version of the data is known only by loading it

Touches no library itself; takes `CustomerPlan`; gives a `CustomerResult`; awaited by a coordinator
on the driver.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orchestrator.ledger import Champion
from orchestrator.mapping import Outcome, Skip, task
from orchestrator.pipeline.carry_over import Carried
from orchestrator.pipeline.customer_plan import (
    CustomerPlan,
    champion_study,
    is_comparable,
    with_version,
)
from orchestrator.pipeline.study_flow import Searching
from orchestrator.records import (
    Customer,
    Decision,
    Evaluation,
    PassedOver,
    State,
    Study,
    Trial,
    TrialResult,
)
from orchestrator.selection import decide, pareto_front, same_candidate
from orchestrator.settings import ExperimentSettings
from orchestrator.training.data import DataError
from orchestrator.training.fingerprint import Fingerprints

_NO_TRIAL = -1
"""The trial number of a study that failed as a whole. The numbers of its trials stay free, so that
they can be recorded if a resumed flow run tries the study again."""


def _data_key(study: Study) -> str:  # noqa: ARG001 - a key's arguments are the task's, by name
    return "data"  # one per customer, under the customer's own key


_RUNNERS_UP = 4
"""The most runners-up kept for a customer until its champion is delivered."""

_OF_A_MODEL = 2


@task(key=_data_key, cache=False)
def read_version(study: Study) -> str:
    """Load a customer's data on a worker, and return a hash of it."""
    # joblib and scikit-learn are imported on the workers only
    from orchestrator.training.versions import loaded_version

    return loaded_version(study)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerResult:
    """The result of the flow for one customer.

    Attributes:
        decision: The decision on which model to serve.
        unfinished: A failed result for every study that could not be run to its end.
        runners_up: The decisions to use if that model cannot be deployed, the best first.
        barred: The candidates left out because they could not be deployed before.
        front: With several objectives: whether each trial is on the Pareto front, by MLflow run;
            empty if nothing new was tried.
    """

    decision: Decision
    unfinished: tuple[TrialResult, ...] = ()
    runners_up: tuple[Decision, ...] = ()
    barred: tuple[PassedOver, ...] = ()
    front: Mapping[str, bool] = field(default_factory=dict)


class CustomerFlow:
    """Decides which model to serve to each customer.

    Args:
        experiment: The settings by which candidates are searched and compared.
        flow_run: The flow run's id.
        fingerprints: Gives studies the hashes that identify their results.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: Results of earlier generations of the studies, by the study's key.
    """

    def __init__(
        self,
        experiment: ExperimentSettings,
        *,
        flow_run: str,
        fingerprints: Fingerprints,
        to_spread: Collection[str] = (),
        carried: Carried | None = None,
    ) -> None:
        self._experiment, self._flow_run = experiment, flow_run
        self._fingerprints = fingerprints
        self._search = Searching(experiment, to_spread, carried)
        self._read_version = read_version.options(timeout=experiment.study_timeout)

    async def choice_for(self, work: CustomerPlan) -> CustomerResult:
        """Evaluate a customer's studies and decide what to serve.

        Raises:
            DataError: The version of its data cannot be determined.
            Skip: There was no time to start any of its studies.
        """
        if work.problem:
            raise DataError(work.problem)
        studies = await self._with_version(work.studies)
        evaluated = await self._search.outcomes_of(studies)
        results, unfinished = _at_todays_cost(evaluated), _unfinished(evaluated)
        if not results and not unfinished:
            _skip_if_skipped(evaluated)
        incumbent = scored_already(work, results, self._fingerprints)
        if incumbent is None and work.champion is not None and results:
            study = champion_study(studies, work.champion, self._fingerprints)
            rescored = await self._search.rescored(study)
            incumbent = next(iter(rescored.value or ()), None)
            if incumbent is None:
                unscored = _unfinished([(study, rescored)])
                kept = _as_it_is(self._flow_run, work.customer, work.champion, unscored)
                return CustomerResult(decision=kept, unfinished=unfinished + unscored)
        barred = barred_among(work, results)
        left = without(results, {each.run_id for each in barred})
        decision = self._decide(work, [*left, *unfinished], incumbent)
        if barred and not left:
            reason = f"no candidate can be deployed: {barred[0].reason}"
            decision = replace(decision, reason=reason)
        return CustomerResult(
            decision=decision,
            unfinished=unfinished,
            runners_up=tuple(self._runners_up(work, left, incumbent, decision)),
            barred=barred,
            front=_front(results, evaluated, self._experiment.evaluation),
        )

    async def _with_version(self, studies: tuple[Study, ...]) -> tuple[Study, ...]:
        """The studies with the version of their data, which a worker loads if that is needed."""
        if not studies or studies[0].data_version:
            return studies
        versions = await self._read_version.expand(study=studies[:1])
        return with_version(studies, next(iter(versions), ""), self._fingerprints)

    def _runners_up(
        self,
        work: CustomerPlan,
        results: Sequence[TrialResult],
        incumbent: TrialResult | None,
        decision: Decision,
    ) -> Iterator[Decision]:
        """The decisions without the best candidate, without the two best, and so on.

        At most two candidates per model: if one cannot be deployed, others of its model rarely can.
        """
        taken: Counter[str] = Counter()
        tried: set[str] = set()
        while decision.promote and decision.best is not None and len(tried) <= _RUNNERS_UP:
            best = decision.best.trial
            if best.run_id in tried:
                return  # the champion, fitted on new data: no other candidate beats it
            if tried:
                yield decision
            tried.add(best.run_id)
            taken[best.study.model.id] += 1
            full = {name for name, number in taken.items() if number >= _OF_A_MODEL}
            left = [r for r in without(results, tried) if r.trial.study.model.id not in full]
            if not left:
                return
            decision = self._decide(work, left, incumbent)

    def _decide(
        self, work: CustomerPlan, results: Sequence[TrialResult], incumbent: TrialResult | None
    ) -> Decision:
        return decide(
            self._flow_run,
            work.customer,
            results,
            incumbent,
            evaluation=self._experiment.evaluation,
            gate=self._experiment.gate,
            deployed_data=work.champion.result.data_version if work.champion else "",
            deployed_code=work.deployed_code,
        )


def _skip_if_skipped(evaluated: Sequence[tuple[Study, Outcome]]) -> None:
    for _, outcome in evaluated:
        if outcome.state is State.SKIPPED:
            raise Skip(outcome.error)


def scored_already(
    work: CustomerPlan, results: Sequence[TrialResult], fingerprints: Fingerprints
) -> TrialResult | None:
    """The champion's score on today's folds, if it is known without another fit; else None.

    It is known if the champion is among the candidates, or if neither the data, the code nor the
    evaluation has changed since it was scored.
    """
    if work.champion is None:
        return None
    champion = work.champion.result
    for result in results:
        if same_candidate(result, champion):
            return result
    versions = {result.data_version for result in results}
    version = versions.pop() if len(versions) == 1 else ""
    if version and is_comparable(champion, work.studies[0], version, fingerprints):
        return champion
    return None


def without(results: Sequence[TrialResult], run_ids: Collection[str]) -> list[TrialResult]:
    """The results except those of the given runs."""
    return [result for result in results if result.trial.run_id not in run_ids]


def barred_among(work: CustomerPlan, results: Sequence[TrialResult]) -> tuple[PassedOver, ...]:
    """The candidates that could not be deployed before and whose recorded results are reused."""
    if not work.passed_over:
        return ()
    run_ids = {result.trial.run_id for result in results}
    return tuple(each for each in work.passed_over if each.run_id in run_ids)


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
    """All results; those recorded earlier get the cost that the registry lists now."""
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
    """The decision to keep serving the champion, since no candidate can be compared with it."""
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
    """A failed result for each study that failed as a whole, so that MLflow shows it."""
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
