"""Laws of mapping: sequences, and the engine against an oracle on random flows."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.mapping import Task
from orchestrator.mapping.authoring.nodes import Node, Reference
from orchestrator.mapping.authoring.product import Product
from orchestrator.mapping.authoring.sequences import Items, Lazy
from orchestrator.mapping.authoring.trigger_rules import Rule
from orchestrator.mapping.engine.engine import Engine
from orchestrator.mapping.execution.executor import Ended
from orchestrator.mapping.execution.invoke import Failure, Performed
from orchestrator.records import State

# -- sequences -----------------------------------------------------------------------------------

# -- random flows --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """What a map goes over: lists of a length, and nodes; joined in one of the ways."""

    how: str
    parts: tuple[tuple[str, int], ...]
    """Each ("list", length) or ("node", number)."""


@dataclass(frozen=True)
class Plan:
    """One node of a random flow, and what is to become of its instances.

    Attributes:
        takes: Nodes it takes as arguments.
        axes: What it maps over; none for a plain call.
        rule: Its trigger rule; None for the default.
        gives: Of a plain call: the length of the list it returns; None for what is no list.
        ends: How instances end in turn: s, f (failed), k (skipped).
        busy: How many attempts of instances fail before, in turn.
        deaths: How many workers instances kill before, in turn.
    """

    takes: tuple[int, ...]
    axes: tuple[Axis, ...]
    rule: Rule | None
    gives: int | None
    ends: str
    busy: tuple[int, ...]
    deaths: tuple[int, ...]
    retries: int
    max_lost: int
    max_active: int | None
    max_failures: int | None
    fail_fast: bool = False


@cache
def plan_of_node(number, *, may_fail_fast):
    """Plans of the node of this number, which may refer to earlier ones."""
    earlier = st.integers(0, number - 1)
    part = st.tuples(st.just("list"), st.integers(0, 3))
    if number:
        node = st.tuples(st.just("node"), earlier)
        part = st.one_of(node, node, part)
    axis = st.builds(
        Axis,
        how=st.sampled_from(["plain", "plain", "zip", "fill", "concat"]),
        parts=st.tuples(part, part),
    )
    takes = st.lists(earlier, max_size=2, unique=True) if number else st.just([])
    few = st.sampled_from([0, 0, 0, 1, 2])
    return st.builds(
        Plan,
        takes=takes.map(tuple),
        axes=st.lists(axis, max_size=2).map(tuple),
        rule=st.one_of(st.none(), st.none(), st.sampled_from(Rule)),
        gives=st.sampled_from([0, 1, 2, 3, None]),
        ends=st.text("sssfk", min_size=1, max_size=4),
        busy=st.tuples(few, few),
        deaths=st.tuples(few, few, few),
        retries=st.integers(0, 2),
        max_lost=st.integers(0, 2),
        max_active=st.sampled_from([None, None, 1, 2]),
        max_failures=st.sampled_from([None, None, None, 0, 1]),
        fail_fast=st.booleans() if may_fail_fast else st.just(False),
    )


@st.composite
def plans(draw, *, may_fail_fast=False):
    """A random flow."""
    numbers = range(draw(st.integers(1, 6)))
    return [draw(plan_of_node(number, may_fail_fast=may_fail_fast)) for number in numbers]


class Oracle:
    """How a flow must end, by recursion over its plans and nothing else.

    An end is s, f (failed), u (upstream_failed) or k (skipped); `whole` gives them all, or one
    that stands for a map that was never made.
    """

    def __init__(self, flow):
        self.flow = flow
        self.ends = [None] * len(flow)
        self.closed = [None] * len(flow)
        for number in range(len(flow)):
            self._decide(number)

    def _decide(self, number):
        plan = self.flow[number]
        if not plan.axes:
            self.ends[number] = [self._end(number, 0, plan.takes, [])]
            return
        hindrance = self._hindrance(plan)
        items = [] if hindrance else self._items(plan)
        if hindrance or not items:
            self.closed[number], self.ends[number] = hindrance or "k", []
            return
        wholes = {*plan.takes, *(n for n in self._nodes(plan) if not self.flow[n].axes)}
        self.ends[number] = [
            self._end(number, index, wholes, [self.ends[n][i] for n, i in made_of])
            for index, made_of in enumerate(items)
        ]

    def _nodes(self, plan):
        return [n for axis in plan.axes for kind, n in used_parts(axis) if kind == "node"]

    def _hindrance(self, plan):
        """The end of a map whose sources make it impossible."""
        seen = set()
        for node in self._nodes(plan):
            if self.closed[node]:
                seen.add("k" if self.closed[node] == "k" else "u")
            elif not self.flow[node].axes and self.as_upstream(node) != ["s"]:
                seen.add("k" if self.as_upstream(node) == ["k"] else "u")
        if seen:
            return "u" if "u" in seen else "k"
        plain = (n for n in self._nodes(plan) if not self.flow[n].axes)
        return "f" if any(self.flow[n].gives is None for n in plain) else None

    def _items(self, plan):
        """For each item, the instances it is made of."""
        axes = [self._axis(axis) for axis in plan.axes]
        return [sum(row, ()) for row in itertools.product(*axes)]

    def _axis(self, axis):
        parts = []
        for kind, n in used_parts(axis):
            if kind == "list":
                parts.append([()] * n)
            elif self.flow[n].axes:
                parts.append([((n, i),) for i in range(len(self.ends[n]))])
            else:
                parts.append([()] * self.flow[n].gives)
        if axis.how == "zip":
            return [sum(row, ()) for row in zip(*parts, strict=False)]
        if axis.how == "fill":
            return [sum(row, ()) for row in itertools.zip_longest(*parts, fillvalue=())]
        return [*itertools.chain.from_iterable(parts)]

    def as_upstream(self, number):
        """What a node's ends mean to who takes it as a whole."""
        if self.closed[number]:
            return [self.closed[number]]
        plan, ends = self.flow[number], self.ends[number]
        bad = [end for end in ends if end in "fu"]
        if not plan.axes or plan.max_failures is None or len(bad) > plan.max_failures:
            return ends
        return ["s" if end in bad else end for end in ends]

    def _end(self, number, index, wholes, own):
        plan = self.flow[number]
        plain, mapped = list(own), []
        for whole in wholes:
            (mapped if self.flow[whole].axes else plain).extend(self.as_upstream(whole))
        verdict = self._default(plain, mapped)
        if plan.rule:
            verdict = self._verdict(plan.rule, [*plain, *mapped])
        if verdict != "run":
            return verdict
        if any(end in "fu" for end in own):
            return "u"
        return "k" if "k" in own else self._ran(plan, index)

    def _default(self, plain, mapped):
        """Plain upstreams must succeed; of mapped ones some must, and none may fail."""
        verdicts = {
            self._verdict(Rule.ALL_SUCCESS, plain),
            self._verdict(Rule.NONE_FAILED_MIN_ONE_SUCCESS, mapped),
        }
        return min(verdicts, key="u k run".index)

    def _ran(self, plan, index):
        if plan.deaths[index % len(plan.deaths)] > plan.max_lost:
            return "f"
        if plan.busy[index % len(plan.busy)] > plan.retries:
            return "f"
        return plan.ends[index % len(plan.ends)]

    def _verdict(self, rule, ends):
        """The table of MAPPING, on all that has ended."""
        ok, bad, skipped = "s" in ends, bool({*"fu"} & {*ends}), "k" in ends
        table = {
            "all_success": "u" if bad else "k" if skipped else "run",
            "all_failed": "k" if ok or skipped else "run",
            "all_done": "run",
            "always": "run",
            "all_done_min_one_success": "run" if ok else "u",
            "one_success": "run" if ok else "u" if bad else "k",
            "one_failed": "run" if bad else "k",
            "one_done": "run" if ok or bad else "k",
            "none_failed": "u" if bad else "run",
            "none_failed_min_one_success": "u" if bad else "run" if ok else "k",
            "none_skipped": "k" if skipped else "run",
            "all_skipped": "k" if ok or bad else "run",
        }
        return table[rule.value] if ends else "run"


def used_parts(axis):
    return axis.parts[:1] if axis.how == "plain" else axis.parts


def called(*args, **kwargs):
    """The tasks of random flows are never really called."""


def nodes_of(flow):
    """The flow as the engine takes it."""
    references = []
    for number, plan in enumerate(flow):
        task = Task(called).options(
            trigger_rule=plan.rule,
            retries=plan.retries,
            max_lost=plan.max_lost,
            max_active=plan.max_active,
            max_failures=plan.max_failures,
            fail_fast=plan.fail_fast,
        )
        axes = {f"axis{n}": axis_of(axis, references) for n, axis in enumerate(plan.axes)}
        constants = {f"argument{n}": references[taken] for n, taken in enumerate(plan.takes)}
        node = Node(
            name=f"node{number}",
            task=task,
            constants=constants,
            items=Product(axes) if axes else None,
        )
        references.append(Reference(node))
    return [reference.node for reference in references]


def axis_of(axis, references) -> Lazy:
    parts = [references[n] if kind == "node" else Items(range(n)) for kind, n in used_parts(axis)]
    match axis.how:
        case "zip":
            return parts[0].zip(parts[1])
        case "fill":
            return parts[0].zip(parts[1], fillvalue=None)
        case "concat":
            return parts[0].concat(parts[1])
    return parts[0]


class Driver:
    """Drives the engine with random rooms, random batches and random orders of events."""

    def __init__(self, flow, chance):
        self.flow, self.chance = flow, chance
        self.engine = Engine()
        self.running, self.delayed = [], []
        self.starts, self.attempts, self.deaths = Counter(), Counter(), Counter()
        self.causes, self.ended = Counter(), Counter()

    def run(self):
        nodes = nodes_of(self.flow)
        cut = self.chance.randint(0, len(nodes))
        self.engine.add(nodes[:cut])
        self.carry_on(steps=self.chance.randint(0, 5))
        self.engine.add(nodes[cut:])
        self.carry_on(steps=10_000)
        return self

    def carry_on(self, steps):
        for _ in range(steps):
            if self.engine.done:
                break
            self.start()
            self.look_at_effects()
            self.something_happens()
            self.look_at_effects()
        self.look_at_effects()

    def start(self):
        for start in self.engine.take(self.chance.randint(0, 4)):
            for index in start.indices:
                one = start.node, index
                assert one not in self.running
                self.starts[one] += 1
                assert self.starts[one] == 1 + self.causes[one], "started without a cause"
                assert start.suspect == (self.deaths[one, "seen"] > 0)
                self.running.append(one)
            most = self.flow[start.node].max_active
            mine = sum(1 for node, _ in self.running if node == start.node)
            assert most is None or mine <= most

    def something_happens(self):
        if self.delayed and self.chance.random() < 0.5:
            self.engine.due(*self.delayed.pop(self.chance.randrange(len(self.delayed))))
        elif self.running:
            node = self.chance.choice(self.running)[0]
            mine = [index for of, index in self.running if of == node]
            some = self.chance.sample(mine, self.chance.randint(1, len(mine)))
            deadly = [i for i in some if self.left(node, i, "deaths") > 0]
            if deadly:
                self.die(node, some, deadly[0])
            else:
                self.end(node, some)

    def left(self, node, index, what):
        planned = getattr(self.flow[node], what)
        used = self.deaths if what == "deaths" else self.attempts
        return planned[index % len(planned)] - used[node, index]

    def die(self, node, some, culprit):
        for index in some:
            self.running.remove((node, index))
            self.causes[node, index] += 1
            self.deaths[(node, index), "seen"] += 1
        self.deaths[node, culprit] += 1
        self.engine.lost(node, some, culprit, "it died")

    def end(self, node, some):
        plan, failures = self.flow[node], {}
        for position, index in enumerate(some):
            self.running.remove((node, index))
            if self.left(node, index, "busy") > 0:
                failures[position] = Failure(error="busy", retryable=True)
            elif (end := plan.ends[index % len(plan.ends)]) != "s":
                failures[position] = Failure(error="end", skipped=end == "k")
            self.attempts[node, index] += 1
        value = "no list" if plan.gives is None else [0] * plan.gives
        performed = Performed.failed([Failure(error="")] * len(some))
        performed.values = [None if p in failures else value for p in range(len(some))]
        performed.failures = failures
        self.engine.ended(Ended(node=node, indices=some, performed=performed, worker="worker"))

    def look_at_effects(self):
        effects = self.engine.effects()
        for retry in effects.retries:
            self.causes[retry.node, retry.index] += 1
            self.delayed.append((retry.node, retry.index))
        for number, indices in effects.cancelled:
            for index in indices:
                self.running.remove((number, index))
        for number, indices in effects.ended:
            for index in indices:
                self.ended[number, index] += 1
                assert self.ended[number, index] == 1, "ended twice"


LETTERS = {
    State.SUCCESS: "s",
    State.FAILED: "f",
    State.UPSTREAM_FAILED: "u",
    State.SKIPPED: "k",
}


def ends_of(engine):
    """By node: how it was closed, and its instances' ends."""
    return [
        (
            LETTERS.get(state.closed),
            [LETTERS.get(state.columns.state(i), "?") for i in range(state.length or 0)],
        )
        for state in engine.nodes
    ]


def require_all_ended(driver):
    """Every instance ended, once, and the counts add up (law 2)."""
    assert driver.engine.done
    assert not driver.engine.has_ready
    assert not driver.running
    for number, state in enumerate(driver.engine.nodes):
        assert state.length is not None
        assert state.running == 0
        assert sum(state.counts.values()) == state.length
        expected = {(number, -1)} if state.closed else {(number, i) for i in range(state.length)}
        assert {one for one in driver.ended if one[0] == number} == expected


def require_end_of_oracle(flow, seed):
    """Each node of a flow ends as the oracle says, in an order that the seed chooses."""
    oracle = Oracle(flow)
    driver = Driver(flow, random.Random(seed)).run()  # noqa: S311 - an order, no secret
    require_all_ended(driver)
    assert ends_of(driver.engine) == list(zip(oracle.closed, oracle.ends, strict=True))


class TestEngine:
    @settings(max_examples=150)
    @given(plans(), st.integers(0, 2**32))
    def test_case_25_it_ends_as_the_oracle_says(self, flow, seed):
        require_end_of_oracle(flow, seed)

    @pytest.mark.long
    @pytest.mark.timeout(900)
    @settings(max_examples=2_000)
    @given(plans(), st.integers(0, 2**32))
    def test_case_25_of_many_flows_it_ends_as_the_oracle_says(self, flow, seed):
        require_end_of_oracle(flow, seed)

    @settings(max_examples=100)
    @given(plans(may_fail_fast=True), st.integers(0, 2**32))
    def test_every_instance_ends_also_when_failures_cancel_their_siblings(self, flow, seed):
        driver = Driver(flow, random.Random(seed)).run()  # noqa: S311 - an order, no secret
        require_all_ended(driver)

    @settings(max_examples=100)
    @given(plans(), st.integers(0, 2**32), st.integers(0, 20))
    def test_once_stopped_nothing_more_starts(self, flow, seed, steps):
        driver = Driver(flow, random.Random(seed))  # noqa: S311 - an order, no secret
        driver.engine.add(nodes_of(flow))
        driver.carry_on(steps)
        driver.engine.stop()
        assert not driver.engine.has_ready
        assert driver.engine.take(10) == []
