"""What is to be done: snapshot -> one piece of `Work` a customer.

Touches no library; pure; takes the snapshot and the present champions; runs on the driver.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.experiment.settings import Experiment
from orchestrator.ledger import Champion
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Snapshot, Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one flow run does for one customer.

    Attributes:
        id: The customer's id, which is the instance's key.
        customer: Whom for.
        studies: One a model that is meant for this customer.
        champion: What serves the customer now; None without one.
    """

    id: str
    customer: Customer
    studies: tuple[Study, ...]
    champion: Champion | None


def plan_work(
    experiment: Experiment,
    snapshot: Snapshot,
    champions: Mapping[str, Champion],
    flow_run: str,
) -> tuple[Work, ...]:
    """One piece of work for every active customer; paused ones keep what serves them.

    Args:
        experiment: How candidates are compared and searched.
        snapshot: Which customers and models there are.
        champions: What serves now, by customer.
        flow_run: The flow run the studies belong to.
    """
    return tuple(
        Work(
            id=customer.id,
            customer=customer,
            studies=tuple(
                Study(
                    flow_run=flow_run,
                    snapshot=snapshot.id,
                    customer=customer,
                    model=model,
                    evaluation=experiment.evaluation,
                    search=experiment.search,
                )
                for model in snapshot.models
                if is_meant_for(model, customer)
            ),
            champion=champions.get(customer.id),
        )
        for customer in snapshot.customers
        if customer.active
    )


def is_meant_for(model: ModelSpec, customer: Customer) -> bool:
    """Whether the model's selector picks the customer by its tags; rows are counted later."""
    return set(model.when.tags) <= set(customer.tags)


def champion_study(work: Work, champion: Champion, evaluation: Evaluation) -> Study:
    """The study of one trial that scores the present champion on today's folds.

    It is needed when the champion is no longer among the candidates: its model has left the
    registry, or its grid has changed.
    """
    trial = champion.result.trial
    first = work.studies[0]
    return Study(
        flow_run=first.flow_run,
        snapshot=first.snapshot,
        customer=work.customer,
        model=_fixed(trial.study.model, trial.params),
        evaluation=evaluation,
        search=Search(),
        champion=True,
    )


def _fixed(model: ModelSpec, params: Mapping[str, object]) -> ModelSpec:
    """The model with a grid of the one point that the champion is."""
    return ModelSpec(
        id=model.id,
        steps=model.steps,
        params=model.params,
        grid=({name: (value,) for name, value in params.items()},) if params else (),
        cost=model.cost,
    )
