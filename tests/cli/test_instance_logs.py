"""`orchestrator logs`, `--logs`, `--keep-logs`; modules beside a flow's file."""

import json
import subprocess
import sys

import pytest

from orchestrator.cli import main

FLOW = """
import logging
from helpers import shout
from orchestrator import context, flow, task

@task
def speak(x):
    shout(x)
    logging.getLogger("mine").info("at %s", context.key)
    if x == "bad":
        raise ValueError("first line\\nsecond line")

@flow
def speaking():
    speak.options(key="{x}").expand(x=["good", "bad"])
"""

HELPERS = """
def shout(x):
    print(x.upper())
"""


@pytest.fixture
def orchestrator(tmp_path, monkeypatch, capsys):
    """Runs a command in another folder than that of the flow; gives code, stdout and stderr."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "speaking.py").write_text(FLOW)
    (tmp_path / "flows" / "helpers.py").write_text(HELPERS)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def run(*arguments):
        capsys.readouterr()
        sys.modules.pop("helpers", None)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        return ended.value.code, *capsys.readouterr()

    return run


SPEAKING = "../flows/speaking.py"


def test_what_a_failed_attempt_said_is_shown_with_its_whole_error(orchestrator):
    code, out, err = orchestrator("run", SPEAKING, "--no-logs")
    assert (code, "BAD" in out + err) == (1, False)
    assert "1 attempt printed or logged was not kept" in err
    _, out, _ = orchestrator("logs", "latest", "--key", "b*")
    assert out.startswith("speak bad, attempt 1\n  BAD\n  INFO mine: at bad\n  failed:\n")
    assert "    second line" in out.splitlines()


def test_why_there_is_nothing_is_said(orchestrator):
    orchestrator("run", SPEAKING)
    assert "--keep-logs all keeps every" in orchestrator("logs", "latest", "--key", "good")[2]
    assert "no instance of flow run" in orchestrator("logs", "latest", "--key", "nobody")[2]
    assert "matches 'nothing'" in orchestrator("logs", "latest", "--grep", "nothing")[2]
    assert orchestrator("logs", "latest", "--grep", "(")[0] == 2


def test_equal_errors_are_shown_once_and_not_called_nothing(orchestrator, tmp_path):
    (tmp_path / "flows" / "failing.py").write_text(
        "from orchestrator import flow, task\n\n"
        "@task\ndef fail(x):\n    raise ValueError('the disk is gone')\n\n"
        "@flow\ndef failing():\n    fail.expand(x=range(30))\n"
    )
    orchestrator("run", "../flows/failing.py")
    _, out, err = orchestrator("logs", "latest")
    assert out.count("Traceback") == 1
    assert out.startswith("fail 0, attempt 1\nfail 1, attempt 1\n")
    assert "and 10 more; `orchestrator instances` lists them\n  failed:\n" in out
    assert "besides these errors, no output" in err


def test_all_is_kept_when_asked_for_and_read_as_json_and_by_its_lines(orchestrator):
    orchestrator("run", SPEAKING, "--keep-logs", "all")
    good = json.loads(orchestrator("logs", "latest", "--key", "good", "--json")[1])
    assert [(log["node"], log["key"], log["attempt"], log["text"]) for log in good] == [
        ("speak", "good", 1, "GOOD\nINFO mine: at good\n")
    ]
    out = orchestrator("logs", "latest", "--grep", "^[A-Z]+$")[1]
    assert [line for line in out.splitlines() if line.startswith("  ")] == ["  BAD", "  GOOD"]


@pytest.mark.parametrize("asked", [(), ("--logs",), ("--json",)])
def test_lines_of_a_flow_in_this_process_are_shown_by_the_instances_name(orchestrator, asked):
    _, out, err = orchestrator("run", SPEAKING, *asked)
    assert "[speak good] GOOD\n[speak good] INFO mine: at good\n" in err
    assert "GOOD" not in out


def test_a_run_again_in_this_process_shows_what_is_said_too(orchestrator):
    orchestrator("run", SPEAKING)
    assert "[speak bad] BAD\n" in orchestrator("rerun", "latest")[2]
    assert "[speak bad] BAD\n" in orchestrator("resume", "latest")[2]


@pytest.mark.parametrize("where", ["--inline", "--cluster"])
def test_a_module_beside_the_file_is_found_and_json_lines_are_whole(orchestrator, tmp_path, where):
    command = [sys.executable, "-m", "orchestrator", "run", SPEAKING, where, "--log-json", "--logs"]
    ended = subprocess.run(
        command, cwd=tmp_path / "elsewhere", capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    said = {line["key"]: line["text"] for line in lines if line["event"] == "said"}
    assert said["good"] == "GOOD\nINFO mine: at good\n"


def test_a_relative_import_is_refused_with_the_cure(orchestrator, tmp_path):
    (tmp_path / "flows" / "speaking.py").write_text(FLOW.replace("from helpers", "from .helpers"))
    code, _, err = orchestrator("run", SPEAKING)
    assert code == 2
    assert "`from helpers import ...`" in err


def test_a_module_beside_the_file_does_not_replace_the_standard_librarys(orchestrator, tmp_path):
    (tmp_path / "flows" / "queue.py").write_text("raise RuntimeError('not this one')")
    (tmp_path / "flows" / "statistics.py").write_text("raise RuntimeError('nor this one')")
    assert orchestrator("run", SPEAKING)[0] == 1
    assert "speak[bad]" in orchestrator("run", SPEAKING)[1]


HOSTILE = """
from orchestrator import flow, task

@task
def speak(x):
    print("\\x1b[2Jwiped\\u202e")
    raise ValueError("\\x1b]0;title\\x07")

@flow
def speaking():
    speak.options(key="{x}").expand(x=["one\\n[speak two] forged\\x1b[1m"])
"""


def test_what_would_repaint_a_terminal_is_shown_as_escapes(orchestrator, tmp_path):
    (tmp_path / "flows" / "speaking.py").write_text(HOSTILE)
    _, out, err = orchestrator("run", SPEAKING, "--logs")
    assert "[speak one\\n[speak two] forged\\x1b[1m] \\x1b[2Jwiped\\u202e\n" in err
    _, shown, _ = orchestrator("logs", "latest")
    assert "speak one\\n[speak two] forged\\x1b[1m, attempt 1\n  \\x1b[2Jwiped\\u202e\n" in shown
    assert "ValueError: \\x1b]0;title\\x07" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(out + err + shown)


def test_what_is_typed_goes_before_the_configuration_and_that_before_the_flow(
    orchestrator, tmp_path
):
    file = tmp_path / "flows" / "speaking.py"
    file.write_text(FLOW.replace("@flow\n", '@flow(logs={"keep": "all"})\n'))

    def kept(*arguments):
        orchestrator("run", SPEAKING, "--fresh", *arguments)
        return "good, attempt" in orchestrator("logs", "latest")[1]

    assert kept()
    assert not kept("--keep-logs", "failed")
    configuration = tmp_path / "elsewhere" / "orchestrator.yaml"
    common = "experiment: shop\nevaluation: {loader: 'tests.support.synthetic:load'}\n"
    common += "registry: {source: inline, models: [], customers: []}\n"
    configuration.write_text(common)
    assert kept()
    configuration.write_text(common + "logs: {keep: none}\n")
    assert not kept()
