"""Decisions on served models, and their promotion: `Decision` -> `Promotion`.

Touches no library; driver and workers. All times are seconds since the epoch.
"""

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.records.lists import Customer
from orchestrator.records.studies import TrialResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The model to serve for one customer.

    Attributes:
        flow_run: The flow run that decided.
        customer: The customer's id.
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
    """The states of a promotion: one leads to the next, and any of the first two to `failed`."""

    INTENDED = "intended"
    """Decided; its model is still to be fitted and written."""
    WRITTEN = "written"
    """Its model is written, and another process read it back and compared its predictions."""
    DEPLOYED = "deployed"
    """Its alias was moved."""
    FAILED = "failed"
    """No candidate could be deployed: the champion before still serves."""
    ROLLED_BACK = "rolled_back"
    """It was deployed, and the champion before serves again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """A file of a model: its path in the model's folder, its size in bytes, and its checksum."""

    path: str
    size: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenModel:
    """A model's files: the address of their folder, and each as written.

    Attributes:
        source: The address.
        files: The files; empty where an earlier version of this program wrote them.
    """

    source: str
    files: tuple[StoredFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployedVersion:
    """A version of a registered model of MLflow that was made a champion.

    Attributes:
        model_name: The registered model.
        version: The version.
        previous_version: The version that was champion before; None where there was none.
    """

    model_name: str
    version: str
    previous_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A candidate that was chosen but could not be deployed.

    Attributes:
        run_id: MLflow's id of its trial, which another trial of the same point does not have.
        trial: The key of its trial.
        reason: The reason why it could not be deployed, in one line.
        rules: The rules under which it could not be deployed; under others it is tried again.
    """

    run_id: str
    trial: str
    reason: str
    rules: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of one customer's champion: the decision, and the state of its model.

    Attributes:
        decision: The decision behind it; its `best` is deployed.
        run_id: MLflow's id of the run of the deployed trial.
        at: The time it was intended.
        state: Its state.
        model: Its model's files; None until they are written and read back.
        deployed: Its version in MLflow; None until it is deployed.
        passed_over: The better candidates that could not be deployed, the best first.
    """

    decision: Decision
    run_id: str
    at: float
    state: PromotionState = PromotionState.INTENDED
    model: WrittenModel | None = None
    deployed: DeployedVersion | None = None
    passed_over: tuple[PassedOver, ...] = ()

    @property
    def written_model(self) -> WrittenModel:
        """Its model's files.

        Raises:
            ValueError: They are not written yet.
        """
        if self.model is None:
            raise ValueError(f"{self._title}: its model is not written, but {self.state}")
        return self.model

    @property
    def deployed_version(self) -> DeployedVersion:
        """Its version in MLflow.

        Raises:
            ValueError: It is not deployed yet.
        """
        if self.deployed is None:
            raise ValueError(f"{self._title}: it is not deployed, but {self.state}")
        return self.deployed

    @property
    def _title(self) -> str:
        decision = self.decision
        return f"promotion of {decision.customer.id!r} in flow run {decision.flow_run}"
