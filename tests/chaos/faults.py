"""What goes wrong: each fault strikes a scene once, at a moment that others choose.

Touches processes, databases and mounts of this machine; takes a `Scene` and its `Driver`. Whatever
a fault breaks for good it mends again, so that a later driver can finish the work.
"""

import os
import signal
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

import psutil
import psycopg

from orchestrator.ledger import Ledger
from tests.chaos.scene import Driver, Scene
from tests.support.places import wait_until


class UnexpectedError(Exception):
    """Something did not go wrong in the way it should; says what happened instead."""


class Fault(Protocol):
    """Something that goes wrong.

    Attributes:
        name: What the table calls it.
        needs: The places it needs, of `dask`, `mlflow`, `postgres`, `tmpfs`, `netns`, `clock`.
        anywhen: Whether it may strike before the first fit and after the last one.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    anywhen: ClassVar[bool]

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Break something, and mend it if nobody else would.

        Raises:
            UnexpectedError: What happened at once was not what should.
        """
        ...


@dataclass(frozen=True)
class DriverKilled:
    """`kill -9`; its workers must end by themselves."""

    name = "driver killed"
    needs = frozenset()
    anywhen = True

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill it, and wait until nothing of it is left."""
        left = psutil.Process(driver.process.pid).children(recursive=True)
        driver.kill()
        _, alive = psutil.wait_procs(left, timeout=60)
        if alive:
            raise UnexpectedError(f"{len(alive)} processes outlive the killed driver")


@dataclass(frozen=True)
class WorkerKilled:
    """`kill -9` of a worker; its nanny starts another."""

    name = "worker killed"
    needs = frozenset()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill any one."""
        for worker in _any_one(workers(scene, driver), random):
            _kill(worker)


@dataclass(frozen=True)
class AllWorkersKilled:
    """All workers at once."""

    name = "all workers killed"
    needs = frozenset()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill them."""
        for worker in workers(scene, driver):
            _kill(worker)


@dataclass(frozen=True)
class WorkerStopped:
    """SIGSTOP, and SIGCONT some seconds later: as when a machine swaps or is suspended."""

    name = "worker stopped and continued"
    needs = frozenset()
    anywhen = False
    seconds: float = 5.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Stop any one for up to that long."""
        for worker in _any_one(workers(scene, driver), random):
            with suppress(psutil.NoSuchProcess):
                worker.suspend()
                time.sleep(random.uniform(0.2, 1.0) * self.seconds)
                worker.resume()


@dataclass(frozen=True)
class SchedulerKilled:
    """`kill -9` of a scheduler of its own; somebody starts it again some seconds later."""

    name = "scheduler killed and restarted"
    needs = frozenset({"dask"})
    anywhen = False
    seconds: float = 3.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill it, and start it again at the same address."""
        cluster = scene.places["dask"]
        cluster.scheduler.kill()
        time.sleep(random.uniform(0, self.seconds))
        cluster.start_again()


@dataclass(frozen=True)
class MlflowKilled:
    """MLflow's server, for some seconds."""

    name = "MLflow killed and restarted"
    needs = frozenset({"mlflow"})
    anywhen = True
    seconds: float = 3.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill it, and start it again at the same address."""
        scene.places["mlflow"].kill()
        time.sleep(random.uniform(0, self.seconds))
        scene.places["mlflow"].start()


@dataclass(frozen=True)
class PostgresKilled:
    """The database server under ledger and MLflow, for some seconds."""

    name = "PostgreSQL killed and restarted"
    needs = frozenset({"postgres"})
    anywhen = True
    seconds: float = 2.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill it, and start it again."""
        scene.places["postgres"].kill()
        time.sleep(random.uniform(0, self.seconds))
        scene.places["postgres"].start()


@dataclass(frozen=True)
class LedgerLocked:
    """Somebody holds the ledger, as a backup or a curious person may."""

    name = "ledger locked"
    needs = frozenset()
    anywhen = False
    seconds: float = 20.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Hold it for so long, or until the driver has ended."""
        if scene.ledger.startswith("sqlite"):
            connection = sqlite3.connect(scene.ledger.removeprefix("sqlite:///"), timeout=60)
            connection.execute("BEGIN IMMEDIATE")
        else:
            connection = psycopg.connect(scene.ledger)
            connection.execute("LOCK TABLE ledger_trials IN ACCESS EXCLUSIVE MODE")
        time.sleep(self.seconds)
        connection.rollback()
        connection.close()


@dataclass(frozen=True)
class DiskFull:
    """The disk that ledger, MLflow and models are on, until somebody makes room."""

    name = "disk full"
    needs = frozenset({"tmpfs"})
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Fill it to the last byte, and make room again when the driver has ended or waited."""
        filling = scene.folder / "filling"
        with suppress(OSError), filling.open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
        with suppress(TimeoutError):
            wait_until(lambda: driver.ended, "end of the driver", seconds=10)
        filling.unlink()
        if "postgres" in scene.places:  # a server that cannot write its log ends
            scene.places["postgres"].start()


@dataclass(frozen=True)
class NetworkCut:
    """Nothing gets through between driver and cluster for some seconds."""

    name = "network cut"
    needs = frozenset({"netns"})
    anywhen = False
    seconds: float = 10.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Take the link down and up again."""
        scene.places["netns"].cut()
        time.sleep(random.uniform(0.2, 1.0) * self.seconds)
        scene.places["netns"].mend()


@dataclass(frozen=True)
class ClockSetBack:
    """The driver's clock goes back by an hour; see `tests.chaos.clock`."""

    name = "clock set back by an hour"
    needs = frozenset({"clock"})
    anywhen = True

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Tell the injected clock."""
        os.kill(driver.process.pid, signal.SIGUSR1)


@dataclass(frozen=True)
class SecondDriver:
    """Somebody starts the same experiment once more, while it runs."""

    name = "two drivers at once"
    needs = frozenset()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """It is told that another one is at work, and changes nothing."""
        wait_until(lambda: driver.ended or _is_held_by(driver, scene), "lease of the driver")
        second = scene.drive(random.choice(["run", "resume", "sync"]))
        code = second.wait()
        if code != _HELD and not driver.ended:
            raise UnexpectedError(f"a second driver ended with {code}:\n{second.said()}")


@dataclass(frozen=True)
class DriverOusted:
    """SIGSTOP; somebody takes its place by force; SIGCONT some seconds later."""

    name = "driver stopped, ousted, continued"
    needs = frozenset()
    anywhen = False
    seconds: float = 20.0

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """It finds out when it wakes; its successor waits for locks that it holds until then."""
        wait_until(lambda: driver.ended or _is_held_by(driver, scene), "lease of the driver")
        if driver.ended:
            return
        stopped = psutil.Process(driver.process.pid)
        stopped.suspend()
        successor = scene.drive("resume", "--force")
        with suppress(TimeoutError):
            limit = random.uniform(0.2, 1.0) * self.seconds
            wait_until(lambda: successor.ended, "end of the successor", seconds=limit)
        stopped.resume()
        codes = driver.wait(), successor.wait()
        if codes not in {(_FAILED, 0), (_FAILED, _FAILED), (0, _NOTHING_TO_DO)}:
            raise UnexpectedError(f"they ended with {codes}:\n{driver.said()}")


def _is_held_by(driver: Driver, scene: Scene) -> bool:
    with Ledger.look(scene.ledger) as ledger:
        return driver.process.pid in {lease.pid for lease in ledger.leases.list()}


_NOTHING_TO_DO = 2
_FAILED = 4
"""The exit code of who could not go on."""

_HELD = 75
"""The exit code of who finds another driver at work."""


def workers(scene: Scene, driver: Driver) -> list[psutil.Process]:
    """The worker processes there are now: those that nannies have started."""

    def found() -> list[psutil.Process]:
        tops = [driver.process.pid]
        if "dask" in scene.places:
            tops = [nanny.process.pid for nanny in scene.places["dask"].workers]
        return [process for top in tops for process in _spawned(top)]

    return wait_until(lambda: driver.ended or found(), "worker") and found()


def _any_one(found: list[psutil.Process], random: Random) -> list[psutil.Process]:
    """One of them; none where the driver has ended meanwhile, and its workers with it."""
    return random.sample(found, k=min(1, len(found)))


def _spawned(top: int) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        children = psutil.Process(top).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
