"""Which trials a study tries, how far, in what order: strategies by name.

`grid`, `random` and `optuna` choose points; `racing` and `halving` give up what is behind.
Touches optuna, in one module that is imported when asked for; takes `Search` and `Study`, then
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

__all__ = [
    "Rounds",
    "Strategy",
    "count",
    "find_strategy",
    "learns",
    "open_strategy",
    "require_one_objective",
    "require_reproducible",
    "require_usable",
    "told",
]
