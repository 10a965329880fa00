"""The training flow: map, reduce, map, reduce.

    choose [customers]      a coordinator a customer, on the driver
      read_version          on a worker, where only loading the data tells its version
      evaluate [studies]    on workers: every candidate of a model, on the same folds; or as
                            many tasks as it has trials (`study_flow`)
    publish                 the reduce: writes down who is promoted; orders the models
    deliver [promotions]    a coordinator a promotion, on the driver (`delivery`)
      refit                 on workers: fits the winner on all rows and writes its files
    deploy                  the reduce: versions and aliases of what was delivered

Beside it a courier sends MLflow the trials as they are recorded. Where MLflow fails, `publish` or
`deploy` does; by then all it lacks is in the ledger.

Touches no library itself; takes `CustomerPlan` and a `Outbox`; gives the promotions made.
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
    """The flow of one flow run; it closes over what was fetched when the run started.

    Args:
        experiment: How candidates are compared.
        work: One entry a customer.
        outbox: Where the driver writes.
        dispatch: Orders models.
        delivery: Delivers them.
        flow_run: Its id.
        fingerprints: What gives studies the hashes their results are known by.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: What is known of studies from an earlier generation.
        lost: Champions whose files are gone, to be written again unless another takes their place.
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

    # What the desk has to do follows from the ledger, which may have changed since.
    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def publish(choices: Outcomes) -> list[Order]:
        """Write down who is promoted, and say which models are to be fitted, and where to."""
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
    """The trials in what an instance of the training flow returned, for the ledger."""
    if isinstance(instance.value, CustomerResult):
        return instance.value.unfinished
    if instance.state is State.SUCCESS and instance.node.startswith(STUDIES):
        results: Sequence[TrialResult] = instance.value
        return results
    return ()
