"""Studies of synthetic customers, their prepared data, and their results.

Takes models and settings, gives records; results are computed in this process.
"""

from typing import Any

from orchestrator.records import (
    Customer,
    Evaluation,
    ModelSpec,
    Search,
    Step,
    Study,
)

SCALE = Step(name="scale", estimator="sklearn.preprocessing:StandardScaler")
LOGREG = ModelSpec(
    id="logreg",
    steps=(SCALE, Step(name="clf", estimator="sklearn.linear_model:LogisticRegression")),
    grid=({"clf__C": (0.1, 1.0, 10.0)},),
)
FOREST = ModelSpec(
    id="forest",
    steps=(Step(name="clf", estimator="sklearn.ensemble:RandomForestClassifier"),),
    params={"n_estimators": 5},
    grid=({"max_depth": (2, 4)},),
)


def study_of(
    model: ModelSpec = LOGREG,
    *,
    customer: str = "acme",
    search: Search | None = None,
    data: Any = None,
    **evaluation: Any,
) -> Study:
    """The study of a model for a synthetic customer; other settings are of the evaluation."""
    return Study(
        flow_run="run-1",
        snapshot="s1",
        customer=Customer(id=customer, data=data or {}),
        model=model,
        evaluation=Evaluation(loader="tests.support.synthetic:load", **evaluation),
        search=search or Search(),
    )
