"""Search strategies by name: they choose a study's trials, their budgets and their order.

    strategies, traits          the seam; the traits that a strategy declares
    grid, uniform               every point; points at random
    optuna_strategy             points suggested by Optuna
    samplers, optuna_points     Optuna's samplers by name; points in its terms
    racing, halving             strategies that prune candidates that are behind
    candidate_source            candidates for these two
    objectives                  the goals that a strategy that learns receives
    points, spaces              points of a grid; spaces with conditions
    plots                       Optuna's plots of recorded trials

Touches optuna, in modules that are imported on demand; takes `Search` and `Study`, then one result
after the other; gives rounds of `Trial`; does no I/O; runs on the driver or a worker.
"""

from orchestrator.search.strategies import (
    Rounds,
    Strategy,
    count,
    find_strategy,
    learns,
    open_strategy,
    require_one_objective,
    require_reproducible,
    require_usable,
    told,
)
from orchestrator.search.traits import Traits

__all__ = [
    "Rounds",
    "Strategy",
    "Traits",
    "count",
    "find_strategy",
    "learns",
    "open_strategy",
    "require_one_objective",
    "require_reproducible",
    "require_usable",
    "told",
]
