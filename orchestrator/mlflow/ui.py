"""MLflow's web page, served until the user stops it.

Touches MLflow's command line; takes a tracking database; gives an address; runs on the driver.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

from orchestrator.errors import MachineryError, UsageError, as_machinery_error
from orchestrator.mlflow.addresses import is_server, without_password
from orchestrator.mlflow.health import check_answers

_HOST = "127.0.0.1"
_SECONDS_TO_START = 180.0
_SECONDS_TO_STOP = 10.0
_SECONDS_BETWEEN_TRIES = 0.1
_LINES_SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class WebPage:
    """A page that is being served, and its address."""

    address: str
    _server: "subprocess.Popen[bytes]"
    _log: IO[bytes]

    def wait(self) -> NoReturn:
        """Wait forever: the page is served until an exception, such as Ctrl-C, ends the wait.

        Raises:
            MachineryError: The server ended by itself; the message quotes its last output.
        """
        self._server.wait()
        raise _ended(self._log)


def require_database(uri: str) -> None:
    """Refuse to serve a page for an address that serves its own.

    Raises:
        UsageError: The tracking address is a server, which serves its own page.
    """
    if is_server(uri):
        raise UsageError(f"a server is running already: open {without_password(uri)}")


@contextmanager
def web_page(uri: str, *, artifact_root: str, port: int | None = None) -> Iterator[WebPage]:
    """Serve MLflow's web page to this machine only, until the `with` block ends.

    Args:
        uri: The tracking database.
        artifact_root: The folder for files of experiments that are created on the page.
        port: The port to listen on; None takes any free one.

    Yields:
        The page, once it answers.

    Raises:
        UsageError: The tracking address is a server, which serves its own page.
        MachineryError: The database cannot be used, the port is taken, or the server does not
            start.
    """
    require_database(uri)
    check_answers(uri)
    port = _claim_port(port)
    with tempfile.TemporaryFile() as log:
        server = _start(_command(port), _addresses(uri, artifact_root), log)
        try:
            url = f"http://{_HOST}:{port}"
            _wait_until_it_answers(url, server, log)
            yield WebPage(address=url, _server=server, _log=log)
        finally:
            _stop(server)


def _start(
    command: list[str], addresses: Mapping[str, str], log: IO[bytes]
) -> subprocess.Popen[bytes]:
    # Without MLflow's job runner, a second set of processes that training runs have no use for.
    environment = {**os.environ, **addresses, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603  # ours


def _addresses(uri: str, artifact_root: str) -> Mapping[str, str]:
    """Return the server's addresses under the names of MLflow's environment variables.

    They may hold passwords: only the owner of a process can read its environment, whereas every
    user of the machine sees its arguments.
    """
    return {
        "MLFLOW_BACKEND_STORE_URI": uri,
        "MLFLOW_REGISTRY_STORE_URI": uri,
        "MLFLOW_ARTIFACTS_DESTINATION": artifact_root,
    }


def _command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", _HOST, "--port", str(port)),
        *("--workers", "1", "--uvicorn-opts", "--log-level warning"),
    ]


def _wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + _SECONDS_TO_START
    while not _answers(url):
        if server.poll() is not None:
            raise _ended(log)
        if time.monotonic() > deadline:
            waited = f"MLflow's web page did not answer at {url} within {_SECONDS_TO_START:g} s"
            raise MachineryError("\n".join([f"{waited}; it said:", *_said(log)]))
        time.sleep(_SECONDS_BETWEEN_TRIES)


def _ended(log: IO[bytes]) -> MachineryError:
    return MachineryError("\n".join(["MLflow's web page ended by itself:", *_said(log)]))


def _said(log: IO[bytes]) -> list[str]:
    """Return the last lines of the server's output."""
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()[-_LINES_SHOWN:]
    return lines or ["(nothing)"]


def _answers(url: str) -> bool:
    try:
        with urlopen(f"{url}/health", timeout=_SECONDS_TO_STOP) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(_SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _claim_port(port: int | None) -> int:
    """Return the port, or any free one; without this check another server might answer there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with as_machinery_error(f"port {port} of {_HOST} is taken, choose another", OSError):
            probe.bind((_HOST, port or 0))
        return int(probe.getsockname()[1])
