"""A cluster that cannot run an experiment, or would give other results, is refused at once."""

import dataclasses
import os
import re
import sys
from importlib.metadata import version

import psutil
import pytest

from orchestrator.clusters import Cluster, Needs, check, connect, require_ready
from orchestrator.errors import ConfigError, MachineryError
from orchestrator.ledger import Ledger
from orchestrator.maintenance.environment_checks import check_cluster
from orchestrator.pipeline.pipeline import run
from orchestrator.records import Evaluation
from tests.support.experiments import a_small_experiment
from tests.support.places import HOME, dask_cluster, environment_of

MODULE = """
from tests.support.synthetic import load


def own(estimator, data, truth):
    return 0.0
"""


def pretend_installed(folder, package, version):
    """Have processes with this folder on their path believe in another version of a package."""
    told = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """The address of a cluster of one worker with other versions of scikit-learn and skops."""
    folder = tmp_path_factory.mktemp("others")
    pretend_installed(folder / "path", "scikit-learn", "1.0")
    pretend_installed(folder / "path", "skops", "0.1")
    environment = environment_of(folder) | {"PYTHONPATH": f"{folder / 'path'}:{HOME}"}
    with dask_cluster(environment, workers=1) as started:
        await_workers(started.address, 1)
        yield started.address


def await_workers(address, count):
    with connect(Cluster(kind="remote", address=address)) as client:
        client.wait_for_workers(count, timeout=60)


def on(address, experiment, **changes):
    cluster = Cluster(kind="remote", address=address, **changes)
    return dataclasses.replace(experiment, cluster=cluster)


def nothing_was_changed(experiment):
    with Ledger.look(experiment.ledger) as ledger:
        return not ledger.flow_runs.list() and ledger.snapshots.latest() is None


def refused(experiment):
    """The refusal of a run, which has to come before anything is taken over."""
    with pytest.raises(MachineryError) as refusal:
        run(experiment)
    assert refusal.value.exit_code == 4
    assert nothing_was_changed(experiment)
    return str(refusal.value)


def test_modules_that_workers_lack_are_named_with_a_worker_and_the_cure(
    others, tmp_path, mlflow_url, monkeypatch
):
    (tmp_path / "only_here.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "only_here", raising=False)
    experiment = a_small_experiment(
        tmp_path,
        mlflow_url,
        evaluation=Evaluation(
            loader="only_here:load",
            scorers={"own": "only_here:own"},
            metrics=("own",),
            metric="own",
        ),
    )
    experiment = on(others, experiment, versions="warn")
    told = refused(experiment)
    assert re.match(r"worker tcp://127\.0\.0\.1:\d+ cannot import 'only_here': Mod", told)
    assert "No module named 'only_here'" in told
    assert "PYTHONPATH" in told
    finding = next(f for f in check_cluster(experiment) if f.level == "error")
    assert "cannot import 'only_here'" in finding.problem


def test_another_scikit_learn_on_the_workers_is_refused_unless_it_is_allowed(
    others, tmp_path, mlflow_url
):
    experiment = on(others, a_small_experiment(tmp_path, mlflow_url))
    here = version("scikit-learn")
    differs = f"has scikit-learn 1.0, the driver has {here}"
    told = refused(experiment)
    assert differs in told
    assert "versions: warn" in told
    assert "skops" not in told, "which changes no results"
    assert [f.level for f in check_cluster(experiment)] == ["error", "warning"]
    allowed = on(others, experiment, versions="warn")
    report = run(allowed)
    assert report.served == 3
    assert any(differs in note for note in report.notes)
    assert any("has skops 0.1" in note for note in report.notes)
    assert {f.level for f in check_cluster(allowed)} == {"warning"}


def test_a_scheduler_and_workers_without_the_package_are_refused(tmp_path, mlflow_url):
    (tmp_path / "path").mkdir()
    missing = "raise ModuleNotFoundError(\"No module named 'orchestrator'\")"
    (tmp_path / "path" / "orchestrator.py").write_text(missing)
    hidden = {"PYTHONPATH": str(tmp_path / "path"), "PYTHONSAFEPATH": "1"}
    with dask_cluster(environment_of(tmp_path) | hidden, workers=1) as started:
        await_workers(started.address, 1)
        experiment = on(started.address, a_small_experiment(tmp_path, mlflow_url))
        told = refused(experiment)
    for place in ("the Dask scheduler", "; worker tcp://127.0.0.1:"):
        assert place in told
    assert told.count("cannot run the package orchestrator: ") == 2
    assert told.count("No module named") == 2


def test_a_worker_that_does_not_answer_is_refused_in_time(tmp_path):
    with dask_cluster(environment_of(tmp_path), workers=1) as started:
        await_workers(started.address, 1)
        cluster = Cluster(kind="remote", address=started.address, connect_timeout=2.0)
        with connect(cluster) as client:
            (worker,) = client.run(os.getpid).values()
            psutil.Process(worker).suspend()
            with pytest.raises(MachineryError, match=r"worker tcp://.* did not answer within 2 s"):
                require_ready(client, cluster, Needs())


@pytest.mark.parametrize("kind", ["local", "inline"])
def test_versions_are_a_remote_clusters(kind):
    with pytest.raises(ConfigError, match=r"cluster\.versions: is for a remote cluster only"):
        check(Cluster(kind=kind, versions="warn"))
