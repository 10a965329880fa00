"""Judging: what the ends of others mean for the instances of a node, by its trigger rule.

Upstreams of an instance are the nodes it waits for as a whole, with all their instances, and of
the mapped nodes its items are made of, the very instances it is made of. Without any it runs.
An instance that is made of something without a value never runs, whatever its rule: it is
upstream_failed or skipped. An argument that is a whole without a value is None where the rule lets
the instance run.

Touches no library; pure; takes `NodeState`; gives verdicts; runs on the driver.
"""

from collections.abc import Iterable, Sequence

from orchestrator.mapping.node_state import NodeState
from orchestrator.mapping.rules import Rule, Tally, Verdict, judge
from orchestrator.mapping.sequences import Origin
from orchestrator.records import State

_NOTHING = Tally()


def default_rule(wholes: Iterable[NodeState]) -> Rule:
    """The rule of a task that names none.

    `all_success`; but for a reduce, which takes a mapped node as a whole, the one under which
    skipped items are left out, so that filtering by `Skip` works.
    """
    reduces = any(whole.mapped for whole in wholes)
    return Rule.NONE_FAILED_MIN_ONE_SUCCESS if reduces else Rule.ALL_SUCCESS


def shared_verdict(state: NodeState, nodes: Sequence[NodeState]) -> Verdict:
    """What holds for all instances of a node that follows no other one by one."""
    return _by_rule(state.rule, _of_wholes(state, nodes))


def verdicts(
    state: NodeState, indices: Iterable[int], nodes: Sequence[NodeState]
) -> dict[Verdict, list[int]]:
    """What holds for some instances of a node that follows others one by one.

    Those that have been judged already, or have to wait, are left out.
    """
    wholes = _of_wholes(state, nodes)
    known: dict[Tally, Verdict] = {}
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
    """A node's instances that are made of some of a source's instances; each of them once."""
    if state.dependents is None:
        return indices
    dependents = state.dependents
    return {i: None for of in indices for i in dependents.get(Origin(source.number, of), ())}


def _of_one(rule: Rule, wholes: Tally, own: Tally) -> Verdict:
    if own.waiting:
        return "wait"
    verdict = _by_rule(rule, wholes + own)
    if verdict == "run" and own.failed:
        return State.UPSTREAM_FAILED
    return State.SKIPPED if verdict == "run" and own.skipped else verdict


def _by_rule(rule: Rule, tally: Tally) -> Verdict:
    return "run" if tally == _NOTHING else judge(rule, tally)


def _of_wholes(state: NodeState, nodes: Sequence[NodeState]) -> Tally:
    return sum((nodes[whole].tally() for whole in state.wholes), _NOTHING)


def _own(state: NodeState, index: int, nodes: Sequence[NodeState]) -> Tally:
    """How the instances stand that one is made of."""
    if state.dependents is None:
        return nodes[state.sources[0]].tally_of(index)
    assert state.items is not None  # noqa: S101 - what has sources has items
    origins = state.items.origins(index)
    return sum((nodes[node].tally_of(instance) for node, instance in origins), _NOTHING)
