"""The readers of written models: this process, or another one that is started once and reused.

If this process wrote the models itself, only another process can prove that they load. In either
process, reading ends with a time limit if a store hangs while it delivers the files, or if a model
hangs while it is loaded or predicts.

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
"""The time limit for a store to deliver a model's files, and again for loading and predicting."""

_Fetched = Literal["fetched"]
_FETCHED: _Fetched = "fetched"
"""The message of the reading process between fetching the files and loading the model."""

_PROGRAM = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer);"
    "from orchestrator.mlflow.model_files.readers import serve; serve()"
)


def reader(*, wrote_itself: bool) -> ReadBack:
    """Return the function that reads models back.

    Args:
        wrote_itself: Whether this process writes the models that are read.
    """
    return _reading_process().read_back if wrote_itself else _reading_thread().read_back


class ReadingThread:
    """A reader in a thread of this process; once a model hangs, it uses another process.

    A model that hangs keeps its thread, and its modules and path stay, which could affect the next
    model.

    Args:
        patience: The seconds that the store may take to deliver the files, and again the model to
            load and predict.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._has_hung = False

    def read_back(self, reading: Reading) -> ReadbackProblem | None:
        """Read a model back as `readback.read_back` does, within the time limit."""
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
    """A reader in another process, which is started at the first request, and again if it ends.

    It imports MLflow once, which takes some seconds, and then answers in milliseconds.

    Attributes:
        patience: The seconds that the store may take to deliver the files, and again the model to
            load and predict; after that the process is killed.
    """

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self.patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._asking = Lock()

    def read_back(self, reading: Reading) -> ReadbackProblem | None:
        """Read a model back in the other process; if that dies, the model is to blame."""
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
            if is_overdue.is_set():  # it answered while it was being killed
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
                with suppress(OSError):  # the process may have ended with a half-read reading
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
    os.dup2(2, 1)  # keep what a model prints, in Python or in C, out of the answers
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
    """Kill a process unless the block ends in time; yield an event that is set if it was killed."""
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
