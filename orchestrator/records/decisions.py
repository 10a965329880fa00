"""What is served, and why: `Decision` -> `Promotion`.

Touches no library; driver and workers. All times are seconds since the epoch.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.records.lists import Customer
from orchestrator.records.studies import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to serve for one customer.

    Attributes:
        flow_run: The flow run that decided.
        customer: Whom for.
        best: The best trial of this flow run, None when none succeeded.
        incumbent: The present champion on the same folds, None when there is none.
        promote: Whether `best` replaces the incumbent.
        reason: One sentence for people.
    """

    flow_run: str
    customer: Customer
    best: TrialResult | None
    incumbent: TrialResult | None
    promote: bool
    reason: str


class PromotionState(StrEnum):
    """The states of a promotion, in order; `withdrawn` is the other end."""

    INTENDED = "intended"
    """Decided; its model is still to be fitted and written."""
    READY = "ready"
    """Its model is written, and was read back and asked by another process."""
    CONFIRMED = "confirmed"
    """Its alias was moved."""
    WITHDRAWN = "withdrawn"
    """No candidate could be deployed: what served before serves on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a model: its path in the model's folder, its size in bytes, and its checksum."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A candidate that was to be served and could not be.

    Attributes:
        run_id: MLflow's id of its trial, which another trial of the same point does not have.
        trial: The key of its trial.
        reason: Why it could not be deployed, in one line.
        rules: The rules it could not be deployed under; under others it is tried again.
    """

    run_id: str
    trial: str
    reason: str
    rules: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of one customer's champion: the decision, and where its model stands.

    Attributes:
        decision: Why; its `best` is what is deployed.
        run_id: MLflow's id of the run of the deployed trial.
        source: The address of the model's files; "" until they are written and read back.
        at: When it was intended.
        state: How far it has come.
        files: The model's files, as they were written.
        passed_over: The better candidates that could not be deployed, the best first.
        model_name: MLflow's registered model; "" until it is deployed.
        version: Its version there; "" until it is deployed.
        previous_version: The version that was champion before, if any.
    """

    decision: Decision
    run_id: str
    source: str
    at: float
    state: PromotionState = PromotionState.INTENDED
    files: tuple[StoredFile, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    model_name: str = ""
    version: str = ""
    previous_version: str | None = None
