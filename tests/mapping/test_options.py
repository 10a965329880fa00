"""Options of tasks: checked where they are written, and where functions of the item give them."""

import datetime as dt
import functools
import math
import typing
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from orchestrator import flow, task
from orchestrator.errors import FlowError
from orchestrator.mapping.authoring.option_table import OPTIONS, TaskOptions, documented
from orchestrator.mapping.authoring.options import Options

PAGE = Path(__file__).parents[2] / "docs" / "mapping.md"


@task
def add(x, y=0):
    return x + y


def run_of(mapped, **axes):
    @flow
    def mapping():
        return mapped.expand(**axes)

    return mapping.run()


@pytest.mark.parametrize(
    "options",
    [
        *({"retries": bad} for bad in (-1, 1.5, math.nan, True, "1", [1], None)),
        *({"retry_delay": bad} for bad in (-1, math.nan, math.inf, "1", True, [1])),
        *({"timeout": bad} for bad in (-1, math.nan, math.inf, "1", dt.timedelta(seconds=-1))),
        *({"priority": bad} for bad in ("high", None, math.nan, math.inf, True)),
        *({"max_active": bad} for bad in (0, 2.5, True, "2")),
        *({"max_active_per_call": bad} for bad in (0, 2.5)),
        *({"min_success": bad} for bad in ("all", -1, math.nan, 1.5, True)),
        *({"max_failures": bad} for bad in ("10%", -0.1, math.inf)),
        *({"retry_on": bad} for bad in ("OSError", [OSError, 3], 3, None)),
        *({"resources": bad} for bad in (3, {"GPU": -1}, {"GPU": math.nan}, {1: 1}, ["GPU"])),
        *({"workers": bad} for bad in (5, [5], "")),
        *({"batch": bad} for bad in ("all", 0, 1.5)),
        *({"kept_from": bad} for bad in (-1, 1.5, "64k")),
        *({"fail_fast": bad} for bad in (1, "yes", None)),
        *({"grows": bad} for bad in (0, None)),
        *({"cache": bad} for bad in (1, "always", None)),
        *({"runs_on": bad} for bad in ("moon", None)),
        *({"trigger_rule": bad} for bad in ("sometimes", 3)),
        *({"name": bad} for bad in ("", "a@b", "a/b", 3)),
        *({"key": bad} for bad in ("{x", "{}", "{0}", "", 3)),
        *({"pool": bad} for bad in (3, "")),
        *({"rate": bad} for bad in ("fast", "0/s", "1/fortnight", 10, "1.5/s", "-1/s")),
    ],
    ids=repr,
)
def test_a_value_that_an_option_cannot_have_is_refused_with_what_it_takes(options):
    ((name, _),) = options.items()
    with pytest.raises(FlowError) as refused:
        add.options(**options)
    assert "task 'add'" in str(refused.value)
    assert name in str(refused.value)
    assert OPTIONS[name].takes in str(refused.value)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"retry_on": [ConnectionError, OSError]}, (ConnectionError, OSError)),
        ({"retry_on": ConnectionError}, (ConnectionError,)),
        ({"timeout": dt.timedelta(minutes=1)}, 60.0),
        ({"retry_delay": dt.timedelta(seconds=2)}, 2.0),
        ({"retries": np.int64(2)}, 2),
        ({"workers": ["a", "b"]}, ("a", "b")),
        ({"max_failures": 0.1}, 0.1),
        ({"min_success": 2.0}, 2),
        ({"timeout": None}, None),
    ],
    ids=repr,
)
def test_what_people_naturally_write_is_taken(options, kept):
    ((name, _),) = options.items()
    assert getattr(add.options(**options).settings, name) == kept


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("retries", "two"),
        ("timeout", math.nan),
        ("resources", 3),
        ("workers", 5),
        ("priority", None),
        ("priority", "high"),
        ("batch", "all"),
        ("runs_on", "moon"),
    ],
)
def test_a_wrong_value_of_a_function_fails_that_instance_alone(name, bad):
    good = getattr(Options(), name)

    @task(**{name: lambda x: bad if x == 1 else good})
    def failing(x):
        if name == "retries" and x == 1:
            raise OSError("the reason")
        return x

    run = run_of(failing, x=[0, 1, 2])
    failed = run.result().failed
    assert list(run.result()) == [0, 2]
    assert [outcome.index for outcome in failed] == [1]
    assert f"option {name!r} gave {bad!r}; it must be {OPTIONS[name].takes}" in failed[0].error


def test_the_delay_that_a_function_gives_is_checked_as_well():
    @task(retries=1, retry_delay=lambda _attempt: math.nan)
    def failing(x):
        raise OSError(x)

    (failed,) = run_of(failing, x=[1]).result().failed
    assert "option 'retry_delay' gave nan" in failed.error


@pytest.mark.parametrize("option", [{"key": "{z}"}, {"priority": lambda z: z}, {"retries": str}])
def test_an_argument_that_the_task_does_not_have_is_named(option):
    with pytest.raises(FlowError, match=r"task 'add': (key|priority|retries)"):
        add.options(**option)


def test_a_coordinator_takes_no_slot_of_a_pool():
    async def coordinating(x):
        return x

    with pytest.raises(FlowError, match="is a coordinator"):
        task(coordinating).options(pool="api")


def test_the_table_has_every_option_in_the_order_of_the_record():
    names = [field.name for field in fields(Options)]
    assert list(OPTIONS) == names
    assert list(typing.get_type_hints(TaskOptions)) == names


def test_every_default_is_a_value_that_its_option_takes():
    for field in fields(Options):
        given = getattr(Options(), field.name)
        if given is None:
            assert OPTIONS[field.name].optional
        else:
            assert getattr(add.options(**{field.name: given}).settings, field.name) == given


def test_the_page_has_the_table():
    defaults = {field.name: getattr(Options(), field.name) for field in fields(Options)}
    assert documented(defaults) in PAGE.read_text()


class Adder:
    __hash__ = None

    def __init__(self, by):
        self.by = by

    def __call__(self, x):
        return x + self.by

    def method(self, x):
        return x - self.by

    @staticmethod
    def static(x):
        return -x


@pytest.mark.parametrize(
    ("function", "name", "values"),
    [
        (functools.partial(add.function, y=10), "add", [11, 12]),
        (Adder(5), "Adder", [6, 7]),
        (Adder(5).method, "method", [-4, -3]),
        (Adder.static, "static", [-1, -2]),
        (lambda x: 2 * x, "<lambda>", [2, 4]),
        (add, "add", [1, 2]),
    ],
    ids=["partial", "object", "method", "static", "lambda", "task"],
)
def test_whatever_can_be_called_by_name_can_be_a_task(function, name, values, client):
    made = task(function)
    assert made.name == name

    @flow
    def mapping():
        return made.expand(x=[1, 2])

    assert list(mapping.run().result()) == values
    assert list(mapping.run(client=client).result()) == values


def test_options_apply_to_a_task_as_to_its_function():
    assert task(retries=2)(add).settings.retries == 2


@pytest.mark.parametrize("given", [5, "add", classmethod(add.function), [add]])
def test_what_cannot_be_called_is_refused_when_decorated(given):
    with pytest.raises(FlowError, match="a task is made of a function"):
        task(given)


def test_a_coordinator_may_be_a_partial_or_an_object():
    async def coordinate(x, y):
        return await add(x=x, y=y)

    assert task(functools.partial(coordinate, y=1)).coordinates
