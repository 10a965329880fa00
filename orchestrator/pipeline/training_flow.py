"""The training flow: map, reduce, map, reduce.

    choose [customers]      one coordinator per customer, on the driver
      read_version          on a worker, if the version of the data is known only by loading it
      evaluate [studies]    on workers: every candidate of a model, on the same folds; or one
                            task per trial (`study_flow`)
    publish                 the reduce: records the promotions and orders their models
    deliver [promotions]    one coordinator per promotion, on the driver (`delivery`)
      refit                 on workers: fits the winner on all rows and writes its files
    deploy                  the reduce: versions and aliases of the delivered models

Meanwhile `BackgroundSync` sends trials to MLflow soon after they are recorded. If MLflow fails,
`publish` or `deploy` fails; by then the ledger has everything that MLflow lacks.

Touches no library itself; takes `CustomerPlan` and an `Outbox`; gives the promotions made; runs on
the driver, except where it says "on workers".
"""

from collections.abc import Collection, Sequence

from orchestrator.mapping import Flow, Outcomes, flow, task
from orchestrator.pipeline.carry_over import Carried
from orchestrator.pipeline.customer_flow import CustomerFlow, CustomerResult
from orchestrator.pipeline.customer_plan import CustomerPlan
from orchestrator.pipeline.study_flow import STUDIES
from orchestrator.promotion.delivery import Delivery
from orchestrator.promotion.delivery_flow import delivered
from orchestrator.promotion.dispatch import Dispatch
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.refit_orders import Order
from orchestrator.records import InstanceRecord, Promotion, State, TrialResult
from orchestrator.settings import ExperimentSettings
from orchestrator.training.fingerprint import Fingerprints


def training_flow(
    experiment: ExperimentSettings,
    work: Sequence[CustomerPlan],
    outbox: Outbox,
    dispatch: Dispatch,
    delivery: Delivery,
    *,
    flow_run: str,
    fingerprints: Fingerprints,
    to_spread: Collection[str] = (),
    carried: Carried | None = None,
    lost: Sequence[Promotion] = (),
) -> Flow:
    """The flow of one flow run; it closes over the snapshot and plans of that run.

    Args:
        experiment: The settings by which candidates are searched and compared.
        work: One plan per customer.
        outbox: Records promotions in the ledger and writes them to MLflow.
        dispatch: Orders models, and records the results of the orders.
        delivery: Carries out the orders.
        flow_run: The flow run's id.
        fingerprints: Gives studies the hashes that identify their results.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: Results of earlier generations of the studies, by the study's key.
        lost: Champions whose files are gone, to be written again unless they are replaced.
    """
    choosing = CustomerFlow(
        experiment,
        flow_run=flow_run,
        fingerprints=fingerprints,
        to_spread=to_spread,
        carried=carried,
    )

    @task
    async def choose(work: CustomerPlan) -> CustomerResult:
        """Evaluate a customer's studies and decide what to serve."""
        return await choosing.choice_for(work)

    # Never cached: the outbox works from the ledger, which may have changed since.
    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def publish(choices: Outcomes) -> list[Order]:
        """Record the promotions, and return the orders for the models to fit and write."""
        chosen: Sequence[CustomerResult] = choices
        outbox.keep_fronts([choice.front for choice in chosen])
        under_way = outbox.intend(
            [choice.decision for choice in chosen],
            {choice.decision.customer.id: choice.barred for choice in chosen},
        )
        replaced = {promotion.decision.customer.id for promotion in under_way}
        again = [each for each in lost if each.decision.customer.id not in replaced]
        ordered = dispatch.orders(
            [*under_way, *again],
            {choice.decision.customer.id: choice.runners_up for choice in chosen},
        )
        return [*ordered, *dispatch.delivered(flow_run, besides=ordered)]

    @flow(name=experiment.name)
    def train() -> object:
        choices = choose.expand(work=work)
        return choices, delivered(publish(choices), outbox, dispatch, delivery)

    return train


def trials_of(instance: InstanceRecord) -> Sequence[TrialResult]:
    """The trials that an instance of the training flow returned, for the ledger."""
    if isinstance(instance.value, CustomerResult):
        return instance.value.unfinished
    if instance.state is State.SUCCESS and instance.node.startswith(STUDIES):
        results: Sequence[TrialResult] = instance.value
        return results
    return ()
