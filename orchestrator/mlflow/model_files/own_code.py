"""The project's own modules that a model's classes need and that are stored with the model.

Touches no library; takes classes; gives paths for MLflow's `code_paths`; runs on workers. MLflow
puts a model's `code` folder on `sys.path` when it loads the model.
"""

import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from orchestrator.project_code import rests_on


def own_code(classes: Iterable[type]) -> list[str]:
    """Return the files and folders of the project's modules that these classes rest on.

    Modules that those import are included. Each has the name it has on `sys.path`: `models.py`, or
    the folder `package`.
    """
    files = frozenset[Path]().union(*(rests_on(each).files for each in classes))
    changed = tuple((file, file.stat().st_mtime_ns) for file in sorted(files))
    return list(_staged(changed)) if changed else []


@cache
def _staged(files: tuple[tuple[Path, int], ...]) -> tuple[str, ...]:
    """Copy files into the layout of `sys.path`; a file that has changed is copied again."""
    place = Path(tempfile.mkdtemp(dir=_folder_of_this_process()))
    loaded = _names_of_loaded_modules()
    for file, _ in files:
        copy = place / (loaded.get(file) or _below_the_path(file))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return tuple(sorted(str(path) for path in place.iterdir()))


@cache
def _folder_of_this_process() -> str:
    """Return the folder that keeps copies until this process ends."""
    folder = tempfile.mkdtemp(prefix="orchestrator-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _names_of_loaded_modules() -> dict[Path, str]:
    """Return, by file, the path of each loaded module below `sys.path`."""
    found = {}
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__file__", None)
        if source is not None and name != "__main__":
            file = Path(source)
            ending = "/__init__.py" if file.name == "__init__.py" else ".py"
            found[file.resolve()] = f"{name.replace('.', '/')}{ending}"
    return found


def _below_the_path(file: Path) -> str:
    """Return the path below `sys.path` of a file that belongs to no loaded module."""
    folders = (Path(entry).resolve() for entry in sys.path)
    above = [folder for folder in folders if file.is_relative_to(folder)]
    return file.relative_to(above[0]).as_posix() if above else file.name
