"""The modules of a project that a function or class depends on, and the packages beside them.

A loader's result follows from its own file, and from every module of the project that this file
imports, directly or through others: a corrected helper is a corrected loader. Installed packages
and the standard library are identified by version, not by content.

The files are parsed, never run, so that a module that is imported late, inside a function, counts
like any other. Touches no library; takes functions and classes; gives hashes and names; driver.
"""

import ast
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, lru_cache, partial
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    packages_distributions,
    version,
)
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

_OWN = Path(__file__).parent
"""This package: its code is not part of a project."""

_NOT_VERSIONED = sys.stdlib_module_names | {"orchestrator"}
_OTHERWISE_NAMED = {"sklearn": "scikit-learn"}
"""The packages every run asks for, known without a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rests:
    """The dependencies of a piece of a project's code.

    Attributes:
        files: The project's files, by path.
        packages: The top-level names it imports from elsewhere, the standard library included.
    """

    files: frozenset[Path]
    packages: frozenset[str]


def files_hash(files: Iterable[Path]) -> str:
    """A hash of the names and contents of some files, whatever their order and folders."""
    named = sorted((file.name, _content_hash(file, _changed(file))) for file in set(files))
    return hashlib.blake2b(repr(named).encode(), digest_size=16).hexdigest()


def rests_on(found: Any) -> Rests:
    """The project's files and the foreign packages that an object's code rests on.

    Code outside a project (installed, or of this program) rests on no project's files.
    """
    file = _file_of(found)
    if file is None or not is_of_project(file):
        module = getattr(found, "__module__", None) or type(found).__module__
        return Rests(files=frozenset(), packages=frozenset({str(module).partition(".")[0]}))
    return _followed([file, *_packages_around(file)])


def module_rests_on(name: str) -> Rests:
    """The same for a module by its name, which is not imported for it."""
    files = _absolute(Path.cwd() / "_", name, tuple(sys.path))
    if not files:
        return Rests(files=frozenset(), packages=frozenset({name.partition(".")[0]}))
    return _followed(files)


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the distributions behind top-level names.

    Args:
        packages: Top-level names as in imports, such as `sklearn`; names of the standard library,
            of this program, and of packages that are not installed are left out.
    """
    named = {_distribution(name) for name in packages if name not in _NOT_VERSIONED}
    return {name: version(name) for name in sorted(each for each in named if each)}


def _followed(waiting: list[Path]) -> Rests:
    """All that some files of a project rest on, themselves included."""
    files, packages = set[Path](), set[str]()
    while waiting:
        here = waiting.pop()
        if here not in files:
            files.add(here)
            imported, foreign = _imports(here, _changed(here), tuple(sys.path))
            packages |= foreign
            waiting += imported
    return Rests(files=frozenset(files), packages=frozenset(packages))


def _packages_around(file: Path) -> Iterator[Path]:
    """The `__init__.py` of each package a file is in: it runs before the file does."""
    for folder in file.parents:
        package = folder / "__init__.py"
        if not package.is_file():
            return
        yield package


@cache
def _distribution(name: str) -> str | None:
    """The distribution that a top-level name comes from; None where it is not installed."""
    for guess in chain([_OTHERWISE_NAMED.get(name, name)], _others(name)):
        try:
            version(guess)
        except PackageNotFoundError:
            continue
        return guess
    return None


def _others(name: str) -> Iterator[str]:
    """Yield the distributions that say they hold the name; to read all that takes two seconds."""
    yield from packages_distributions().get(name, ())


@lru_cache(maxsize=4096)
def is_of_project(file: Path) -> bool:
    """Whether a file is a project's own: not installed, not Python's, and not this program's."""
    if file.is_relative_to(_OWN):
        return False
    if any(file.is_relative_to(place) for place in _installed_places()):
        return False
    return not any(file in _recorded(folder) for folder in file.parents)


@lru_cache(maxsize=4096)
def _recorded(folder: Path) -> frozenset[Path]:
    """The files that an installer recorded beside them, as `pip install --target` does.

    An editable installation records only the link to the project, so a project's files are never
    among them.
    """
    installed = (Distribution.at(info).files or () for info in folder.glob("*.dist-info"))
    return frozenset(folder / each for files in installed for each in files)


@cache
def _installed_places() -> tuple[Path, ...]:
    places = {Path(path).resolve() for path in sysconfig.get_paths().values()}
    named = {"site-packages", "dist-packages"}
    site = {Path(path).resolve() for path in sys.path if Path(path).name in named}
    # The folder of scripts and of data is the environment itself, which may hold a project.
    apart = {Path(sysconfig.get_path(name)).resolve() for name in ("data", "scripts")}
    return tuple((places - apart) | site)


def _file_of(found: Any) -> Path | None:
    """The file that defines a function, a class, a callable object or a partial."""
    while isinstance(found, partial) or hasattr(found, "__wrapped__"):
        found = found.func if isinstance(found, partial) else found.__wrapped__
    if not (inspect.isroutine(found) or isinstance(found, type)):
        found = type(found)
    try:
        file = inspect.getsourcefile(found)
    except TypeError:  # written in C
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None


def _changed(file: Path) -> tuple[int, int]:
    """The time and size that distinguish states of a file, for caches."""
    seen = file.stat()
    return seen.st_mtime_ns, seen.st_size


@lru_cache(maxsize=4096)
def _content_hash(file: Path, _changed: tuple[int, int]) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()


@lru_cache(maxsize=4096)
def _imports(
    file: Path, _changed: tuple[int, int], path: tuple[str, ...]
) -> tuple[tuple[Path, ...], frozenset[str]]:
    """The project files that a file imports, and the top-level names of all else."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return (), frozenset()
    found, foreign = set[Path](), set[str]()
    for name, level in _imported_names(tree):
        files = _relative(file, name, level) if level else _absolute(file, name, path)
        found.update(files)
        if not files and not level:
            foreign.add(name.partition(".")[0])
    return tuple(sorted(found)), frozenset(foreign)


def _imported_names(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every dotted name that is imported, wherever it stands, and its number of leading dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            yield from ((f"{prefix}{alias.name}", node.level) for alias in node.names)


def _absolute(file: Path, name: str, path: tuple[str, ...]) -> list[Path]:
    """The project files behind `a.b.c`, whose last part may be a name in a module.

    A module beside the file is found too: the flow's or the loader's folder need not be on the
    path yet.
    """
    top, *rest = name.split(".")
    spec = PathFinder.find_spec(top, [*path, str(file.parent)]) or _by_other_finders(top)
    if spec is None:
        return []
    if spec.origin is None or spec.origin in {"namespace", "built-in", "frozen"}:
        folders = [Path(each) for each in spec.submodule_search_locations or ()]
        return [found for folder in folders for found in _below(folder, rest)]
    origin = Path(spec.origin).resolve()
    if not is_of_project(origin) or origin.suffix != ".py":
        return []
    return [origin, *(_below(origin.parent, rest) if spec.submodule_search_locations else ())]


def _by_other_finders(top: str) -> ModuleSpec | None:
    """Return what finders beside the path's say, such as that of an editable install."""
    try:
        return find_spec(top)
    except (ImportError, ValueError):  # a module without a spec, such as `__main__`
        return None


def _relative(file: Path, name: str, level: int) -> list[Path]:
    folder = file.parents[level - 1] if level <= len(file.parents) else file.parent
    package = folder / "__init__.py"
    return [*([package] if package.is_file() else ()), *_below(folder, name.split("."))]


def _below(folder: Path, parts: list[str]) -> list[Path]:
    """The files of `b` and `b.c` in a package's folder, as far as they are modules."""
    found = []
    for part in parts:
        package, module = folder / part / "__init__.py", folder / f"{part}.py"
        if module.is_file():
            found.append(module.resolve())
            break
        if package.is_file():
            found.append(package.resolve())
        elif not (folder / part).is_dir():
            break
        folder = folder / part
    return [file for file in found if is_of_project(file)]
