"""Clusters: a client for as long as it is needed, and nothing left behind."""

import multiprocessing.spawn
import re
import sys
import time

import httpx
import psutil
import pytest
from distributed import Client

from orchestrator.clusters import Adaptive, Cluster, Tls, check, connect, warm_up
from orchestrator.errors import ConfigError, MachineryError
from tests.support.certificates import certified
from tests.support.places import dask_cluster, environment_of


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


def test_the_dashboard_of_a_local_cluster_answers():
    with connect(Cluster(workers=1)) as client:
        link = client.dashboard_link
        assert link.startswith("http://127.0.0.1:")
        assert httpx.get(link, timeout=30).status_code == 200


def test_a_plain_scheduler_on_another_machine_is_refused():
    with pytest.raises(ConfigError, match=r"cluster\.address: .*insecure: true"):
        check(Cluster(kind="remote", address="tcp://10.0.0.1:8786"))


def test_a_plain_scheduler_is_allowed_on_loopback_or_when_written_out():
    check(Cluster(kind="remote", address="tcp://127.0.0.1:8786"))
    check(Cluster(kind="remote", address="tcp://10.0.0.1:8786", insecure=True))


def test_tls_needs_its_files(tmp_path):
    secured = {"kind": "remote", "address": "tls://scheduler:8786"}
    with pytest.raises(ConfigError, match=r"cluster\.tls: tls:// needs the files"):
        check(Cluster(**secured))
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    tls = Tls(**{name: str(file) for name, file in files.items()})
    for name, file in files.items():
        with pytest.raises(ConfigError, match=rf"cluster\.tls\.{name}: .*{name}\.pem"):
            check(Cluster(**secured, tls=tls))
        file.touch()
    check(Cluster(**secured, tls=tls))


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


@pytest.mark.parametrize(
    "address",
    ["localhost", "scheduler:8786", "ws://scheduler:8786", "http://scheduler:8786", "tcp://:8786"],
)
def test_an_address_that_is_none_is_the_configurations_mistake(address):
    with pytest.raises(ConfigError, match=r"cluster\.address: .*write tls://scheduler:8786"):
        check(Cluster(kind="remote", address=address, insecure=True))


@pytest.mark.parametrize("kind", ["local", "inline"])
@pytest.mark.parametrize(
    "setting",
    [
        {"address": "tls://scheduler:8786"},
        {"tls": Tls(ca="ca.pem", cert="cert.pem", key="key.pem")},
        {"insecure": True},
    ],
)
def test_what_is_for_a_remote_cluster_only_is_refused_for_others(kind, setting):
    (key,) = setting
    with pytest.raises(ConfigError, match=rf"cluster\.{key}: .*write `kind: remote`"):
        check(Cluster(kind=kind, **setting))


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ({"workers": 0}, "cluster.workers: must be at least 1, not 0"),
        ({"threads": -1}, "cluster.threads: must be at least 1, not -1"),
        ({"workers": Adaptive(min=0, max=2)}, "cluster.workers.min: must be at least 1, not 0"),
        (
            {"workers": Adaptive(min=3, max=2)},
            "cluster.workers.max: must be at least min, which is 3",
        ),
        ({"memory_limit": "2 giraffes"}, "cluster.memory_limit: '2 giraffes' is not an amount"),
    ],
)
def test_sizes_that_cannot_be_are_refused(setting, told):
    with pytest.raises(ConfigError, match=re.escape(told)):
        check(Cluster(**setting))


@pytest.mark.parametrize("limit", ["auto", "2 GiB", "500MB", "0.5"])
def test_memory_is_written_in_dasks_words(limit):
    check(Cluster(memory_limit=limit))


def test_workers_that_do_not_start_are_a_failure_of_the_machinery(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setattr(multiprocessing.spawn, "_python_exe", "/nowhere/python")
    with (
        pytest.raises(MachineryError, match="the local cluster did not start"),
        connect(Cluster(workers=1, dashboard=False)),
    ):
        pass


def test_workers_import_what_they_are_told_to_and_nobody_waits_for_it(client):
    warm_up(
        client, ["no_such_module", "wave"]
    )  # of the standard library, and wanted by nobody else
    workers = client.scheduler_info(n_workers=-1)["workers"]
    looks = [
        client.submit(lambda: "wave" in sys.modules, workers=[worker], pure=False)
        for worker in workers  # a worker of one thread looks after it has imported
    ]
    assert client.gather(looks) == [True, True]


def test_an_adaptive_cluster_grows_with_the_work_and_shrinks_again():
    with connect(Cluster(workers=Adaptive(min=1, max=2), dashboard=False)) as client:
        client.wait_for_workers(1)
        busy = client.map(time.sleep, [0.5] * 20, pure=False)
        client.wait_for_workers(2, timeout=60)
        client.gather(busy)


def test_a_local_cluster_with_temporary_certificates_talks_to_nobody_else():
    with connect(Cluster(workers=1, dashboard=False, tls="temporary")) as client:
        assert client.scheduler.address.startswith("tls://127.0.0.1:")
        assert client.submit(lambda: 41 + 1).result(timeout=60) == 42
        assert all(worker.startswith("tls://") for worker in client.scheduler_info()["workers"])
        plain = client.scheduler.address.replace("tls://", "tcp://")
        with pytest.raises(OSError, match=r"Timed out|closed|reset"):
            Client(plain, timeout=1.0)


def test_temporary_certificates_are_for_local_clusters():
    for address in ("tls://scheduler:8786", "tcp://127.0.0.1:8786"):
        with pytest.raises(ConfigError, match=r"cluster\.tls: temporary .* for a local cluster"):
            check(Cluster(kind="remote", address=address, tls="temporary"))
    with pytest.raises(ConfigError, match=r"cluster\.tls: is for a remote cluster only"):
        check(Cluster(kind="inline", tls="temporary"))


@pytest.mark.slow
def test_a_cluster_behind_tls_takes_those_with_its_authoritys_certificate_only(tmp_path):
    """A scheduler and workers of their own, as `dask scheduler --tls-ca-file ...` starts them."""
    ours, anothers = certified(tmp_path / "ours"), certified(tmp_path / "anothers")
    environment = environment_of(tmp_path)
    with dask_cluster(environment, tls=ours) as started:
        with connect(Cluster(kind="remote", address=started.address, tls=ours)) as client:
            assert client.submit(lambda: 41 + 1).result(timeout=60) == 42
        strangers = Cluster(
            kind="remote", address=started.address, tls=anothers, connect_timeout=2.0
        )
        with pytest.raises(MachineryError, match="no Dask scheduler answers"), connect(strangers):
            pass
