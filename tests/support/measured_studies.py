"""Studies measured by built-in and own metrics, and their results.

Takes names of metrics and models, gives results computed in this process.
"""

from typing import Any, Literal

from orchestrator.records import Customer, Evaluation, ModelSpec, Step, Study, TrialResult
from orchestrator.search import open_strategy
from orchestrator.training.cache import SharedCache
from orchestrator.training.evaluate import evaluate_study
from tests.support import own_scorers

OWN = "tests.support.own_scorers"


def comparing(
    *metrics: str, task: Literal["classification", "regression"] = "classification", **fields: Any
) -> Evaluation:
    """An evaluation by these metrics, of which the first selects.

    Own metrics are named as functions of `own_scorers`.
    """
    own = {metric: f"{OWN}:{metric}" for metric in metrics if hasattr(own_scorers, metric)}
    settings: dict[str, Any] = {
        "loader": "tests.support.synthetic:load",
        "metrics": metrics,
        "metric": metrics[0],
    }
    return Evaluation(**settings, scorers=own, task=task, **fields)


def model(*steps: str, grid: Any = (), **params: Any) -> ModelSpec:
    """A model of these steps, named by their classes."""
    made = [Step(name=path.rpartition(":")[2].lower(), estimator=path) for path in steps]
    return ModelSpec(id="the-model", steps=tuple(made), params=params, grid=grid)


TREE = model("sklearn.tree:DecisionTreeClassifier")


def study(evaluation: Evaluation, spec: ModelSpec = TREE) -> Study:
    """The study of a model by an evaluation."""
    return Study(snapshot="s", customer=Customer(id="acme"), model=spec, evaluation=evaluation)


def results(evaluation: Evaluation, spec: ModelSpec = TREE) -> tuple[TrialResult, ...]:
    """The results of that study, computed in this process."""
    searched = study(evaluation, spec)
    return evaluate_study(searched, open_strategy(searched.search, searched), SharedCache())
