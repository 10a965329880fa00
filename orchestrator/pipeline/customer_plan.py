"""The plan of the work: snapshot -> one `CustomerPlan` per customer.

Touches no library itself; asks for the versions of the customers' data and is pure otherwise;
takes the snapshot and the current champions; runs on the driver.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.ledger import Champion
from orchestrator.pipeline.carry_over import WarmStarts
from orchestrator.pipeline.resolution import Resolved
from orchestrator.records import (
    Customer,
    ModelSpec,
    PassedOver,
    Search,
    Snapshot,
    Study,
    TrialResult,
)
from orchestrator.search import find_strategy
from orchestrator.search.spaces import point_of
from orchestrator.settings import ExperimentSettings
from orchestrator.training.fingerprint import Fingerprints, data_part
from orchestrator.training.versions import data_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerPlan:
    """The work of one flow run for one customer.

    Attributes:
        id: The customer's id, which is the instance's key.
        customer: The customer, with its row of the registry.
        studies: One study for each model that is meant for this customer.
        champion: The customer's current champion; None without one.
        passed_over: Candidates that could not be deployed at their last attempt.
        problem: The reason why the work cannot be determined, and nothing is done; "" otherwise.
    """

    id: str
    customer: Customer
    studies: tuple[Study, ...]
    champion: Champion | None
    passed_over: tuple[PassedOver, ...] = ()
    problem: str = ""

    @property
    def deployed_code(self) -> str:
        """The hash of the project's code that the champion was fitted with; "" when unknown."""
        if self.champion is None:
            return ""
        return self.champion.result.trial.study.follows_from.get("code", "")


def plan_work(
    resolved: Resolved,
    snapshot: Snapshot,
    champions: Mapping[str, Champion],
    flow_run: str,
    *,
    passed_over: Mapping[str, Sequence[PassedOver]] | None = None,
) -> tuple[CustomerPlan, ...]:
    """Return one plan for every active customer; paused customers keep their champions.

    Args:
        resolved: The experiment, with everything it names.
        snapshot: The customers and models that the registry listed.
        champions: The current champions, by customer.
        flow_run: The flow run the studies belong to.
        passed_over: The candidates that could not be deployed before, by customer.
    """
    experiment, fingerprints = resolved.experiment, resolved.fingerprints
    active = [customer for customer in snapshot.customers if customer.active]
    warm_starts = WarmStarts(champions)
    versions = data_versions(
        resolved.loader,
        active,
        experiment.addresses,
        experiment.versions,
    )
    return tuple(
        CustomerPlan(
            id=customer.id,
            customer=customer,
            studies=tuple(
                fingerprints.of(warm_starts.of(study), data)
                for study in _studies(experiment, snapshot, customer, flow_run, version.text)
                if not version.problem
            ),
            champion=champions.get(customer.id),
            passed_over=tuple((passed_over or {}).get(customer.id, ())),
            problem=version.problem,
        )
        for customer, version in zip(active, versions, strict=True)
        for data in [data_part(customer, version.text)]
    )


def _studies(
    experiment: ExperimentSettings,
    snapshot: Snapshot,
    customer: Customer,
    flow_run: str,
    version: str,
) -> Iterator[Study]:
    return (
        Study(
            flow_run=flow_run,
            snapshot=snapshot.id,
            customer=customer,
            model=model,
            evaluation=experiment.evaluation,
            search=experiment.search,
            data_version=version,
        )
        for model in snapshot.models
        if is_meant_for(model, customer)
    )


def as_ended(work: Sequence[CustomerPlan], ended: Mapping[str, Study]) -> tuple[CustomerPlan, ...]:
    """The work of a resumed flow run, in which studies that ended keep their recorded version.

    Otherwise a study with new data or new code would be run again, and its trials, which have the
    same names, could not be recorded. A data version found by a worker is recorded like any other
    result, so it has not changed.
    """
    return tuple(
        replace(piece, studies=tuple(_as_ended(study, ended) for study in piece.studies))
        for piece in work
    )


def outdated(work: Sequence[CustomerPlan], ended: Mapping[str, Study]) -> Iterator[str]:
    """The customers whose data changed after some of their studies had ended."""
    for piece in work:
        for study in piece.studies:
            before = ended.get(study.key)
            if before is not None and before.data_version != study.data_version != "":
                yield piece.id
                break


def recoded(work: Sequence[CustomerPlan], ended: Mapping[str, Study]) -> Iterator[str]:
    """The keys of studies that ended with code that has changed since."""
    for piece in work:
        for study in piece.studies:
            before = ended.get(study.key)
            if before is not None and before.follows_from.get("code") != study.follows_from["code"]:
                yield study.key


def _as_ended(study: Study, ended: Mapping[str, Study]) -> Study:
    before = ended.get(study.key)
    if before is None or not study.data_version or before.fingerprint == study.fingerprint:
        return study
    return before


def with_version(
    studies: Sequence[Study], version: str, fingerprints: Fingerprints
) -> tuple[Study, ...]:
    """The studies of one customer with the version of its data, and with new fingerprints."""
    return tuple(
        fingerprints.of(replace(study, data_version=version), data_part(study.customer, version))
        for study in studies
    )


def is_meant_for(model: ModelSpec, customer: Customer) -> bool:
    """Whether the model's selector picks the customer by its tags; rows are counted later."""
    return set(model.when.tags) <= set(customer.tags)


def champion_study(
    studies: Sequence[Study], champion: Champion, fingerprints: Fingerprints
) -> Study:
    """The study of one trial that scores the current champion on today's folds.

    It is needed if the champion is no longer among the candidates because its model has left the
    registry or its grid has changed.
    """
    trial, first = champion.result.trial, studies[0]
    study = replace(
        first,
        model=_fixed(trial.study.model, trial.params),
        search=Search(),
        first=(),
        champion=True,
    )
    return fingerprints.of(study, first.follows_from["data"])


def _fixed(model: ModelSpec, params: Mapping[str, object]) -> ModelSpec:
    """The model with a grid of one point, the champion's parameters."""
    return ModelSpec(
        id=model.id,
        steps=model.steps,
        params=model.params,
        grid=({name: (value,) for name, value in params.items()},) if params else (),
        cost=model.cost,
    )


def rescoring(work: CustomerPlan, fingerprints: Fingerprints) -> Study | None:
    """The study that scores the customer's champion on today's folds; None if none is needed."""
    if work.champion is None or not work.studies:
        return None
    champion = work.champion.result
    if any(_will_try(study, champion) for study in work.studies):
        return None
    if is_comparable(champion, work.studies[0], work.studies[0].data_version, fingerprints):
        return None
    return champion_study(work.studies, work.champion, fingerprints)


def is_comparable(
    champion: TrialResult, study: Study, data_version: str, fingerprints: Fingerprints
) -> bool:
    """Whether neither data, code nor evaluation has changed since a champion was scored.

    Args:
        champion: The champion's recorded result.
        study: Any of today's studies of its customer.
        data_version: The version of the customer's data today; "" if it is known only by loading.
        fingerprints: Give the hash of today's code.
    """
    scored = champion.trial.study
    if not data_version or data_version != champion.data_version:
        return False
    if study.evaluation != scored.evaluation:
        return False
    code = scored.follows_from.get("code", "")  # "" in a ledger of an earlier version
    return not code or code == fingerprints.code_of(scored.model)


def _will_try(study: Study, champion: TrialResult) -> bool:
    """Whether the study is certain to try exactly the champion's parameters.

    A model is left out if there are too few rows, and a sampling strategy may miss this point.
    """
    listed, served = study.model, champion.trial.study.model
    if (listed.steps, listed.params) != (served.steps, served.params) or listed.when.min_rows:
        return False
    params = dict(champion.trial.params)
    if any(dict(first) == params for first in study.first):
        return True
    tries_all = find_strategy(study.search).traits.is_exhaustive
    return tries_all and point_of(study.grid, params) is not None
