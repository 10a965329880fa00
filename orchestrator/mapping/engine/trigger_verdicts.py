"""Verdicts: how the ends of upstreams decide on a node's instances, by its trigger rule.

The upstreams of an instance are the nodes it waits for as a whole, with all their instances, and
the single instances that its items are made of. Without upstreams it runs. An instance made of
something without a value never runs, whatever its rule: it is upstream_failed or skipped. If an
argument is a whole without a value and the rule lets the instance run, the argument is None.

Touches no library; pure; takes `NodeState`; gives verdicts; runs on the driver.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from orchestrator.mapping.authoring.sequences import Origin
from orchestrator.mapping.authoring.trigger_rules import Rule, UpstreamCounts, Verdict, judge
from orchestrator.mapping.engine.node_state import NodeState
from orchestrator.records import State

_NOTHING = UpstreamCounts()


def shared_verdict(state: NodeState, nodes: Sequence[NodeState]) -> Verdict:
    """The verdict on all instances of a node that follows no other node one by one."""
    return _by_rule(state.rule, _of_wholes(state, nodes))


def verdicts(
    state: NodeState, indices: Iterable[int], nodes: Sequence[NodeState]
) -> dict[Verdict, list[int]]:
    """The verdicts on some instances of a node that follows others one by one.

    Instances that have been judged already, or have to wait, are left out.
    """
    wholes = _of_wholes(state, nodes)
    known: dict[UpstreamCounts, Verdict] = {}
    found: dict[Verdict, list[int]] = {}
    for index in indices:
        if state.judged[index]:
            continue
        own = _own(state, index, nodes)
        if own not in known:
            known[own] = _of_one(state.rule, wholes, own)
        found.setdefault(known[own], []).append(index)
    found.pop("wait", None)
    return found


def made_of(state: NodeState, source: NodeState, indices: Iterable[int]) -> Iterable[int]:
    """A node's instances that are made of some of a source's instances, each once."""
    if state.dependents is None:
        return indices
    dependents = state.dependents
    return {i: None for of in indices for i in dependents.get(Origin(source.number, of), ())}


class _Upstreams(NamedTuple):
    """The nodes an instance waits for as a whole, and the instances it is made of.

    Attributes:
        plain: Plain calls, and the instances it is made of.
        mapped: Mapped nodes that a reduce takes.
    """

    plain: UpstreamCounts
    mapped: UpstreamCounts


def _of_one(rule: Rule | None, wholes: _Upstreams, own: UpstreamCounts) -> Verdict:
    if own.waiting:
        return "wait"
    verdict = _by_rule(rule, _Upstreams(wholes.plain + own, wholes.mapped))
    if verdict == "run" and own.failed:
        return State.UPSTREAM_FAILED
    return State.SKIPPED if verdict == "run" and own.skipped else verdict


def _by_rule(rule: Rule | None, upstreams: _Upstreams) -> Verdict:
    """The verdict of a task's rule, or of the defaults where it names none.

    By default plain calls must all succeed, so that a skipped gate holds back the nodes that
    take it. Skipped items of mapped nodes are left out, so that filtering by `Skip` works.
    """
    if rule is not None:
        return _judged(rule, upstreams.plain + upstreams.mapped)
    verdicts = (
        _judged(Rule.ALL_SUCCESS, upstreams.plain),
        _judged(Rule.NONE_FAILED_MIN_ONE_SUCCESS, upstreams.mapped),
    )
    return next(verdict for verdict in _STRICTEST_FIRST if verdict in verdicts)


_STRICTEST_FIRST: tuple[Verdict, ...] = ("wait", State.UPSTREAM_FAILED, State.SKIPPED, "run")


def _judged(rule: Rule, tally: UpstreamCounts) -> Verdict:
    return "run" if tally == _NOTHING else judge(rule, tally)


def _of_wholes(state: NodeState, nodes: Sequence[NodeState]) -> _Upstreams:
    tallies: dict[bool, UpstreamCounts] = {False: _NOTHING, True: _NOTHING}
    for number in state.wholes:
        whole = nodes[number]
        keys = state.picked.get(number)
        if keys is None:
            tallies[whole.mapped] += whole.tally()
        else:
            tallies[False] += sum((_of_picked(whole, key) for key in keys), _NOTHING)
    return _Upstreams(tallies[False], tallies[True])


def _of_picked(whole: NodeState, key: str) -> UpstreamCounts:
    """The state of one instance, taken by its key once the whole map has ended."""
    if not whole.done:
        return UpstreamCounts(waiting=1)
    index = whole.index_of(key)
    if whole.closed is not None or index is None:  # an unknown key fails where it is looked up
        return whole.tally() if whole.closed is not None else UpstreamCounts(success=1)
    return whole.tally_of(index)


def _own(state: NodeState, index: int, nodes: Sequence[NodeState]) -> UpstreamCounts:
    """The states of the instances that one is made of."""
    if state.dependents is None:
        return nodes[state.sources[0]].tally_of(index)
    assert state.items is not None  # noqa: S101 - a node with sources has items
    origins = state.items.origins(index)
    return sum((nodes[node].tally_of(instance) for node, instance in origins), _NOTHING)
