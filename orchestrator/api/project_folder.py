"""The folder of a project: relative addresses start from it, and modules are found in it.

Touches the process's current folder and `sys.path`; takes a folder; driver. Workers of a local
cluster inherit both.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from orchestrator.errors import UsageError
from orchestrator.settings import ExperimentSettings
from orchestrator.sql.addresses import file_of, url_of


@contextmanager
def working_in(folder: Path | None) -> Iterator[None]:
    """Make a folder the current one while the context lasts, and find modules in it from then on.

    Args:
        folder: The folder; None keeps the current one.
    """
    if folder is None:
        yield
        return
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}, where the experiment's addresses start")
    find_modules_in(folder)
    with chdir(folder):
        yield


def find_modules_in(folder: Path) -> None:
    """Find modules in a folder, before the current one but after all others.

    Installed modules come first, so that a file of a project never replaces a module of the
    standard library.
    """
    name, current = str(folder), str(Path.cwd())
    if name not in sys.path:
        sys.path.insert(len(sys.path) - (sys.path[-1] == current), name)


def require_no_earlier_ledger(experiment: ExperimentSettings) -> None:
    """Refuse to begin a second ledger where earlier versions kept one in the current folder.

    They resolved relative addresses against that folder, wherever the configuration was.

    Raises:
        UsageError: There is such a ledger, and none in the experiment's own folder.
    """
    root, file = experiment.root, file_of(url_of(experiment.ledger))
    if root is None or file is None or "root" in (experiment.document or {}) or file.is_file():
        return
    if not file.is_relative_to(root):
        return
    earlier = Path.cwd() / file.relative_to(root)
    if earlier.is_file():
        raise UsageError(
            f"relative addresses of {experiment.config} start from its own folder, where there is "
            f"no ledger {file}; but there is {earlier}. Write "
            f"`root: {os.path.relpath(Path.cwd(), root)}` into that file to use it"
        )
