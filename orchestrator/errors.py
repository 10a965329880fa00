"""The errors a person meets, as one small tree.

    OrchestratorError
    |-- UsageError                 the caller's mistake; nothing was started         exit 2
    |   |-- ConfigError            a file and a key of it are wrong
    |   `-- FlowError              a flow is built wrongly (is a TypeError too)
    |-- RegistryError              the registry failed or a guard refused its answer  exit 3
    |-- HeldError                  another driver is at work; nothing was started       exit 75
    |-- StoppedError               interrupted before the run started                exit 130
    `-- MachineryError             cluster, ledger or tracking failed                 exit 4
        |-- LeaseLostError         another driver took this one's place
        `-- ClaimLostError         another driver deploys in this one's place

A task's own failure is not one of these: it is a value, the `error` of its outcome (law 2). No
message shows a value that the configuration takes from the environment.

Touches no library; takes and gives messages; used on the driver and on workers.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from orchestrator.redaction import redacted


class OrchestratorError(Exception):
    """The base of all errors this package raises on purpose; commands end with `exit_code`."""

    exit_code: ClassVar[int] = 4

    def __str__(self) -> str:
        """The message, without secrets that a library's text may have quoted."""
        return redacted(super().__str__())


class UsageError(OrchestratorError):
    """The caller asked for something impossible; nothing was started."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration value is wrong.

    Args:
        problem: The problem and its cure.
        file: The file it was read from, when there is one.
        key: The dotted key inside the file, when one is to blame.
    """

    def __init__(self, problem: str, *, file: str | None = None, key: str | None = None) -> None:
        place = ": ".join(part for part in (file, key) if part)
        super().__init__(f"{place}: {problem}" if place else problem)
        self.problem, self.file, self.key = problem, file, key

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the parts: the message alone would lose file and key."""
        return _rebuild_config_error, (self.problem, self.file, self.key)


def _rebuild_config_error(problem: str, file: str | None, key: str | None) -> ConfigError:
    return ConfigError(problem, file=file, key=key)


class FlowError(UsageError, TypeError):
    """A flow is built wrongly; the message names the task and the argument."""


class RegistryError(OrchestratorError):
    """The registry could not be read, or a guard refused what it returned; nothing changed."""

    exit_code = 3


class HeldError(OrchestratorError):
    """Another driver is at work on the same experiment or flow; nothing was started."""

    exit_code = 75
    """EX_TEMPFAIL of sysexits.h: the same command may succeed later."""


class StoppedError(OrchestratorError):
    """Ctrl-C or SIGTERM came during the preparations; nothing was changed."""

    exit_code = 130
    """The exit code of any interrupted command."""

    def __init__(self) -> None:
        super().__init__("interrupted before the run started; nothing was changed")


class MachineryError(OrchestratorError):
    """The cluster, the ledger or the tracking server failed; recorded results are kept."""


class LeaseLostError(MachineryError):
    """Another driver replaced this one, which may write nothing more to the ledger."""


class ClaimLostError(MachineryError):
    """Another driver has claimed the aliases in MLflow, which this one may no longer move."""


@contextmanager
def as_machinery_error(doing: str, *foreign: type[Exception]) -> Iterator[None]:
    """Translate a library's errors at the border.

    Args:
        doing: The action that failed, for people; the message begins with it.
        *foreign: The library's exception classes.

    Raises:
        MachineryError: One of them was raised; its first line follows `doing`, since the rest is
            often the library's own SQL or traceback, and then the causes it names.
    """
    try:
        yield
    except foreign as error:
        raise MachineryError(f"{doing}: {chain_of(error)}") from error


def chain_of(error: BaseException) -> str:
    """The first line of an error's message, and those of the errors it was raised from.

    A library that wraps an error seldom repeats the reason: `OSError: No space left on device`.
    """
    first, *causes = causes_of(error)
    lines = [_first_line(first)]
    for cause in causes:
        line = f"{type(cause).__name__}: {_first_line(cause)}"
        if not any(_first_line(cause) in said for said in lines):
            lines.append(line)
    return ", caused by ".join(lines)


def causes_of(error: BaseException) -> list[BaseException]:
    """An error and the errors it was explicitly raised from, the outermost first."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return chain


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
