"""The base folder of a configuration's relative addresses; these addresses made absolute.

Touches the file system; takes a configuration's `root` and addresses; gives paths; driver.
"""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator.clusters import Cluster, Tls
from orchestrator.errors import ConfigError
from orchestrator.settings import ExperimentSettings

_RELATIVE_SQLITE = re.compile(r"(?P<scheme>sqlite(\+\w+)?:///)(?P<file>[^/?:][^:]*)")


def root_of(path: Path, root: Any = None) -> Path:
    """Return the base folder of a configuration's relative addresses.

    Args:
        path: The configuration file.
        root: The file's key `root`, relative to the file's own folder; None stands for that folder.

    Raises:
        ConfigError: `root` is not the name of a folder.
    """
    if root is None:
        return _without_detours(path.absolute().parent)
    if not isinstance(root, str) or not root:
        raise ConfigError("must be a folder, such as `..`", file=str(path), key="root")
    try:
        found = (path.absolute().parent / root).resolve()
        is_folder = found.is_dir()
    except (OSError, ValueError) as error:  # too long, or with a NUL
        raise ConfigError(f"cannot be a folder: {error}", file=str(path), key="root") from error
    if not is_folder:
        raise ConfigError(f"there is no folder {found}", file=str(path), key="root")
    return found


def anchored(experiment: ExperimentSettings) -> ExperimentSettings:
    """Return the experiment with its relative addresses resolved against its root.

    Addresses are unchanged if the root is the current folder.
    """
    root = experiment.root
    if root is None or _is_current(root):
        return experiment
    artifacts = experiment.artifacts
    return replace(
        experiment,
        ledger=_from(root, experiment.ledger),
        tracking=_from(root, experiment.tracking),
        artifacts=None if artifacts is None else _from(root, artifacts),
        cluster=_with_certificates(root, experiment.cluster),
    )


def _without_detours(folder: Path) -> Path:
    """Return the folder without `..`, so that its name does not depend on the current folder."""
    plain = Path(os.path.normpath(folder))
    is_same = plain.is_dir() and folder.is_dir() and plain.samefile(folder)
    return plain if is_same else folder  # after a symbolic link, `..` leads elsewhere


def _is_current(root: Path) -> bool:
    return root.samefile(Path.cwd())


def _from(root: Path, address: str) -> str:
    """Return an address with its relative path, if any, resolved against the root."""
    if found := _RELATIVE_SQLITE.fullmatch(address):
        return f"{found['scheme']}{root / found['file']}"
    return address if ":" in address else str(root / address)


def _with_certificates(root: Path, cluster: Cluster) -> Cluster:
    if not isinstance(cluster.tls, Tls):
        return cluster
    tls = cluster.tls
    files = {name: _from(root, getattr(tls, name)) for name in ("ca", "cert", "key")}
    return replace(cluster, tls=Tls(**files))
