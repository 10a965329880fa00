"""The seam through which champions are served: what is deployed, and what comes of it.

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
    """MLflow aliases; `models:/<name>@champion` is what users load."""

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
        run_id: MLflow's id of the run it comes from.
        source: The address of its model files.
        tags: Tags of its version, e.g. the model's id and its score.
    """

    customer: str
    run_id: str
    source: str
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """A customer's registered model as it stands.

    Attributes:
        customer: The customer's true id.
        model_name: Its registered model.
        version: The version with the alias `champion`.
        previous_version: The version with the alias `previous`, None when there was none.
        state: Whether the customer is still served on purpose.
    """

    customer: str
    model_name: str
    version: str
    previous_version: str | None
    state: ModelState


class Deployer(Protocol):
    """Registers champions of one experiment.

    The contract: every method may be called again after a failure, with the same or more: a version
    with the same run is found and used, an alias that already points there stays, and `previous`
    keeps pointing to the champion before. An alias moves only to a version that exists. Nothing but
    what is to be forgotten is ever deleted. Whatever MLflow or its database raises becomes a
    `MachineryError`.
    """

    def claim(self) -> None:
        """Be the one who moves aliases, until another deployer of the experiment claims that.

        Who may claim is not known here: make sure of the lease afterwards, before deploying.
        """
        ...

    def deploy(self, challengers: Sequence[Challenger]) -> Sequence[Deployed]:
        """Make the challengers the champions of their customers.

        Returns:
            One for each challenger, in the same order.

        Raises:
            ClaimLostError: This deployer has claimed, and another one since then: whatever that
                one deploys stays. A deployer that has never claimed is not refused.
            UsageError: A customer has two challengers, or a model's name is taken by another
                experiment or customer.
        """
        ...

    def retire(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that left the registry; they stay loadable.

        Returns:
            The customers that have no model.
        """
        ...

    def restore(self, customers: Sequence[str]) -> frozenset[str]:
        """Mark the models of customers that came back; gives the customers that have no model."""
        ...

    def champions(self) -> Mapping[str, Deployed]:
        """What is deployed, by customer; not a model whose tag `customer` somebody deleted."""
        ...

    def versions(self) -> Mapping[tuple[str, str], str]:
        """By registered model and version, MLflow's id of the run that each version is of."""
        ...

    def forget(self, customer: str) -> bool:
        """Delete a customer's registered model with all its versions; whether there was one."""
        ...


def model_tags(experiment: str, customer: str) -> dict[str, str]:
    """The tags of a customer's registered model."""
    return {"experiment": experiment, "customer": customer, "state": ModelState.LIVE}


def state_of(tags: Mapping[str, str]) -> ModelState:
    """A model is live unless its tags say otherwise; people may have deleted or changed them."""
    return ModelState.RETIRED if tags.get("state") == ModelState.RETIRED else ModelState.LIVE


def check_one_each(challengers: Sequence[Challenger]) -> None:
    """Refuse two challengers for one customer: only one of them can become its champion.

    Raises:
        UsageError: It names the customer.
    """
    often = Counter(each.customer for each in challengers)
    for customer, count in often.items():
        if count > 1:
            raise UsageError(f"customer {customer!r} has {count} challengers; deploy one of them")


def check_owner(name: str, tags: Mapping[str, str], experiment: str, customer: str) -> None:
    """Refuse a registered model that is not this customer's.

    Experiment `a` with customer `b-c` and experiment `a-b` with customer `c` want the same name;
    so may a model that somebody registered by hand.

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
