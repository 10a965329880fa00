"""Data of a synthetic customer, prepared as a worker does it.

Takes the form and the task, gives what scores are computed on.
"""

from typing import Any, Literal

from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - its import enables it

from orchestrator.records import Customer, Evaluation, ModelSpec, Step, Study
from orchestrator.training.cache import SharedCache
from orchestrator.training.dataset import PreparedData, prepare

BINARY_METRICS = ["roc_auc", "accuracy", "average_precision", "f1", "balanced_accuracy"]
REGRESSION_METRICS = ["r2", "neg_root_mean_squared_error", "neg_mean_absolute_error"]


def prepared(
    task: Literal["classification", "regression"] = "classification", **data: Any
) -> PreparedData:
    """A customer's data as a worker has it: loaded, checked, split."""
    study = Study(
        snapshot="s1",
        customer=Customer(id="acme", data=data),
        model=ModelSpec(id="m", steps=(Step(name="clf", estimator="sklearn.svm:SVC"),)),
        evaluation=Evaluation(loader="tests.support.synthetic:load", task=task),
    )
    return prepare(study, SharedCache())


BINARY = ["array", "float32", "column-major", "frame", "frame of several types", "truth values"]
