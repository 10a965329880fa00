"""Which trials a study tries, in what order: strategies by name, `grid`, `random`, `optuna`.

Touches optuna, in one module that is imported when asked for; takes `Search` and `Study`, then
the results of each round; gives rounds of `Trial`; does no I/O; runs on the driver or a worker.
"""

from orchestrator.search.strategies import (
    Rounds,
    Strategy,
    count,
    find_strategy,
    open_strategy,
)

__all__ = ["Rounds", "Strategy", "count", "find_strategy", "open_strategy"]
