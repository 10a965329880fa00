"""What commands show: aligned in pipes, JSON as it is defined, values as people read them."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass

import pytest

from orchestrator.cli.rendering import output


def test_a_table_in_a_pipe_is_aligned_and_uncut(capsys):
    output.table(("key", "error"), [("a[1]", "x" * 300), ("longer", None), (7, "[red]")])
    assert capsys.readouterr().out.splitlines() == [
        "key     error",
        f"a[1]    {'x' * 300}",
        "longer",
        "7       [red]",
    ]


def test_a_table_on_a_terminal_takes_brackets_for_what_they_are(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    output.table(("key",), [("a[red]b",)])
    assert "a[red]b" in capsys.readouterr().out


def test_a_table_without_rows_is_its_header(capsys):
    output.table(("key", "error"), [])
    assert capsys.readouterr().out == "key  error\n"


@dataclass(frozen=True)
class Score:
    value: float
    of: frozenset[str]


def test_json_holds_records_and_has_null_for_what_is_no_number(capsys):
    output.as_json([Score(math.nan, frozenset({"é"}))])
    assert json.loads(capsys.readouterr().out) == [{"value": None, "of": ["é"]}]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(None, ""), (0.04, "0.0 s"), (59.9, "59.9 s"), (125, "2 min 5 s"), (3780, "1 h 3 min")],
)
def test_durations_are_shown_as_people_read_them(seconds, shown):
    assert output.duration(seconds) == shown


def test_what_is_printed_while_stdout_is_for_the_report_goes_to_stderr(capfd):
    with output.stdout_for_report_only():
        sys.stdout.write("a task here\n")
        subprocess.run(["echo", "a task elsewhere"], check=True)
    output.report("the report")
    out, err = capfd.readouterr()
    assert out == "the report\n"
    assert sorted(err.splitlines()) == ["a task elsewhere", "a task here"]
