"""A flow run that has ended, for its caller: state, result, outcomes by node.

Touches no library; reads the engine in its final state; runs on the driver.
"""

from collections.abc import Mapping
from typing import Any

from orchestrator.mapping.authoring.nodes import Node, Reference
from orchestrator.mapping.driver.coordinators import value_of
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.execution.invoke import Skip
from orchestrator.mapping.outcomes import Outcomes
from orchestrator.records import FlowRun


class Run:
    """A flow run that has ended.

    Attributes:
        flow_run: Its record: id, state, counts.
        unkept_logs: The number of attempts whose output was neither kept nor shown.
    """

    def __init__(
        self, flow_run: FlowRun, engine: Engine, returned: Any, *, unkept_logs: int = 0
    ) -> None:
        self.flow_run, self._engine, self._returned = flow_run, engine, returned
        self.unkept_logs = unkept_logs

    @property
    def id(self) -> str:
        """The flow run's id."""
        return self.flow_run.id

    @property
    def state(self) -> str:
        """`success`, `failed` (a task that nothing follows did not succeed) or `interrupted`."""
        return self.flow_run.state

    @property
    def counts(self) -> Mapping[str, int]:
        """Instances by state; their sum is what was expected."""
        return self.flow_run.counts

    def result(self) -> Any:
        """The value of what the flow function returned: a plain call's value, a map's outcomes.

        Raises:
            TaskFailedError: The task failed; has the instance's key and traceback.
        """
        return self._value(self._returned)

    def __getitem__(self, name: str) -> Outcomes:
        """The outcomes of the node with this name, called by the flow itself.

        Raises:
            KeyError: The flow has no node with this name.
        """
        own = {s.node.name: s for s in self._engine.nodes if s.node.parent is None}
        if name not in own:
            raise KeyError(
                f"the flow has no node named {name!r}; there are {', '.join(own)}. "
                "outcomes() also finds what coordinators have called"
            )
        return own[name].outcomes

    def outcomes(self, name: str) -> list[Outcomes]:
        """The outcomes of all nodes of this name, called by the flow or by its coordinators.

        Args:
            name: `evaluate`, or only those of one coordinator's node, `evaluate@tune`.
        """
        named = (s for s in self._engine.counted if name in _names_of(s.node))
        return [state.outcomes for state in named]

    def _value(self, returned: Any) -> Any:
        if isinstance(returned, Reference):
            try:
                return value_of(self._engine.state_of(returned.node))
            except Skip:
                return None
        if isinstance(returned, dict):
            return {name: self._value(part) for name, part in returned.items()}
        if isinstance(returned, tuple | list):
            parts = [self._value(part) for part in returned]
            is_named = hasattr(returned, "_fields")  # a named tuple takes its parts one by one
            return type(returned)(*parts) if is_named else type(returned)(parts)
        return returned


def _names_of(node: Node) -> tuple[str, str]:
    return node.name, node.name.partition("@")[0]
