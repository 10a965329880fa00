"""The environment of a run: disk space, versions of libraries, and the cluster.

Touches the file system, installed packages and the cluster; gives `Finding`; runs on the driver.
"""

import shutil
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import Requirement

from orchestrator.clusters import connect, find_kind, readiness
from orchestrator.errors import MachineryError
from orchestrator.maintenance.findings import Finding, Level
from orchestrator.pipeline.worker_needs import needs_of
from orchestrator.records import ModelSpec
from orchestrator.settings import ExperimentSettings

_SCARCE, _NONE = 2**30, 100 * 2**20


def check_disks(experiment: ExperimentSettings) -> Iterator[Finding]:
    """Find local disks of ledger, MLflow and model files that lack space."""
    told: set[int] = set()
    for address in (experiment.ledger, experiment.tracking, experiment.artifacts or ""):
        folder = _folder(address)
        if folder is None or (device := folder.stat().st_dev) in told:
            continue
        told.add(device)
        free = shutil.disk_usage(folder).free
        if free < _SCARCE:
            yield Finding(
                check="disk",
                problem=f"{free / 2**20:,.0f} MiB are free at {folder}",
                cure="make room there; `orchestrator clean` archives what is old",
                level="error" if free < _NONE else "warning",
            )


def check_versions() -> Iterator[Finding]:
    """Find installed libraries whose versions this program does not support."""
    for text in metadata.requires("orchestrator") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            found = "not installed"
        if found == "not installed" or not wanted.specifier.contains(found, prereleases=True):
            yield Finding(
                check="versions",
                problem=f"{wanted.name} is {found}, and must be {wanted.specifier}",
                cure=f"pip install '{wanted.name}{wanted.specifier}'",
            )


def check_cluster(
    experiment: ExperimentSettings, models: Sequence[ModelSpec] = ()
) -> Iterator[Finding]:
    """Check that a cluster outside this environment answers, and can run the experiment.

    Args:
        experiment: The settings of the experiment.
        models: The models that a run would train, as far as they are known.
    """
    cluster = experiment.cluster
    if find_kind(cluster).traits.same_environment:
        return
    try:
        with connect(cluster) as client:
            if client is None:
                return
            address = cluster.address or client.scheduler_info(n_workers=0)["address"]
            found = readiness(client, needs_of(experiment, models), cluster.connect_timeout)
    except MachineryError as error:
        yield Finding(check="cluster", problem=str(error), cure="start it, or check its address")
        return
    if not found.workers:
        yield Finding(
            check="cluster",
            problem=f"the scheduler at {address} has no workers",
            cure="start some with `dask worker`; a run would wait for them",
            level="warning",
        )
    for kind, problem, cure in found.differences:
        is_meant = kind == "note" or (kind == "decisive" and cluster.versions == "warn")
        level: Level = "warning" if is_meant else "error"
        yield Finding(check="cluster", problem=problem, cure=cure, level=level)


def _folder(address: str) -> Path | None:
    """Return the folder of a local address, or its nearest existing parent."""
    parts = urlsplit(address)
    if not address or parts.scheme not in {"", "file", "sqlite"}:
        return None
    text = address.partition(":///")[2] if parts.scheme else address
    path = Path(text).absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
