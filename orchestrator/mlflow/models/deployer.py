"""The seam through which champions are registered: the challengers, and the deployed models.

Touches no library; takes `Challenger`; gives `Deployed`; runs on the driver, one writer at a time
(law 5).

A registered model carries the tags `experiment`, `customer` (the true id) and `state`, which is
always there because MLflow's `!=` finds only models that have the tag.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from orchestrator.errors import UsageError


class Alias(StrEnum):
    """MLflow's aliases; users load `models:/<name>@champion`."""

    CHAMPION = "champion"
    PREVIOUS = "previous"


class ModelState(StrEnum):
    """Whether the registry still lists a registered model's customer (law 7)."""

    LIVE = "live"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger:
    """A model that is to become a customer's champion.

    Attributes:
        customer: The customer's true id.
        run_id: MLflow's id of the run that the model comes from.
        source: The address of its model files.
        tags: Tags of its version, e.g. the model's id and its score.
    """

    customer: str
    run_id: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """The current state of a customer's registered model.

    Attributes:
        customer: The customer's true id.
        model_name: The name of the registered model.
        version: The version with the alias `champion`.
        previous_version: The version with the alias `previous`; None if no version has it.
        state: Whether the registry still lists the customer.
    """

    customer: str
    model_name: str
    version: str
    previous_version: str | None
    state: ModelState


class Deployer(Protocol):
    """The seam that registers the champions of one experiment.

    The contract: every method may be called again after a failure, with the same arguments or more:
    an existing version with the same run is reused, an alias that already points there stays, and
    `previous` keeps pointing to the previous champion. An alias moves only to a version that
    exists. Only `forget` deletes anything. Every exception of MLflow or its database becomes a
    `MachineryError`.
    """

    def claim(self) -> None:
        """Claim the right to move aliases, until another deployer of the experiment claims it.

        The deployer does not know which driver may claim: after the claim and before deploying, the
        caller checks that it still holds the lease.
        """
        ...

    def deploy(self, challengers: Sequence[Challenger]) -> Sequence[Deployed]:
        """Make the challengers the champions of their customers.

        Returns:
            The deployed model of each challenger, in the same order.

        Raises:
            ClaimLostError: Another deployer has claimed the aliases since this one did; what the
                other deploys stays. A deployer that has never claimed is not refused.
            UsageError: A customer has two challengers, or another experiment or customer has a
                model of the same name.
        """
        ...

    def retire(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that left the registry; they stay loadable.

        Returns:
            The customers that have no model.
        """
        ...

    def restore(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that came back; return the customers without a model."""
        ...

    def champions(self) -> Mapping[str, Deployed]:
        """Return the deployed champions by customer; skip models without the tag `customer`."""
        ...

    def versions(self) -> Mapping[tuple[str, str], str]:
        """Return MLflow's id of each version's run, by registered model and version."""
        ...

    def forget(self, customer: str) -> bool:
        """Delete a customer's registered model with all its versions; return whether it existed."""
        ...


def model_tags(experiment: str, customer: str) -> dict[str, str]:
    """Return the tags of a customer's registered model."""
    return {"experiment": experiment, "customer": customer, "state": ModelState.LIVE}


def state_of(tags: Mapping[str, str]) -> ModelState:
    """Return a model's state: live unless its tags, which users may have changed, say retired."""
    return ModelState.RETIRED if tags.get("state") == ModelState.RETIRED else ModelState.LIVE


def check_one_each(challengers: Sequence[Challenger]) -> None:
    """Refuse two challengers for one customer: only one of them can become its champion.

    Raises:
        UsageError: A customer has several challengers; the message names the customer.
    """
    often = Counter(each.customer for each in challengers)
    for customer, count in often.items():
        if count > 1:
            raise UsageError(f"customer {customer!r} has {count} challengers; deploy one of them")


def check_owner(name: str, tags: Mapping[str, str], experiment: str, customer: str) -> None:
    """Refuse a registered model that does not belong to this customer.

    Every customer of every experiment has its own name, but a user may have registered a model of
    that name by hand.

    Raises:
        UsageError: Its tags name another experiment or customer, or none.
    """
    owner = (tags.get("experiment"), tags.get("customer"))
    if owner != (experiment, customer):
        taken = (
            f"experiment {owner[0]!r}, customer {owner[1]!r}" if any(owner) else "an unknown owner"
        )
        raise UsageError(
            f"customer {customer!r}: the registered model {name!r} already belongs to {taken}; "
            f"rename that model in MLflow, or give experiment {experiment!r} another name"
        )
