"""The graph of a flow that was built: counts, steps, text and Mermaid."""

import pytest

from orchestrator.errors import FlowError
from orchestrator.mapping import flow, task
from orchestrator.mapping.authoring.graph import as_mermaid, as_text, graph


@task
def listed():
    raise AssertionError("a graph is drawn without running anything")


@task
def add(x, y=1):
    raise AssertionError


@task
def report(sums, also=None):
    raise AssertionError


@task
async def tune(x):
    raise AssertionError


def boxes(function):
    scope, _ = flow(function).build()
    return graph(scope)


def counts(function):
    return {box.name: box.count for box in boxes(function) if box.mapped}


def test_a_product_is_counted():
    assert counts(lambda: add.expand(x=[2, 4, 8], y=[5, 10])) == {"add": 6}


def test_a_map_over_a_plain_calls_value_is_known_at_run_time_only():
    assert counts(lambda: add.expand(x=listed(), y=[1, 2])) == {"add": None}


def test_counts_follow_from_the_counts_before():
    def chained():
        first = add.expand(x=[1, 2, 3])
        add.expand(x=first.map(str), y=[1, 2])
        add.expand(x=first.zip([1, 2]))
        add.expand(x=first.concat([1, 2]))
        add.expand(x=[listed(), 3])

    assert counts(chained) == {"add": 3, "add_2": 6, "add_3": 2, "add_4": 5, "add_5": 2}


def test_strict_zips_of_different_lengths_are_refused():
    with pytest.raises(FlowError, match="2 and 3"):
        boxes(lambda: add.expand(x=add.expand(x=[1, 2]).zip([1, 2, 3], strict=True)))


def everything():
    found = listed()
    added = add.partial(y=found).expand(x=found)
    tuned = tune.expand(x=added)
    report(tuned, also={"first": found, "sums": [added]})


def test_the_text_names_steps_counts_and_what_is_waited_for():
    assert as_text(boxes(everything)).splitlines() == [
        "  1  listed",
        "  2  add [?]   for each of listed, with listed",
        "  3  tune [?]  for each of add, calls further tasks",
        "  4  report    all of tune, add, with listed",
    ]


def test_nodes_of_one_step_share_its_number():
    def side_by_side():
        add.expand(x=[1])
        listed()

    assert as_text(boxes(side_by_side)).splitlines() == ["  1  add [1]", "     listed"]


def test_the_mermaid_chart_tells_maps_reduces_and_values_apart():
    assert as_mermaid(boxes(everything)).splitlines() == [
        "flowchart LR",
        '    n0["listed"]',
        '    n1["add [?]"]',
        '    n2(["tune [?]"])',
        '    n3["report"]',
        "    n0 -->|each| n1",
        "    n0 --> n1",
        "    n1 -->|each| n2",
        "    n2 ==>|all| n3",
        "    n1 ==>|all| n3",
        "    n0 --> n3",
    ]


def test_a_flow_without_tasks_has_an_empty_graph():
    assert as_text(boxes(lambda: None)) == ""
