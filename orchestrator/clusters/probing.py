"""The self-description of a worker or a scheduler: modules, Python, packages.

Touches asyncio and installed packages; takes names; gives `Found`; runs on workers, on
the scheduler, and for comparison on the driver.
"""

import asyncio
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version

from orchestrator.user_code import RaisedError, user_code

COMPARED = ("numpy", "pandas", "scipy", "scikit-learn", "skops", "mlflow", "orchestrator")
"""The packages of every worker whose versions are compared with the driver's."""

OF_DASK = ("dask", "distributed", "cloudpickle")
"""The packages of workers and scheduler whose versions are compared."""

_ON_SCHEDULER = "orchestrator.mapping.dask.scheduler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The modules and versions of a process.

    Attributes:
        python: Its version of Python.
        versions: Versions by package; None for a package that is not installed.
        failures: The errors of modules that could not be imported, by module.
        is_slow: Whether it was still importing when the time expired.
    """

    python: str
    versions: Mapping[str, str | None]
    failures: Mapping[str, str] = field(default_factory=dict)
    is_slow: bool = False


async def probe(modules: Sequence[str], packages: Sequence[str], seconds: float) -> Found:
    """Look up versions, and import modules in a thread, so that the process stays responsive.

    Args:
        modules: Modules to import.
        packages: Packages whose versions are wanted.
        seconds: The time that imports may take; they continue in the background after that.
    """
    here = versions_here(packages)
    try:
        failures = await asyncio.wait_for(asyncio.to_thread(_failures, modules), seconds)
    except TimeoutError:
        return replace(here, is_slow=True)
    return replace(here, failures=failures)


async def probe_scheduler(seconds: float) -> Found:
    """Return the result of `probe` on the scheduler, which imports little."""
    return await probe((_ON_SCHEDULER,), OF_DASK, seconds)


def versions_here(packages: Sequence[str]) -> Found:
    """Return the versions of Python and of packages in this process."""
    return Found(
        python=platform.python_version(), versions={name: _version(name) for name in packages}
    )


def _failures(modules: Sequence[str]) -> Mapping[str, str]:
    return {name: error for name in modules if (error := _failure(name)) is not None}


def _failure(module: str) -> str | None:
    try:
        with user_code():
            import_module(module)
    except RaisedError as error:
        return str(error)
    return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
