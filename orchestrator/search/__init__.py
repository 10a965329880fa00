"""Which trials a study tries, how far, in what order: strategies by name.

    strategies, traits          the seam; what a strategy declares about itself
    grid, uniform               every point; points at random
    optuna_strategy             points suggested by Optuna
    samplers, optuna_points     Optuna's samplers by name; points in its words
    racing, halving             candidates that are behind are pruned
    candidate_source            candidates for these two
    objectives                  what a strategy that learns receives
    points, spaces              points of a grid; spaces with conditions
    plots                       Optuna's pictures of recorded trials

Touches optuna, in modules that are imported when asked for; takes `Search` and `Study`, then
one result after the other; gives rounds of `Trial`; does no I/O; runs on the driver or a worker.
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
