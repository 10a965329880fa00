"""Search spaces of a support vector machine, and studies that search them.

Touches no library; gives records of `orchestrator.records`.
"""

from typing import Any

from orchestrator.records import (
    Customer,
    Distribution,
    Evaluation,
    ModelSpec,
    Step,
    Study,
)

MIXED_GRID = (
    {"C": (0.1, 1, 10.0, 100), "penalty": ("l1", "l2", None), "flag": (True, 1)},
    {"kernel": ("rbf",), "sizes": ((10, 10), (20,))},
)


SPACE = {
    "C": Distribution(kind="float", low=0.01, high=100.0, log=True),
    "kernel": ("rbf", "poly", "linear"),
    "gamma": Distribution(
        kind="float", low=1e-3, high=1.0, log=True, when={"kernel": ("rbf", "poly")}
    ),
    "degree": Distribution(kind="int", low=2, high=5, when={"kernel": ("poly",)}),
    "max_iter": Distribution(kind="int", low=10, high=1000, log=True),
    "tol": Distribution(kind="float", low=0.1, high=0.4, step=0.1),
    "shrinking": Distribution(kind="categorical", choices=(True, False)),
}
STEPS = {
    "C": Distribution(kind="float", low=0.5, high=2.0, step=0.5),
    "kernel": ("rbf", "poly"),
    "degree": Distribution(kind="int", low=2, high=6, step=3, when={"kernel": ("poly",)}),
    "coef0": Distribution(kind="int", low=0, high=1, when={"degree": (2,)}),
}


def study_of(grid: Any = MIXED_GRID, **evaluation: Any) -> Study:
    """The study of a support vector machine over a grid."""
    model = ModelSpec(id="svm", steps=(Step(name="clf", estimator="sklearn.svm:SVC"),), grid=grid)
    return Study(
        snapshot="s1",
        customer=Customer(id="acme"),
        model=model,
        evaluation=Evaluation(loader="loaders:load", **evaluation),
    )
