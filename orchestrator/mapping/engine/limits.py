"""Limits over a whole flow run: the instances of a task or a pool that run and start at once.

    Pool           a limit that tasks of a flow share
    Limits         the groups of instances of one flow run that share a limit

Touches no library; pure; used by the engine; runs on the driver.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.limit_groups import Group, Rate, Use
from orchestrator.mapping.engine.node_state import NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A limit for instances of several tasks in a flow run: `@flow(pools={"api": Pool(slots=4)})`.

    Attributes:
        slots: The most instances that run at once; None for no limit.
        rate: The most instances that start per period, such as "10/s"; None for no limit.
    """

    slots: int | None = None
    rate: str | None = None

    @classmethod
    def read(cls, flow: str, name: object, given: object) -> "Pool":
        """Read an entry of a flow's `pools`: a number of slots, a rate, or a `Pool` with both.

        Raises:
            FlowError: The entry is something else.
        """
        problem = f"flow {flow!r}, pool {name!r}:"
        if not isinstance(name, str) or not name:
            raise FlowError(f"{problem} its name must be a text")
        slots, rate = given, None
        if isinstance(given, Pool):
            slots, rate = given.slots, given.rate
        elif isinstance(given, str):
            slots, rate = None, given
        elif given is None:
            slots = 0
        if slots is not None and (type(slots) is not int or slots < 1):
            raise FlowError(f"{problem} {slots!r}: give the number of slots, at least 1, or a rate")
        if slots is None and rate is None:
            raise FlowError(f"{problem} it limits nothing: give slots=, rate= or both")
        if rate is not None:
            try:
                Rate.read(rate)
            except ValueError as error:
                raise FlowError(f"{problem} the rate {rate!r} is not {error}") from None
        return cls(slots=slots, rate=rate)


class FlowLimits:
    """The groups of one flow run.

    Args:
        pools: The flow's pools, by name.
    """

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools
        self._groups: dict[tuple[Any, ...], Group] = {}

    def require_pool(self, task: str, pool: str | None) -> None:
        """Refuse a call whose pool the flow does not have.

        Raises:
            FlowError: The flow does not have the pool.
        """
        require_pool(self._pools, task, pool)

    def rated(self) -> list[Group]:
        """The groups that have a rate."""
        return [group for group in self._groups.values() if group.rate is not None]

    def uses_of(self, state: NodeState, above: Sequence[NodeState]) -> tuple[Use, ...]:
        """The limits that a call has to keep.

        Args:
            state: The call.
            above: The coordinators it belongs to. They wait for it, so coordinators of its own task
                do not count: otherwise they could never end.
        """
        settings, uses = state.node.task.settings, []
        task = _identity(state.node.task.function)
        if settings.max_active is not None:
            group = self._group(("task", task))
            waiting = sum(any(use.group is group for use in each.uses) for each in above)
            uses.append(Use(group, settings.max_active + waiting))
        if settings.rate is not None:
            rate = Rate.read(settings.rate)
            uses.append(Use(self._group(("rate", task, rate), rate), math.inf))
        if settings.pool is not None:
            pool = self._pools[settings.pool]
            limit = None if pool.rate is None else Rate.read(pool.rate)
            slots = math.inf if pool.slots is None else pool.slots
            uses.append(Use(self._group(("pool", settings.pool), limit), slots))
        return tuple(uses)

    def _group(self, name: tuple[Any, ...], rate: Rate | None = None) -> Group:
        if name not in self._groups:
            allowed = math.inf if rate is None else 0
            self._groups[name] = Group(rate=rate, allowed=allowed)
        return self._groups[name]


def require_pool(pools: Mapping[str, Pool], task: str, pool: str | None) -> None:
    """Refuse a task whose pool is not among these.

    Raises:
        FlowError: The flow has no such pool; the message names task and pool.
    """
    if pool is not None and pool not in pools:
        known = ", ".join(pools) or "none"
        raise FlowError(
            f"task {task!r}: its flow has no pool {pool!r}, it has {known}; declare it with "
            f"@flow(pools={{{pool!r}: 4}})"
        )


def _identity(function: Any) -> Any:
    """The identity of a task: its code, even if each coordinator defines the function itself."""
    return function.__code__ if isinstance(function, FunctionType) else id(function)
