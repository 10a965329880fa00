"""Flows that are interrupted at the command line: Ctrl-C, SIGTERM, the grace time."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import psutil
import pytest

from tests.support.command_output import as_json

SLOW = """
import os
import time
from orchestrator.mapping import flow, task

@task(batch=1)
def work(x, seconds):
    os.write(1, b"begun\\n")  # at once, past all that listens
    time.sleep(seconds)

@flow
def slow(seconds: float):
    work.partial(seconds=seconds).expand(x=list(range(40)))
"""


def interrupted(folder, *arguments, times=1, number=signal.SIGINT):
    """Runs a flow and sends Ctrl-C, as a terminal does to all its processes, once a task runs.

    SIGTERM goes to the driver alone, as systemd and Kubernetes send it.
    """
    (folder / "slow.py").write_text(SLOW)
    with subprocess.Popen(
        [sys.executable, "-m", "orchestrator", "run", "slow.py", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        lines = []
        for said in ("begun", "stopping")[:times]:
            lines += read_up_to(process.stdout, said)
            send = os.killpg if number == signal.SIGINT else os.kill
            send(process.pid, number)
        lines += process.stdout.read().splitlines()
    # multiprocessing's own tracker ends when it sees that all others have
    _, left = psutil.wait_procs(processes_of_session(process.pid), timeout=10)
    assert not left
    return process.returncode, lines


def test_ctrl_c_while_the_cluster_is_made_begins_nothing(orchestrator, numbers, monkeypatch):
    @contextmanager
    def connect(_cluster):
        os.kill(os.getpid(), signal.SIGINT)
        yield None

    monkeypatch.setattr("orchestrator.clusters.connect", connect)
    code, out, err = orchestrator("run", "sums.py")
    assert (code, out, "interrupted before the run started; nothing was changed" in err) == (
        130,
        "",
        True,
    )
    assert json.loads(orchestrator("runs", "--json")[1]) == []


def read_up_to(stream, beginning):
    """The lines until one begins so."""
    lines = []
    while not (lines and lines[-1].startswith(beginning)):
        lines.append(stream.readline().rstrip())
        assert lines.count("") < 100, f"it has ended: {lines}"
    return lines


def processes_of_session(session):
    return [process for process in psutil.process_iter() if _session(process.pid) == session]


def _session(pid):
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@pytest.mark.parametrize("where", ["--inline", "--cluster"])
def test_ctrl_c_lets_what_runs_end_and_resume_goes_on(orchestrator, tmp_path, where):
    code, lines = interrupted(tmp_path, "-p", "seconds=0.05", where)
    assert code == 130
    [run] = as_json(orchestrator("runs", "--json")[1])
    assert run["state"] == "interrupted"
    assert lines[-1] == f"continue with: orchestrator resume {run['id']}"
    ended = run["counts"]["success"]
    assert run["counts"] == {"success": ended, "pending": 40 - ended}
    code, out, err = orchestrator("resume")
    assert (code, "instances: 40 success" in out) == (0, True)
    assert f"resuming flow run {run['id']} of slow" in err
    assert len(as_json(orchestrator("runs", "--json")[1])) == 1


def test_sigterm_does_the_same(orchestrator, tmp_path):
    code, _ = interrupted(tmp_path, "-p", "seconds=0.2", number=signal.SIGTERM)
    assert code == 130
    [run] = as_json(orchestrator("runs", "--json")[1])
    assert run["state"] == "interrupted"


@pytest.mark.parametrize("where", ["--inline", "--cluster"])
def test_what_takes_longer_than_the_grace_time_is_given_up(orchestrator, tmp_path, where):
    code, lines = interrupted(tmp_path, "-p", "seconds=100", "--grace", "0.3", where)
    assert code == 130
    assert "stopping: waiting at most 0.3 s for what runs; Ctrl-C again stops at once" in lines
    [run] = as_json(orchestrator("runs", "--json")[1])
    assert (run["state"], run["counts"]) == ("interrupted", {"pending": 40})


@pytest.mark.parametrize("where", ["--inline", "--cluster"])
def test_ctrl_c_again_stops_at_once(orchestrator, tmp_path, where):
    code, lines = interrupted(tmp_path, "-p", "seconds=100", where, times=2)
    assert code == 130
    assert "Traceback (most recent call last):" not in lines
    [run] = as_json(orchestrator("runs", "--json")[1])
    assert run["state"] == "interrupted"
