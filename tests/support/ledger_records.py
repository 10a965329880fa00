"""Small builders of the records the ledger's tests write."""

from typing import Any

from orchestrator.records import (
    Customer,
    Decision,
    DeployedVersion,
    Evaluation,
    ModelSpec,
    Promotion,
    PromotionState,
    Rejected,
    Snapshot,
    Step,
    Study,
    Trial,
    TrialResult,
    WrittenModel,
)
from orchestrator.testing.recorders import flow_run, instance  # noqa: F401 - tests take them here

AUC = Evaluation(loader="somewhere:load")
LOSS = Evaluation(loader="somewhere:load", metrics=("loss",), metric="loss", direction="minimize")


def model(name="tree", **fields) -> ModelSpec:
    return ModelSpec(id=name, steps=(Step(name=name, estimator=f"pkg:{name}"),), **fields)


def snapshot(*customers, models=(), at=1.0, bad=(), name=None) -> Snapshot:
    """A snapshot of customers (ids or records); `bad` are ids of customers set aside."""
    rows = tuple(c if isinstance(c, Customer) else Customer(id=c) for c in customers)
    rejected = tuple(Rejected(kind="customer", row=0, id=key, reason="no data") for key in bad)
    return Snapshot(
        id=name or f"at-{at}",
        models=tuple(models),
        customers=rows,
        rejected=rejected,
        source="registry.yaml",
        fetched=at,
    )


def result(customer="acme", name="tree", *, number=0, score=0.8, of="run-1", **fields):
    """A trial's result; a score of None makes it a failed one."""
    comparing = fields.pop("evaluation", AUC)
    spec = Customer(id=customer)
    study = Study(flow_run=of, snapshot="s", customer=spec, model=model(name), evaluation=comparing)
    trial = Trial(study=study, number=number, params=fields.pop("params", {"C": 0.5}))
    if score is None:
        return TrialResult(trial=trial, state="failed", error="ValueError: one class only")
    scores = {comparing.metric: (score, score)}
    known: dict[str, Any] = {"trial": trial, "state": "success", "scores": scores}
    return TrialResult(**known | fields)


def promotion(
    customer="acme",
    version="1",
    *,
    of="run-1",
    at=1.0,
    best=None,
    state=PromotionState.INTENDED,
) -> Promotion:
    best = best or result(customer, of=of)
    decision = Decision(
        flow_run=of,
        customer=Customer(id=customer),
        best=best,
        incumbent=None,
        promote=True,
        reason="the first champion",
    )
    return Promotion(
        decision=decision,
        run_id=best.trial.run_id,
        model=WrittenModel(source=f"/models/{best.trial.run_id}"),
        deployed=DeployedVersion(model_name=f"flights.{customer}", version=version),
        at=at,
        state=state,
    )
