"""Fingerprints: equal for equal work in any process, different as soon as the result may differ."""

import subprocess
import sys
import textwrap
import types

import pytest

from orchestrator.mapping.driver.fingerprints import code_digest, content, fingerprints
from orchestrator.mapping.execution.invoke import Deferred, Zipped

CODE = b"code"


def function_of(source, name="f", module="made_here"):
    """A function of a module with this source."""
    made = types.ModuleType(module)
    exec(textwrap.dedent(source), made.__dict__)  # noqa: S102 - the test's own source
    return getattr(made, name)


def digests(*sources):
    """How many different digests the function f of these sources has."""
    return len({code_digest(function_of(source)) for source in sources})


class TestCode:
    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("def f(x): return x + 1", "def f(x): return x + 2"),
            ("def f(x): return x.one()", "def f(x): return x.two()"),
            ("def f(x, y=1): return y", "def f(x, y=2): return y"),
            ("def f(x, *, y=1): return y", "def f(x, *, y=2): return y"),
            ("f = lambda x: [a for a in x]", "f = lambda x: [a + 1 for a in x]"),
            ("def f(x): return x in {'a', 'b'}", "def f(x): return x in {'a', 'c'}"),
            ("N = 1\ndef f(x): return N", "N = 2\ndef f(x): return N"),
            ("N = ('a',)\ndef f(x): return N", "N = ('b',)\ndef f(x): return N"),
            (
                "def g(x): return 1\ndef f(x): return g(x)",
                "def g(x): return 2\ndef f(x): return g(x)",
            ),
            (
                "def h(): return 1\ndef g(): return h()\ndef f(x): return [g() for _ in x]",
                "def h(): return 2\ndef g(): return h()\ndef f(x): return [g() for _ in x]",
            ),
            (
                "class A:\n  def m(self): return 1\ndef f(x): return A().m()",
                "class A:\n  def m(self): return 2\ndef f(x): return A().m()",
            ),
            (
                "def make(n):\n  def f(x): return n\n  return f\nf = make(1)",
                "def make(n):\n  def f(x): return n\n  return f\nf = make(2)",
            ),
            (
                "def make(g):\n  def f(x): return g(x)\n  return f\nf = make(lambda x: 1)",
                "def make(g):\n  def f(x): return g(x)\n  return f\nf = make(lambda x: 2)",
            ),
            (
                "from math import sin as g\ndef f(x): return g(x)",
                "from math import cos as g\ndef f(x): return g(x)",
            ),
        ],
    )
    def test_what_may_change_the_result_changes_the_digest(self, before, after):
        assert digests(before, before) == 1
        assert digests(before, after) == 2

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            ("def f(x): return x", "# a remark\n\ndef f(x): return x  # another"),
            ("def f(x): return x", "def g(): return 1\ndef f(x): return x"),
            ("S = []\ndef f(x): return S.append(x)", "S = [1]\ndef f(x): return S.append(x)"),
        ],
    )
    def test_what_does_not_change_it_does_not(self, before, after):
        assert digests(before, after) == 1

    def test_functions_that_call_each_other_have_a_digest(self):
        both = "def g(n): return f(n - 1)\ndef f(n): return n and g(n)"
        assert digests(both, both) == 1

    def test_what_has_no_code_has_none(self):
        assert code_digest(len) is None
        assert code_digest(print) is None


def in_a_new_process(seed):
    """Digest and fingerprints as another process computes them."""
    program = textwrap.dedent(
        """
        from orchestrator.mapping.driver.fingerprints import code_digest, fingerprints
        from tests.mapping.test_fingerprints import named, words
        print(code_digest(named).hex(), *fingerprints(b"c", {"s": words}, {"x": [1, "a"]}, 2))
        """
    )
    environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(p for p in sys.path if p)}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout


words = frozenset({"one", "two", "three"})


def helper(x):
    return x in {"one", "two", "three"}


def named(x, among=words):
    return helper(x) and x in among


class TestArguments:
    def test_they_are_equal_in_every_process(self):
        assert in_a_new_process("1") == in_a_new_process("2")

    def test_equal_arguments_have_equal_fingerprints(self):
        def of(x):
            return fingerprints(CODE, {"y": [1]}, {"x": [x]}, 1)[0]

        assert of("ab") == of("".join(["a", "b"]))
        assert of({"a": [1, 2.5, None]}) == of({"a": [1, 2.5, None]})

    @pytest.mark.parametrize(
        ("one", "other"),
        [(1, 2), (1, 1.0), (1, True), ("1", 1), ("a", b"a"), ([1], (1,)), (None, "None"), (0, "")],
    )
    def test_different_arguments_have_different_ones(self, one, other):
        first, second = fingerprints(CODE, {}, {"x": [one, other]}, 2)
        assert first != second

    def test_code_constants_and_names_count(self):
        made = {
            fingerprints(code, constants, {name: [1]}, 1)[0]
            for code in (b"a", b"b")
            for constants in ({"c": 1}, {"c": 2}, {"d": 1})
            for name in ("x", "z")
        }
        assert len(made) == 12

    def test_the_order_of_keywords_does_not(self):
        columns = {"x": [1], "y": [2]}
        turned = dict(reversed(columns.items()))
        assert fingerprints(CODE, {}, columns, 1) == fingerprints(CODE, {}, turned, 1)

    def test_what_cannot_be_compared_has_none(self):
        unpicklable = (n for n in range(1))
        assert fingerprints(CODE, {}, {"x": [unpicklable, 1]}, 2)[0] is None
        assert fingerprints(CODE, {"g": unpicklable}, {"x": [1, 2]}, 2) == [None, None]

    def test_functions_yet_to_be_applied_count_by_their_code(self):
        def of(function):
            return fingerprints(CODE, {}, {"x": [Deferred(1, (function,))]}, 1)[0]

        assert of(lambda x: x + 1) != of(lambda x: x + 2)
        assert of(str) != of(repr)
        assert of(str) is not None

    def test_a_zipped_item_is_the_tuple_it_will_be(self):
        first, second = fingerprints(CODE, {}, {"x": [Zipped((1, "a")), (1, "a")]}, 2)
        assert first == second

    def test_objects_count_by_what_they_hold(self):
        assert content(types.SimpleNamespace(a=1)) == content(types.SimpleNamespace(a=1))
        assert content(types.SimpleNamespace(a=1)) != content(types.SimpleNamespace(a=2))
