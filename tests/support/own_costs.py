"""A cost of the project's own, as its configuration or a package of it adds one."""

from time import perf_counter
from typing import Any

from orchestrator.records import Measure

SOURCE = "tests.support.own_costs:predict_ms"


def predict_ms(estimator: Any, X: Any, y: Any) -> float:
    """Return the milliseconds that predicting the test rows takes."""
    began = perf_counter()
    estimator.predict(X)
    return (perf_counter() - began) * 1000


def depth(estimator: Any, X: Any, y: Any) -> float:
    """Return the depth of a tree, of which less is easier to read."""
    return float(getattr(estimator, "get_depth", lambda: 1)())


PREDICT_MS = Measure(name="predict_ms", unit="ms", timed=True, source=SOURCE)
DEPTH = Measure(name="depth", source="tests.support.own_costs:depth")
