"""Who reads models back: this process, or another one that is started once and reused.

Where this process wrote the models itself, only another one can tell that they load. A store that
hangs while it gives the files, and a model that hangs while it is loaded or asked, are given up
after a while, in either process.

Touches no library but MLflow through `readback`; takes `Reading`s; gives their problems; runs on
the driver.
"""

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from functools import cache
from threading import Event, Lock, Thread, Timer
from typing import IO, Any, Literal

from orchestrator.mlflow.model_files.readback import ReadbackProblem, Reading, read_back

ReadBack = Callable[[Reading], ReadbackProblem | None]

PATIENCE_SECONDS = 600.0
"""How long a store may take to give a model's files, and then the model to be loaded and asked."""

_Fetched = Literal["fetched"]
_FETCHED: _Fetched = "fetched"
"""What the reading process says between the two."""

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    "from orchestrator.mlflow.model_files.readers import serve; serve()"
)


def reader(*, wrote_itself: bool) -> ReadBack:
    """What reads models back.

    Args:
        wrote_itself: Whether this process writes the models that are read.
    """
    return _reading_process().read_back if wrote_itself else _reading_thread().read_back


class ReadingThread:
    """Reads models back in this process, until one hangs, and later ones in another process.

    A model that hangs keeps its thread, and its modules and path stay: it could spoil the next one.

    Args:
        patience: Seconds that a store may take to give the files, and again the model.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._has_hung = False

    def read_back(self, reading: Reading) -> ReadbackProblem | None:
        """As `readback.read_back`."""
        if self._has_hung:
            return _reading_process().read_back(reading)
        fetched = Future[None]()
        answer = Future[ReadbackProblem | None]()
        either: list[Future[Any]] = [fetched, answer]

        def read() -> None:
            try:
                answer.set_result(read_back(reading, lambda: fetched.set_result(None)))
            except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
                answer.set_exception(error)

        Thread(target=read, name="read back", daemon=True).start()
        wait(either, self.patience, return_when=FIRST_COMPLETED)
        if fetched.done():
            wait([answer], self.patience)
        if answer.done():
            return answer.result()
        self._has_hung = True
        return _overdue(self.patience, reading, is_fetched=fetched.done())


class ReadingProcess:
    """Another process that reads models back; started when it is first asked, and again if it ends.

    It imports MLflow once, which takes it some seconds, and then answers in milliseconds.

    Attributes:
        patience: Seconds that a store may take to give the files, and again the model; the process
            is then ended.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = Lock()

    def read_back(self, reading: Reading) -> ReadbackProblem | None:
        """As `readback.read_back`, there; its death is the model's fault."""
        with self._asking:
            process = self._running()
            assert process.stdin is not None  # noqa: S101 - both are pipes
            assert process.stdout is not None  # noqa: S101 - as above
            is_fetched = False
            try:
                with _ended_after(self.patience, process) as is_overdue:
                    _send(process.stdin, (sys.path, reading))
                    answer = _receive(process.stdout)
                if answer == _FETCHED and not is_overdue.is_set():
                    is_fetched = True
                    with _ended_after(self.patience, process) as is_overdue:
                        answer = _receive(process.stdout)
            except (EOFError, OSError):
                code = process.wait()
                self.close()
                if is_overdue.is_set():
                    return _overdue(self.patience, reading, is_fetched=is_fetched)
                reason = f"the process that loaded it ended with code {code}"
                return ReadbackProblem(reason=reason, culprit="model")
            if is_overdue.is_set():  # it answered as it was being ended
                self.close()
            if answer == _FETCHED:
                return _overdue(self.patience, reading, is_fetched=False)
            return answer

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):  # of a process that ended with half a reading in the pipe
                    pipe.close()
        process.wait()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, and nothing of a user's
                [sys.executable, "-W", "ignore", "-c", _PROGRAM],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the driver, which then closes the pipe
            )
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            _send(self._process.stdin, sys.path)
        return self._process


def serve() -> None:
    """Read models back for the process that started this one, until it closes the pipe."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a model prints, in Python or in C, is no answer
    while True:
        try:
            sys.path[:], reading = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our driver
        except EOFError:
            return
        _send(answers, read_back(reading, lambda: _send(answers, _FETCHED)))


@cache
def _reading_process() -> ReadingProcess:
    process = ReadingProcess()
    atexit.register(process.close)
    return process


@cache
def _reading_thread() -> ReadingThread:
    return ReadingThread()


def _receive(pipe: IO[bytes]) -> ReadbackProblem | _Fetched | None:
    received: ReadbackProblem | _Fetched | None = pickle.load(pipe)  # noqa: S301 - of our process
    return received


def _send(pipe: IO[bytes], value: Any) -> None:
    pipe.write(pickle.dumps(value))
    pipe.flush()


@contextmanager
def _ended_after(seconds: float, process: "subprocess.Popen[bytes]") -> Iterator[Event]:
    """End a process unless the block ends in time; gives whether that was necessary."""
    is_overdue = Event()

    def end() -> None:
        is_overdue.set()
        process.kill()

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield is_overdue
    finally:
        timer.cancel()
        timer.join()


def _overdue(seconds: float, reading: Reading, *, is_fetched: bool) -> ReadbackProblem:
    if is_fetched:
        reason = f"it was not loaded and asked within {seconds:g} seconds"
        return ReadbackProblem(reason=reason, culprit="model")
    reason = f"the store did not give its files in {reading.source} within {seconds:g} seconds"
    return ReadbackProblem(reason=reason, culprit="store")
