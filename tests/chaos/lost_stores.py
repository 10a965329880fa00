"""Stores that are lost, damaged or exchanged under a ledger: faults that a person has to cure.

Touches the files and databases of a `Scene`; each fault strikes while a driver works, checks that
the next command reports what is wrong, and then cures it as the message says.
"""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.chaos.faults import DriverKilled, UnexpectedError
from tests.chaos.scene import MLFLOW, SECONDS_TO_END, Driver, Scene
from tests.support.places import wait_until

_UNWELL, _REFUSED = 1, 2
"""Exit codes: of a doctor who finds something, and of who refuses changed stores."""


@dataclass(frozen=True)
class ArtifactsLost:
    """The folder of all model files is deleted while models are written into it."""

    name = "artifact folder lost"
    needs = frozenset[str]()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Delete it, and have the doctor write the champions again once the driver has ended."""
        _await_champions(scene, driver, random)
        shutil.rmtree(scene.artifacts, ignore_errors=True)
        driver.wait()
        _treat(scene)


@dataclass(frozen=True)
class ModelDamaged:
    """A file of a champion's model is cut, changed or deleted."""

    name = "model file damaged"
    needs = frozenset[str]()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Damage any file of any champion, and have the doctor write it again."""
        _await_champions(scene, driver, random)
        models = [Path(champion.model.source) for champion in scene.confirmed()]
        if not models:
            raise UnexpectedError(f"no champion was confirmed:\n{driver.said()}")
        model = random.choice(sorted(models))
        files = sorted(file for file in model.rglob("*") if file.is_file())
        _damage(random.choice(files), random)
        driver.wait()
        if not scene.damaged():
            raise UnexpectedError(f"the damage in {model} is gone before anyone reported it")
        _treat(scene)


@dataclass(frozen=True)
class MlflowEmptied:
    """Somebody replaces MLflow's database by an empty one while no driver is at work."""

    name = "MLflow's database emptied"
    needs = frozenset[str]()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill the driver, and empty the database; the next driver sends everything again."""
        _await_trials_in_mlflow(scene, driver)
        DriverKilled().strike(scene, driver, random)
        scene.make_store(MLFLOW)


@dataclass(frozen=True)
class StoreChanged:
    """Somebody names another MLflow in the configuration, which has nothing of this ledger."""

    name = "MLflow's address changed"
    needs = frozenset[str]()
    anywhen = False

    def strike(self, scene: Scene, driver: Driver, random: Random) -> None:
        """Kill the driver, change the address, and cure that in either of the ways offered."""
        _await_trials_in_mlflow(scene, driver)
        DriverKilled().strike(scene, driver, random)
        before, other = scene.store, scene.make_store("other")
        scene.move_to(other)
        # A resume goes on with the configuration, and so with the MLflow, that the run began with.
        refused = scene.drive(random.choice(["run", "sync"]))
        code, runs = refused.wait(), scene.runs_in_mlflow()
        if code != _REFUSED or runs:
            raise UnexpectedError(
                f"a driver with another MLflow ended with {code} and sent {runs} trials:\n"
                f"{refused.said()}"
            )
        if random.random() < 0.5:
            scene.move_to(before)
            return
        for cure in (("sync", "--to-new-mlflow"), ("resume", "--new-config")):
            if code := scene.drive(*cure).wait():
                raise UnexpectedError(f"{' '.join(cure)} ended with {code}:\n{refused.said()}")


def _await_champions(scene: Scene, driver: Driver, random: Random) -> None:
    """Wait until some customers are served; at most half of them, so that others follow."""
    due = random.randint(1, max(1, scene.customers // 2))
    wait_until(lambda: driver.ended or len(scene.confirmed()) >= due, "champions", SECONDS_TO_END)


def _await_trials_in_mlflow(scene: Scene, driver: Driver) -> None:
    wait_until(lambda: driver.ended or scene.runs_in_mlflow(), "trials in MLflow", SECONDS_TO_END)


def _damage(file: Path, random: Random) -> None:
    content = file.read_bytes()
    way = random.choice(["cut", "changed", "deleted"])
    if way == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif way == "changed":
        file.write_bytes(bytes(byte ^ 1 for byte in content))
    else:
        with suppress(FileNotFoundError):
            file.unlink()


def _treat(scene: Scene) -> None:
    """Type `doctor`, which has to find what is damaged, then `doctor --fix`, which mends it."""
    damaged = scene.damaged()
    found = scene.drive("doctor")
    code = found.wait()
    if damaged and code != _UNWELL:
        raise UnexpectedError(
            f"the doctor ended with {code} though the files of {len(damaged)} champions, such as "
            f"{damaged[0]}'s, are damaged:\n{found.said()}"
        )
    fixed = scene.drive("doctor", "--fix")
    code = fixed.wait()
    if code not in {0, _UNWELL}:
        raise UnexpectedError(f"doctor --fix ended with {code}:\n{fixed.said()}")
    if left := scene.damaged():
        raise UnexpectedError(f"doctor --fix left {len(left)} damaged:\n{fixed.said()}")
