"""Clusters: a client for as long as it is needed, and nothing left behind."""

import psutil
import pytest

from orchestrator.clusters import Cluster, Tls, check, connect
from orchestrator.errors import ConfigError, MachineryError


def test_inline_needs_no_client():
    with connect(Cluster(kind="inline")) as client:
        assert client is None


def test_a_local_cluster_runs_processes_on_loopback_and_leaves_none():
    before = set(psutil.Process().children(recursive=True))
    with connect(Cluster(workers=1, dashboard=False)) as client:
        assert client.scheduler.address.startswith("tcp://127.0.0.1:")
        assert client.submit(lambda: 41 + 1).result(timeout=30) == 42
        started = set(psutil.Process().children(recursive=True)) - before
        assert started
    _, alive = psutil.wait_procs(started, timeout=10)
    workers = [
        process for process in alive if "resource_tracker" not in " ".join(process.cmdline())
    ]
    assert not workers


def test_a_plain_scheduler_on_another_machine_is_refused():
    with pytest.raises(ConfigError, match=r"cluster\.address: .*insecure: true"):
        check(Cluster(kind="remote", address="tcp://10.0.0.1:8786"))


def test_a_plain_scheduler_is_allowed_on_loopback_or_when_written_out():
    check(Cluster(kind="remote", address="tcp://127.0.0.1:8786"))
    check(Cluster(kind="remote", address="tcp://10.0.0.1:8786", insecure=True))


def test_tls_needs_its_files():
    with pytest.raises(ConfigError, match=r"cluster\.tls"):
        check(Cluster(kind="remote", address="tls://scheduler:8786"))
    check(
        Cluster(
            kind="remote", address="tls://s:8786", tls=Tls(ca="ca.pem", cert="c.pem", key="k.pem")
        )
    )


def test_a_remote_cluster_without_address_is_refused():
    with pytest.raises(ConfigError, match="needs the scheduler's address"):
        check(Cluster(kind="remote"))


def test_a_scheduler_that_does_not_answer_is_a_clear_error():
    unused = Cluster(kind="remote", address="tcp://127.0.0.1:9", connect_timeout=0.5)
    with (
        pytest.raises(MachineryError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connect(unused),
    ):
        pass


def test_an_address_that_is_none_is_the_configurations_mistake():
    with (
        pytest.raises(
            ConfigError, match=r"cluster\.address: 'localhost' is no scheduler's address"
        ),
        connect(Cluster(kind="remote", address="localhost")),
    ):
        pass
