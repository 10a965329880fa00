"""`FILE.py[:flow]` -> the flow.

Touches importlib; takes the address that was typed; gives a `Flow`; runs on the driver. The file
becomes a module that workers cannot import, so its functions travel to them by value. Modules
beside it can be imported whatever the current folder is, by workers of a local cluster as well.
"""

import hashlib
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType

from orchestrator.api.project_folder import find_modules_in
from orchestrator.errors import MachineryError, UsageError
from orchestrator.mapping import Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A flow and its source file.

    Attributes:
        file: The file.
        name: The flow's name in it.
        flow: The flow.
        digest: A hash of the file's content.
    """

    file: Path
    name: str
    flow: Flow
    digest: str


def load(address: str) -> FlowFile:
    """Read a flow from a file.

    Args:
        address: `FILE.py`, or `FILE.py:flow` where the file defines several.

    Raises:
        UsageError: There is no such file or flow, or the file's own code fails.
    """
    file, name = _split(address)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    find_modules_in(file.resolve().parent)
    flows = _flows(_module(file, content))
    chosen = _choose(file, name, flows)
    digest = hashlib.sha256(content).hexdigest()
    return FlowFile(file=file, name=chosen, flow=flows[chosen], digest=digest)


@contextmanager
def blaming(file: Path) -> Iterator[None]:
    """Report errors of the file's own code by file and line, without the surrounding frames."""
    try:
        yield
    except MachineryError:
        raise
    except SyntaxError as error:
        place = f"{error.filename or file}, line {error.lineno}"
        raise UsageError(f"{place}: {error.msg}: {(error.text or '').strip()}") from error
    except Exception as error:
        line = _last_line_in(file, error.__traceback__)
        if line is None:
            raise
        kind = "" if isinstance(error, UsageError) else f"{type(error).__name__}: "
        raise UsageError(f"{file}, line {line}: {kind}{error}{_cure(error)}") from error


def _cure(error: Exception) -> str:
    """Return the cure for a file of flows that imports as if it were part of a package."""
    if isinstance(error, ImportError) and "no known parent package" in str(error):
        return (
            "; the file of a flow is not part of a package: import a module beside it by its name, "
            "`from helpers import ...`"
        )
    return ""


def _split(address: str) -> tuple[Path, str | None]:
    """Split at a colon that a name follows; any other colon belongs to the path."""
    file, colon, name = address.rpartition(":")
    return (Path(file), name) if colon and name.isidentifier() else (Path(address), None)


def _module(file: Path, content: bytes) -> ModuleType:
    # A unique name: a file called random.py must not replace the library's module.
    name = f"flow_file_{re.sub(r'[^A-Za-z0-9_]', '_', file.stem)}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise UsageError(f"{file} is no Python file: its name must end with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses, among others, look up their module
    with blaming(file):
        exec(compile(content, str(file), "exec"), module.__dict__)  # noqa: S102 - the user's own file
    return module


def _flows(module: ModuleType) -> dict[str, Flow]:
    """Return the flows that the file defines, or imports if it defines none."""
    found = {name: value for name, value in vars(module).items() if isinstance(value, Flow)}
    own = {n: flow for n, flow in found.items() if flow.function.__module__ == module.__name__}
    return own or found


def _choose(file: Path, name: str | None, flows: dict[str, Flow]) -> str:
    if not flows:
        raise UsageError(f"{file} defines no flow: decorate a function with @flow")
    listed = ", ".join(flows)
    if name is not None and name not in flows:
        raise UsageError(f"{file} defines no flow {name!r}; there are {listed}")
    if name is None and len(flows) > 1:
        raise UsageError(f"{file} defines several flows: name one, {file}:FLOW; there are {listed}")
    return name or next(iter(flows))


def _last_line_in(file: Path, traceback: TracebackType | None) -> int | None:
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(file):
            line = traceback.tb_lineno
        traceback = traceback.tb_next
    return line
