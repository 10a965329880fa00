"""Flows of files on a cluster that cannot run them."""

import socket
import subprocess
import sys

import yaml

from tests.support.places import free_port, kill_tree, wait_until

SCHEDULER = """
import sys
sys.modules["orchestrator"] = None
from distributed.cli.dask_scheduler import main
main()
"""
FLOW = """
from orchestrator.mapping import flow, task

@task
def double(x):
    return 2 * x

@flow
def doubled():
    return double.expand(x=range(3))
"""


def listens(port):
    """Whether something accepts connections at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_scheduler_without_the_package_is_named_and_leaves_no_flow_run(
    tmp_path, typed, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text(FLOW)
    port = free_port()
    settings = {
        "experiment": "shop",
        "registry": {"source": "inline", "models": [], "customers": []},
        "evaluation": {"loader": "flow:double"},
        "tracking": {"artifacts": str(tmp_path / "artifacts")},
        "cluster": {"kind": "remote", "address": f"tcp://127.0.0.1:{port}"},
    }
    (tmp_path / "orchestrator.yaml").write_text(yaml.safe_dump(settings))
    options = ["--host", "tcp://127.0.0.1", "--port", str(port), "--no-dashboard"]
    scheduler = subprocess.Popen([sys.executable, "-c", SCHEDULER, *options])
    try:
        wait_until(lambda: listens(port), "scheduler")
        code, _, err = typed("run", "flow.py", "--cluster")
        assert code == 4
        assert "the Dask scheduler cannot run the package orchestrator" in err
        assert "install what is missing there" in err
        assert "no flow run is recorded" in "".join(map(str, typed("runs")[1:]))
    finally:
        kill_tree(scheduler.pid)
        scheduler.wait()
