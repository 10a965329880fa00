"""The command line for flows of files: run, rerun, graph, runs, instances."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.api import parameters
from orchestrator.errors import UsageError
from orchestrator.records import FileRun
from tests.support.command_output import as_json, printed, said
from tests.support.flow_files import FLOW

# -- run ---------------------------------------------------------------------------------------


def test_a_flow_runs_with_typed_parameters_and_is_summed_up(orchestrator, numbers):
    code, out, err = orchestrator("run", "sums.py", "--param", "n=2")
    assert code == 0
    assert said(err, "work", "total") == ["work 0", "work 1", "total 10"]
    assert "of numbers: success in" in out
    assert "instances: 6 success" in out


def test_failures_are_grouped_by_reason_and_end_with_exit_code_1(orchestrator, numbers, tmp_path):
    (tmp_path / "bad-2").touch()
    code, out, err = orchestrator("run", "sums.py")
    assert code == 1
    assert "  1 failed: ValueError: 2 is bad\n    work[2]\n" in out
    assert "orchestrator instances" in err
    assert "--state failed" in err


def test_the_reason_of_a_failure_is_its_first_line_and_not_its_type_when_a_task_says_it_failed(
    orchestrator, numbers
):
    two_lines = FLOW.replace('f"{x} is bad"', 'f"{x} is bad\\nsee there"')
    numbers.write_text(two_lines.replace("total(ys):", "total(ys):\n    raise Fail('enough')"))
    numbers.write_text(numbers.read_text().replace("import flow,", "import Fail, flow,"))
    (numbers.parent / "bad-1").touch()
    _, out, _ = orchestrator("run", "sums.py")
    assert printed(out, "  1 failed") == ["  1 failed: enough", "  1 failed: ValueError: 1 is bad"]


def test_bars_are_shown_on_a_terminal_only(orchestrator, numbers):
    assert "━" not in "".join(orchestrator("run", "sums.py")[1:])
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "orchestrator", "run", "sums.py", "--fresh", "--logs"]
    with subprocess.Popen(
        command, cwd=numbers.parent, stdout=subprocess.PIPE, stderr=theirs, text=True
    ) as process:
        os.close(theirs)
        shown = "".join(iter(lambda: read_terminal(ours), ""))
        assert "work 0" not in process.stdout.read()
    os.close(ours)
    assert "[work 0] work 0" in shown
    assert "flow numbers" in shown
    assert "4/4" in shown


def read_terminal(number):
    """What is written to a terminal next; nothing once it is closed."""
    try:
        return os.read(number, 10_000).decode(errors="replace")
    except OSError:
        return ""


def test_what_has_succeeded_is_used_again_where_tasks_ask_unless_fresh_is_asked_for(
    orchestrator, numbers
):
    numbers.write_text(FLOW.replace("@task\n", '@task(cache="runs")\n'))
    orchestrator("run", "sums.py")
    assert said(orchestrator("run", "sums.py")[2], "work") == []
    assert len(said(orchestrator("run", "sums.py", "--fresh")[2], "work")) == 4


def test_json_stands_alone_on_stdout(orchestrator, numbers):
    code, out, err = orchestrator("run", "sums.py", "--json")
    assert code == 0
    assert as_json(out)["counts"] == {"success": 10}
    assert "work 0" in err


def test_json_stands_alone_on_stdout_though_workers_print(numbers):
    command = [
        sys.executable,
        "-m",
        "orchestrator",
        "run",
        "sums.py",
        "--cluster",
        "--json",
        "--logs",
    ]
    ended = subprocess.run(
        command, cwd=numbers.parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert as_json(ended.stdout)["state"] == "success"
    assert "work 3" in ended.stderr


TYPES = """
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Literal
from orchestrator.mapping import flow, task

class Color(Enum):
    RED = "red"

@task
def show(x):
    print(repr(x))

@flow
def types(a: int = 0, b: float = 0, c: bool = False, d: list[int] = [], e: dict[str, float] = {},
          f: Path = None, g: date = None, h: Color = None, i: Literal["x"] = "x", j: str = "",
          k: int | None = 3, l=0, m="", n: object = None):
    show([a, b, c, d, e, f, g, h, i, j, k, l, m])
"""


def test_parameters_become_what_the_flow_functions_annotations_say(orchestrator, tmp_path):
    (tmp_path / "types.py").write_text(TYPES)
    given = {
        "a": "3", "b": "0.5", "c": "yes", "d": "[1, 2]", "e": '{"x": 1}', "f": "data/x",
        "g": "2026-01-31", "h": "red", "i": "x", "j": "[1]=2", "k": "null", "l": "7", "m": "8",
    }  # fmt: skip
    arguments = [part for name, text in given.items() for part in ("-p", f"{name}={text}")]
    _, _, err = orchestrator("run", "types.py", *arguments)
    assert said(err)[0] == (
        "[3, 0.5, True, [1, 2], {'x': 1.0}, PosixPath('data/x'), datetime.date(2026, 1, 31), "
        "<Color.RED: 'red'>, 'x', '[1]=2', None, 7, '8']"
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (["n=x"], "--param n=x is no int: Input should be a valid integer"),
        (["m=3"], "flow 'numbers' has no parameter 'm'; it takes n: int = 4"),
        (["nn=3"], "did you mean 'n'?"),
        (["n"], "--param n: write it as NAME=VALUE"),
        (["n=1", "n=2"], "--param n is given twice"),
    ],
)
def test_a_wrong_parameter_is_refused_before_anything_runs(orchestrator, numbers, given, problem):
    arguments = [part for one in given for part in ("--param", one)]
    code, out, err = orchestrator("run", "sums.py", *arguments)
    assert (code, out) == (2, "")
    assert problem in err


def test_a_list_that_is_no_json_is_told_how_to_be_written(orchestrator, tmp_path):
    (tmp_path / "types.py").write_text(TYPES)
    code, _, err = orchestrator("run", "types.py", "-p", "d=1,2")
    assert code == 2
    assert "--param d=1,2 is no list[int]: write it as JSON" in err


def test_a_parameter_without_default_is_asked_for(orchestrator, numbers):
    numbers.write_text(FLOW.replace("n: int = 4", "n: int"))
    code, _, err = orchestrator("run", "sums.py")
    assert code == 2
    assert "needs --param n=...; it takes n: int" in err


@pytest.mark.parametrize(
    ("content", "address", "problem"),
    [
        (None, "bad.py", "bad.py: No such file or directory"),
        ("x = 1", "bad.py", "bad.py defines no flow: decorate a function with @flow"),
        ("x = 1\ny = (", "bad.py", "bad.py, line 2: '(' was never closed"),
        ("x = 1\nimport nope", "bad.py", "bad.py, line 2: ModuleNotFoundError: No module named"),
        (FLOW, "bad.py:other", "bad.py defines no flow 'other'; there are numbers"),
        (FLOW + "\nsecond = flow(total.function)", "bad.py", "several flows: name one"),
        (FLOW.replace("x=listed", "z=listed"), "bad.py", "has no argument 'z'"),
        (FLOW.replace("(x=listed(n))", "(x=listed(n + 'a'))"), "bad.py", "TypeError: unsupported"),
        (
            FLOW.replace("@task\ndef follow", "@task(retries=-1)\ndef follow"),
            "bad.py",
            "retries is",
        ),
    ],
)
def test_a_file_in_trouble_is_told_by_name_and_line_without_traceback(
    orchestrator, tmp_path, content, address, problem
):
    if content is not None:
        (tmp_path / "bad.py").write_text(content)
    code, _, err = orchestrator("run", address)
    assert code == 2
    assert problem in err
    assert "Traceback" not in err


def test_errors_of_the_flow_function_name_its_line(orchestrator, numbers):
    numbers.write_text(FLOW.replace("    total(worked)", "    undefined"))
    _, _, err = orchestrator("run", "sums.py")
    assert f"sums.py, line {FLOW[: FLOW.index('    total(worked)')].count(chr(10)) + 1}: " in err


def test_a_file_with_the_name_of_a_library_and_modules_beside_it_can_be_used(
    orchestrator, numbers, tmp_path
):
    (tmp_path / "beside.py").write_text("FACTOR = 10")
    numbers.rename(tmp_path / "json.py")
    content = (tmp_path / "json.py").read_text().replace("10 * x", "FACTOR * x")
    (tmp_path / "json.py").write_text("from beside import FACTOR\n" + content)
    assert orchestrator("run", "json.py")[0] == 0


def test_options_of_the_one_way_of_running_are_refused_for_the_other(orchestrator, numbers):
    assert orchestrator("run", "sums.py", "--accept", "shrinking")[0] == 2
    assert orchestrator("run", "--param", "n=3")[0] == 2


def test_a_broken_configuration_is_named_though_the_flow_needs_only_its_ledger(
    orchestrator, numbers, tmp_path
):
    (tmp_path / "orchestrator.yaml").write_text("experimnt: x")
    code, _, err = orchestrator("run", "sums.py")
    assert code == 2
    assert "orchestrator.yaml" in err
    assert orchestrator("run", "sums.py", "--config", "nope.yaml")[2].count("nope.yaml") == 1


def test_a_bug_of_ours_keeps_its_traceback_and_is_called_one(orchestrator, numbers, monkeypatch):
    def broken(*_):
        raise KeyError("ours")

    monkeypatch.setattr("orchestrator.api.parameters.typed", broken)
    code, _, err = orchestrator("run", "sums.py")
    assert code == 70
    assert "Traceback" in err
    assert "this is a bug in orchestrator" in err


# -- what has run ------------------------------------------------------------------------------


def test_runs_lists_the_latest_first(orchestrator, numbers):
    orchestrator("run", "sums.py", "-p", "n=1")
    orchestrator("run", "sums.py", "-p", "n=2")
    _, out, _ = orchestrator("runs", "--json")
    assert [run["params"] for run in as_json(out)] == [{"n": 2}, {"n": 1}]
    header, first = orchestrator("runs", "--limit", "1")[1].splitlines()
    assert header.split() == ["id", "flow", "state", "started", "took", "instances"]
    assert "6 success" in first or "5 success" in first


def test_runs_says_what_to_do_when_there_are_none(orchestrator, tmp_path):
    assert "begin with: orchestrator run" in orchestrator("runs")[1]
    code, _, err = orchestrator("instances", "latest")
    assert code == 2
    assert "there is no ledger at" in err
    assert not (tmp_path / "state").exists(), "who only looks makes nothing"


def test_instances_are_chosen_by_task_state_and_key(orchestrator, numbers, tmp_path):
    (tmp_path / "bad-2").touch()
    orchestrator("run", "sums.py")

    def keys(*options):
        out = orchestrator("instances", "latest", "--json", *options)[1]
        return [(one["node"], one["key"]) for one in as_json(out)]

    assert keys("--state", "failed") == [("work", "2")]
    assert keys("--task", "work", "--limit", "2") == [("work", "0"), ("work", "1")]
    assert keys("--key", "[03]") == [("follow", "0"), ("follow", "3"), ("work", "0"), ("work", "3")]


def test_an_error_is_one_line_in_the_list_and_has_its_traceback_in_full(
    orchestrator, numbers, tmp_path
):
    (tmp_path / "bad-2").touch()
    orchestrator("run", "sums.py")
    _, line = orchestrator("instances", "latest", "--state", "failed")[1].splitlines()
    assert line.endswith("ValueError: 2 is bad")
    _, full, _ = orchestrator("instances", "latest", "--task", "work", "--key", "2")
    assert "arguments:   x=2" in full
    assert "Traceback (most recent call last):" in full


# -- rerun -------------------------------------------------------------------------------------


def test_what_failed_runs_again_with_what_depends_on_it_but_without_its_siblings(
    orchestrator, numbers, tmp_path
):
    (tmp_path / "bad-2").touch()
    orchestrator("run", "sums.py")
    (tmp_path / "bad-2").unlink()
    code, _, err = orchestrator("rerun", "latest")
    assert code == 0
    assert said(err, "work", "follow", "total") == ["work 2", "follow 20", "total 60"]
    assert "values are not stored: " not in err


def test_a_key_runs_again_though_it_succeeded(orchestrator, numbers):
    orchestrator("run", "sums.py")
    _, _, err = orchestrator("rerun", "latest", "--task", "work", "--key", "1")
    assert said(err, "work", "follow") == ["work 1", "follow 10"]


def test_a_rerun_can_be_rerun_with_the_parameters_of_the_first_run(orchestrator, numbers):
    orchestrator("run", "sums.py", "-p", "n=2")
    orchestrator("rerun", "latest", "--key", "1", "--task", "work")
    code, _, err = orchestrator("rerun", "latest", "--key", "0", "--task", "follow")
    assert code == 0
    assert said(err, "work", "follow") == ["follow 0"]


CONFIG = """
experiment: x
registry:
  source: inline
  models: [{id: m, estimator: sklearn.dummy.DummyClassifier}]
  customers: [{id: a}]
evaluation: {loader: "os:getcwd"}
tracking: {uri: "${FAR_AWAY}"}
ledger: ledger.db
"""

ASKING = """
from orchestrator.mapping import flow, task

@task
def ask(n):
    print("asked", n)

@flow
def asking(token: str, stage: str = "test"):
    ask.expand(n=[len(token)])
"""


def test_a_parameter_that_is_a_secret_is_kept_by_the_name_of_its_variable(
    orchestrator, tmp_path, monkeypatch
):
    (tmp_path / "asking.py").write_text(ASKING)
    (tmp_path / "orchestrator.yaml").write_text(CONFIG)
    monkeypatch.setenv("FAR_AWAY", "sqlite:///secret.db")
    _, out, _ = orchestrator("run", "asking.py", "-p", "token=sqlite:///secret.db", "--json")
    assert as_json(out)["params"] == {"token": "${FAR_AWAY}"}
    assert not any(b"secret.db" in file.read_bytes() for file in tmp_path.glob("ledger.db*"))
    _, _, err = orchestrator("rerun", "latest", "--task", "ask")
    assert said(err, "asked") == ["asked 19"]


def test_a_secret_parameter_whose_variable_is_gone_is_asked_for(monkeypatch):
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(UsageError, match="environment variable TOKEN is not set"):
        parameters.kept(
            FileRun(file="f.py", flow="f", digest="d", secret_params={"token": "${TOKEN}"})
        )


def test_nothing_chosen_is_said(orchestrator, numbers):
    orchestrator("run", "sums.py")
    code, _, err = orchestrator("rerun", "latest")
    assert code == 2
    assert "no instance is chosen" in err


def test_what_failed_runs_again_after_the_file_was_corrected(orchestrator, numbers):
    wrong = FLOW.replace("return 10 * x", "return 10 * y")
    numbers.write_text(wrong)
    assert orchestrator("run", "sums.py")[0] == 1
    numbers.write_text(FLOW)
    code, out, err = orchestrator("rerun", "latest")
    assert "sums.py has changed since flow run" in err
    assert (code, "instances: " in out, "failed" in out) == (0, True, False)


def test_a_flow_whose_file_is_gone_is_not_rerun(orchestrator, numbers):
    orchestrator("run", "sums.py")
    numbers.unlink()
    code, _, err = orchestrator("rerun", "latest", "--key", "1")
    assert code == 2
    assert "sums.py: No such file" in err


# -- graph, help, interrupts ---------------------------------------------------------------------


def test_the_graph_is_shown_without_running_anything(orchestrator, numbers):
    code, out, _ = orchestrator("graph", "sums.py")
    assert code == 0
    assert out.splitlines() == [
        "  1  listed",
        "  2  work [?]    for each of listed",
        "  3  follow [?]  for each of work",
        "     total       all of work",
    ]
    assert orchestrator("graph", "sums.py", "--mermaid")[1].startswith("flowchart LR\n")
    boxes = as_json(orchestrator("graph", "sums.py", "--json")[1])
    assert [box["name"] for box in boxes] == ["listed", "work", "follow", "total"]


def test_help_imports_nothing_slow():
    code = (
        "import sys, orchestrator.cli\n"
        "slow = {'mlflow', 'sklearn', 'pandas', 'numpy', 'distributed', 'sqlalchemy', 'optuna'}\n"
        "print(slow & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


def test_every_command_explains_itself_with_an_example(orchestrator):
    _, out, _ = orchestrator("--help")
    for command in ("run", "rerun", "graph", "runs", "instances"):
        assert f" {command} " in out
        assert f"Example: orchestrator {command}" in orchestrator(command, "--help")[1]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
def test_a_full_disk_under_stderr_changes_no_exit_code(tmp_path):
    command = [sys.executable, "-m", "orchestrator", "run", str(tmp_path / "none.py")]
    with Path("/dev/full").open("w") as full:
        assert subprocess.run(command, stderr=full, check=False).returncode == 2
