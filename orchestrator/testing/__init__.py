"""Contract tests for your own extensions, and the in-memory twins that tests use.

    executors   `ExecutorContract`
    recorders   `RecorderContract`
    sources     `SourceContract`
    strategies  `StrategyContract`

A test class for a source of your own inherits its contract and gives the fixtures that the
contract's docstring names:

    from orchestrator.testing import SourceContract

    class TestMySource(SourceContract):
        @pytest.fixture
        def place(self, tmp_path): ...

Touches pytest when a contract is used; the twins do not need it. `pytest.register_assert_rewrite(
"orchestrator.testing")` in a `conftest.py` makes pytest explain failed assertions.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.mapping.driver.recorder import MemoryRecorder
    from orchestrator.mapping.execution.inline import InlineExecutor
    from orchestrator.registry.sources import InlineSource
    from orchestrator.testing.executors import ExecutorContract
    from orchestrator.testing.recorders import RecorderContract
    from orchestrator.testing.sources import SourceContract
    from orchestrator.testing.strategies import StrategyContract

_HOME_OF = {
    "ExecutorContract": "orchestrator.testing.executors",
    "InlineExecutor": "orchestrator.mapping.execution.inline",
    "InlineSource": "orchestrator.registry.sources",
    "MemoryRecorder": "orchestrator.mapping.driver.recorder",
    "RecorderContract": "orchestrator.testing.recorders",
    "SourceContract": "orchestrator.testing.sources",
    "StrategyContract": "orchestrator.testing.strategies",
}

__all__ = [
    "ExecutorContract",
    "InlineExecutor",
    "InlineSource",
    "MemoryRecorder",
    "RecorderContract",
    "SourceContract",
    "StrategyContract",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use: a contract imports pytest, a twin does not."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'orchestrator.testing' has no attribute {name!r}")
    return getattr(import_module(_HOME_OF[name]), name)
