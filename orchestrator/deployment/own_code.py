"""The project's own modules that a model's classes need, so that they travel with the model.

Touches no library; takes classes; gives paths for MLflow's `code_paths`; runs on workers. MLflow
puts a model's `code` folder on `sys.path` when it loads the model.
"""

import ast
import atexit
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path
from sysconfig import get_path

_INSTALLED = frozenset({"site-packages", "dist-packages"})
"""A folder of this name in a module's path says that a requirement can name it."""

_PROGRAM = __name__.partition(".")[0]
"""This package may lie outside such a folder while it is developed, and never travels."""


def own_code(classes: Iterable[type]) -> list[str]:
    """Files and folders that hold the own modules of these classes, and what they import of these.

    Each is named as it would be found on `sys.path`: `models.py`, or the folder `package`.
    """
    modules = {each.__module__ for each in classes}
    own = frozenset(name for name in modules if _is_own(name))
    return list(_staged(own, _as_they_are(own))) if own else []


def _is_own(name: str) -> bool:
    """Whether a module is a Python file of the project, neither installed nor of Python itself."""
    source = getattr(sys.modules.get(name), "__file__", None)
    if source is None or name == "__main__" or name.partition(".")[0] == _PROGRAM:
        return False
    path = Path(source)
    is_pythons = path.is_relative_to(get_path("stdlib"))
    return path.suffix == ".py" and not is_pythons and not _INSTALLED & set(path.parts)


def _source(name: str) -> Path:
    return Path(str(sys.modules[name].__file__))


def _as_they_are(modules: frozenset[str]) -> tuple[tuple[str, int], ...]:
    """The files of these modules and when each was changed."""
    files = sorted(map(_source, modules))
    return tuple((str(file), file.stat().st_mtime_ns) for file in files)


@cache
def _staged(modules: frozenset[str], _changed: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """Copies of the modules and of what they import, laid out as on `sys.path`; made once."""
    place = Path(tempfile.mkdtemp(dir=_folder_of_this_process()))
    for name in _with_imports(modules):
        source = _source(name)
        copy = place.joinpath(*name.split("."))
        is_package = source.name == "__init__.py"
        copy = copy / source.name if is_package else copy.with_suffix(".py")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    return tuple(sorted(str(path) for path in place.iterdir()))


@cache
def _folder_of_this_process() -> str:
    """Where copies are kept until this process ends."""
    folder = tempfile.mkdtemp(prefix="orchestrator-code-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _with_imports(modules: Iterable[str]) -> set[str]:
    """These modules, the packages they are in, and the own ones that any of them imports."""
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in found or not _is_own(name):
            continue
        found.add(name)
        waiting += [name.rpartition(".")[0], *_imported_by(name)]
    return found


def _imported_by(name: str) -> Iterator[str]:
    """The modules that a module's statements may import, at any depth; names may be no modules."""
    source = _source(name)
    package = name if source.name == "__init__.py" else name.rpartition(".")[0]
    for statement in ast.walk(ast.parse(source.read_bytes())):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            if statement.level:
                base = resolve_name(f"{'.' * statement.level}{base}", package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in statement.names)
