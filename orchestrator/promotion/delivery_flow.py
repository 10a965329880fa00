"""The part of a flow that delivers champions one by one and deploys them all together.

The training flow ends with it; a sync runs it alone.

Touches no library itself; takes orders; deploys champions; runs on the driver.
"""

from collections.abc import Sequence

from orchestrator.mapping import Fail, Flow, Outcomes, flow, task
from orchestrator.promotion.delivery import Delivery
from orchestrator.promotion.dispatch import Dispatch
from orchestrator.promotion.outbox import Outbox
from orchestrator.promotion.refit_orders import Order


def delivering_flow(
    orders: Sequence[Order], outbox: Outbox, dispatch: Dispatch, delivery: Delivery
) -> Flow:
    """Return the flow of a sync, which delivers the models that earlier flow runs did not."""

    @flow
    def delivering() -> object:
        return delivered(orders, outbox, dispatch, delivery)

    return delivering


def delivered(orders: object, outbox: Outbox, dispatch: Dispatch, delivery: Delivery) -> object:
    """Add the part that both flows share: deliver champions one by one, deploy all together."""

    @task
    async def deliver(order: Order) -> None:
        """Have a champion fitted, written and read back."""
        await delivery.carry_out(order)

    @task(runs_on="driver", trigger_rule="all_done", cache="never")
    def deploy(delivered: Outcomes) -> None:
        """Make the models that are ready their customers' champions."""
        dispatch.write_down()
        outbox.deploy()
        if delivered.failed:
            first = delivered.failed[0]
            raise Fail(f"{len(delivered.failed)} champions were not delivered, such as {first.key}")

    return deploy(deliver.expand(order=orders))
