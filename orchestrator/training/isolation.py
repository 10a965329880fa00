"""The state of a process while studies run in it: one BLAS thread, warnings counted.

Touches threadpoolctl and the standard `warnings`, whose settings belong to the whole process:
they are changed when the first study begins and restored when the last one ends, so that studies
in several threads of a worker do not restore each other's settings. Runs on workers.

A study always uses one thread: the workers provide the parallelism, and the number of threads
changes the last bits of the results of BLAS and OpenMP, so scores would depend on the machine
(law 9).
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, lru_cache
from threading import Lock, local

from threadpoolctl import ThreadpoolController

logger = logging.getLogger(__name__)


@contextmanager
def isolated(study_key: str) -> Iterator[None]:
    """Give the context in which a study's estimators are fitted.

    The warnings of scikit-learn (such as thousands that lbfgs did not converge) are counted and
    logged as one line.
    """
    process = _of_this_process()
    with process.held(), _openmp().limit(limits=1), process.counted(study_key):
        yield


class _ProcessState:
    """The settings that are changed for the whole process while at least one study runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0
        self._changes = ExitStack()
        self._thread = local()

    @contextmanager
    def held(self) -> Iterator[None]:
        with self._lock:
            if self._holders == 0:
                self._change()
            self._holders += 1
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._changes.close()

    @contextmanager
    def counted(self, study_key: str) -> Iterator[None]:
        messages: list[str] = []
        self._thread.messages = messages
        try:
            yield
        finally:
            self._thread.messages = None
            if messages:
                count, first = len(messages), messages[0]
                logger.info("%s: %d warnings, the first: %s", study_key, count, first)

    def _change(self) -> None:
        self._changes.enter_context(_controller().select(user_api="blas").limit(limits=1))
        self._changes.enter_context(warnings.catch_warnings())
        warnings.simplefilter("always")
        shown = warnings.showwarning

        def count(message: Warning | str, category: type[Warning], *where: object) -> None:
            messages = getattr(self._thread, "messages", None)
            if messages is None:  # a thread that does not run a study
                shown(message, category, *where)  # type: ignore[arg-type]  # passed on as it came
            else:
                messages.append(f"{category.__name__}: {message}".splitlines()[0])

        warnings.showwarning = count  # type: ignore[assignment]  # narrower in its last arguments


@cache
def _of_this_process() -> _ProcessState:
    return _ProcessState()


def _controller() -> ThreadpoolController:
    """The libraries that are loaded now; finding them takes a millisecond."""
    return _found_with(len(sys.modules))[0]


def _openmp() -> ThreadpoolController:
    """The OpenMP libraries; each study sets their number of threads, which is kept per thread."""
    return _found_with(len(sys.modules))[1]


@lru_cache(maxsize=1)
def _found_with(_modules: int) -> tuple[ThreadpoolController, ThreadpoolController]:
    """All libraries, and those of OpenMP; looked for again once more modules are imported.

    A model of another package, such as XGBoost, loads a library of its own with its first study.
    """
    found = ThreadpoolController()
    return found, found.select(user_api="openmp")
