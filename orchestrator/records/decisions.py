"""What is served, and why: `Decision` -> `Promotion`.

Touches no library; driver and workers. All times are seconds since the epoch.
"""

from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One change of one customer's champion: the decision, and where its model stands.

    It is intended first, then its model's files are written, then it is deployed and confirmed.

    Attributes:
        decision: Why; its `best` is what is deployed.
        run_id: MLflow's id of the run of the deployed trial.
        source: The address of the model's files; "" until they are written.
        at: When it was intended.
        model_name: MLflow's registered model; "" until it is deployed.
        version: Its version there; "" until it is deployed.
        previous_version: The version that was champion before, if any.
    """

    decision: Decision
    run_id: str
    source: str
    at: float
    model_name: str = ""
    version: str = ""
    previous_version: str | None = None
