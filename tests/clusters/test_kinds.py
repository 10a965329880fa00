"""Kinds of cluster: ours keep the contract, and one of another package is used by its name."""

import pytest

from orchestrator.clusters import Cluster, connect
from orchestrator.config import load
from orchestrator.errors import ConfigError
from tests.contracts.cluster_kinds import ClusterKindContract


class TestInline(ClusterKindContract):
    @pytest.fixture
    def cluster(self):
        return Cluster(kind="inline")


class TestLocal(ClusterKindContract):
    @pytest.fixture
    def cluster(self):
        return Cluster(kind="local", workers=1, dashboard=False)


class TestRemote(ClusterKindContract):
    @pytest.fixture
    def cluster(self, client):
        return Cluster(kind="remote", address=client.scheduler.address)


THREADS = """
from contextlib import contextmanager
from dataclasses import dataclass

from distributed import Client

from orchestrator.clusters import ClusterTraits
from orchestrator.errors import ConfigError


@dataclass
class ThreadsKind:
    count: int = 1
    traits = ClusterTraits(same_environment=True, shares_files=True)

    def check(self, cluster):
        if self.count < 1:
            raise ConfigError("must be at least 1", key="cluster.count")

    @contextmanager
    def connect(self, cluster):
        with Client(
            processes=False, n_workers=1, threads_per_worker=self.count, dashboard_address=None
        ) as client:
            yield client

    def cores(self, cluster):
        return self.count


class Unfinished:
    pass
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """A distribution whose entry points are a kind of cluster, and two that cannot be used."""
    (tmp_path / "threads_of_ours.py").write_text(THREADS)
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrator.clusters]\nthreads = threads_of_ours:ThreadsKind\n"
        "unfinished = threads_of_ours:Unfinished\nbroken = threads_of_ours:Gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


class TestThreads(ClusterKindContract):
    @pytest.fixture
    def cluster(self, plugged_in):
        return Cluster(kind="threads", settings={"count": 2})


def configured(tmp_path, cluster):
    path = tmp_path / "c.yaml"
    path.write_text(
        "experiment: small\nregistry: {source: inline, models: [], customers: []}\n"
        f"evaluation: {{loader: 'tests.support.synthetic:load'}}\ncluster: {cluster}\n"
    )
    return load(path)


@pytest.mark.usefixtures("plugged_in")
def test_a_kind_of_another_package_is_configured_with_its_own_keys(tmp_path):
    cluster = configured(tmp_path, "{kind: threads, count: 3, dashboard: false}").cluster
    assert (cluster.settings, cluster.dashboard) == ({"count": 3}, False)
    with connect(cluster) as client:
        assert sum(client.nthreads().values()) == 3


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        ("{kind: threads, count: 0}", r"c\.yaml: cluster\.count: must be at least 1"),
        ("{kind: threads, cuont: 1}", r"cluster: unknown key 'cuont'; did you mean 'count'"),
        ("{kind: local, count: 1}", r"cluster: unknown key 'count'; known are kind, workers, "),
        ("{kind: inlien}", r"cluster\.kind: there is no kind of cluster 'inlien'; known are"),
        ("{kind: unfinished}", r"cluster\.kind: .*threads_of_ours:Unfinished\) must have `traits`"),
        ("{kind: broken}", r"cluster\.kind: .*'broken' \(threads_of_ours:Gone\) cannot be loaded"),
        ("{kind: local, settings: {a: 1}}", r"cluster: unknown key 'settings'"),
    ],
)
def test_wrong_keys_and_kinds_are_refused_by_name(tmp_path, cluster, message):
    with pytest.raises(ConfigError, match=message):
        configured(tmp_path, cluster)
