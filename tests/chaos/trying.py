"""One attempt: a flow run, faults at random moments of it, resuming, and what came of it.

Touches nothing itself; takes a `Scene` and faults; gives an `Attempt`. Law: a fault is repaired by
itself, or the driver ends with a clear message and the next one finishes what was in flight.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from tests.chaos.faults import Fault, UnexpectedError
from tests.chaos.scene import SECONDS_TO_END, Driver, Scene
from tests.chaos.work import FOLDS
from tests.support.places import wait_until

_KILLED = -9
_GOOD_ENDS = frozenset({0, 4, 130, _KILLED})
"""All well; machinery failed, with a message; interrupted; killed by us."""

_MOST_DRIVERS = 12


@dataclass(frozen=True, kw_only=True)
class Calm:
    """An undisturbed flow run: by customer the champion's trial, and how many seconds it took."""

    champions: Mapping[str, str]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """What came of one flow run.

    Attributes:
        struck: How many faults struck before all was done.
        lost: Trials that ledger or MLflow lack.
        doubled: Trials that either has twice.
        repeated: Trials computed once more.
        in_flight: The most that may have been repeated: computed at a strike, but not recorded.
        drivers: How many drivers it took.
        problems: Whatever else is not as it should be, in sentences.
    """

    struck: int
    lost: int
    doubled: int
    repeated: int
    in_flight: int
    drivers: int
    problems: tuple[str, ...]

    @property
    def ended_well(self) -> bool:
        """Whether the law holds."""
        return not (self.problems or self.lost or self.doubled)


def endure(scene: Scene, faults: Sequence[Fault], random: Random, calm: Calm) -> Attempt:
    """Run a flow run through these faults, one after another, and on until it has succeeded.

    Args:
        scene: Fresh.
        faults: What goes wrong.
        random: Chooses the moments and the victims.
        calm: What it has to come to.
    """
    drivers, in_flight, struck = _Drivers(scene), 0, 0
    moments = _moments(faults, random, calm.seconds, scene.trials)
    for fault, moment in zip(faults, moments, strict=True):
        if not drivers.go_on_until(moment):
            break
        recorded = scene.trials_recorded() if scene.fits() else 0
        drivers.meet(fault, random)
        in_flight += max(0, scene.trials_done() - recorded)
        struck += 1
    drivers.finish()
    return _judged(scene, calm, drivers, struck=struck, in_flight=in_flight)


class _Drivers:
    """One driver after another, until one has finished the work.

    Attributes:
        present: The last one.
        count: How many there were.
        problems: How they ended, where they should not have ended so.
    """

    def __init__(self, scene: Scene) -> None:
        self._scene, self.count, self.problems = scene, 1, list[str]()
        self.present = scene.drive("run")

    def go_on_until(self, moment: "_Moment") -> bool:
        """Whether the moment comes before the work is finished."""
        while not moment.comes(self._scene, self.present):
            if self._ended() == 0 or not self._follow():
                return False
        return True

    def meet(self, fault: Fault, random: Random) -> None:
        """Have a fault strike the present one."""
        try:
            fault.strike(self._scene, self.present, random)
        except UnexpectedError as error:
            self.problems.append(str(error))

    def finish(self) -> None:
        """Go on until the work is finished."""
        while self._ended() != 0 and self._follow():
            pass

    def _ended(self) -> int:
        """The exit code of the present one, which must come."""
        try:
            return self.present.wait()
        except TimeoutError as error:
            self.problems.append(str(error))
            return _KILLED

    def _follow(self) -> bool:
        """Start the next one, unless there were too many."""
        code = self.present.process.returncode
        if code not in _GOOD_ENDS:
            self.problems.append(f"a driver ended with {code}:\n{self.present.said()}")
        if self.count == _MOST_DRIVERS:
            self.problems.append(f"{self.count} drivers did not do:\n{self.present.said()}")
            return False
        self.present, self.count = self._scene.drive(*self._scene.cure()), self.count + 1
        return True


@dataclass(frozen=True, kw_only=True)
class _Moment:
    """When a fault strikes: after so many fits, or so many seconds after the driver's start."""

    fits: int | None = None
    seconds: float = 0.0

    def comes(self, scene: Scene, driver: Driver) -> bool:
        """Wait for it; whether it comes before all is done."""
        if self.fits is None:
            with suppress(TimeoutError):
                wait_until(lambda: driver.ended, "end", seconds=self.seconds)
        else:
            due = self.fits
            wait_until(lambda: driver.ended or scene.fits() >= due, "progress", SECONDS_TO_END)
        return not driver.ended


def _moments(
    faults: Sequence[Fault], random: Random, seconds: float, trials: int
) -> Iterator[_Moment]:
    """In order; a fault alone may strike before the first fit or after the last one too."""
    shares = sorted(random.uniform(0.02, 0.95) for _ in faults)
    for fault, share in zip(faults, shares, strict=True):
        if fault.anywhen and len(faults) == 1 and random.random() < 0.5:
            yield _Moment(seconds=random.uniform(0, seconds))
        else:
            yield _Moment(fits=round(share * trials * FOLDS))


def _judged(scene: Scene, calm: Calm, drivers: _Drivers, *, struck: int, in_flight: int) -> Attempt:
    end, trials, problems = scene.end(), scene.trials, list(drivers.problems)
    champions = {customer: champion[0] for customer, champion in end.champions.items()}
    repeated = -(-end.fits // FOLDS) - trials
    if champions != calm.champions:
        problems.append(f"{len(dict(champions.items() ^ calm.champions.items()))} champions differ")
    if end.aliases != {customer: champion[1:] for customer, champion in end.champions.items()}:
        problems.append("aliases are not what the ledger says")
    if damaged := scene.damaged():
        problems.append(f"the model files of {len(damaged)} champions are damaged")
    if end.pending:
        problems.append(f"MLflow lacks {end.pending}")
    if repeated > in_flight:
        problems.append(f"{repeated} trials repeated, of {in_flight} in flight")
    return Attempt(
        struck=struck,
        lost=max(trials - len(end.ledger), trials - len(end.mlflow)),
        doubled=sum(end.ledger.values())
        - len(end.ledger)
        + sum(end.mlflow.values())
        - len(end.mlflow),
        repeated=repeated,
        in_flight=in_flight,
        drivers=drivers.count,
        problems=tuple(problems),
    )


def undisturbed(scene: Scene) -> Calm:
    """A flow run in which nothing goes wrong.

    Raises:
        RuntimeError: It fails all the same.
    """
    began = time.monotonic()
    driver = scene.drive("run")
    if driver.wait():
        raise RuntimeError(f"a run without faults fails:\n{driver.said()}")
    seconds = time.monotonic() - began
    champions = {customer: champion[0] for customer, champion in scene.end().champions.items()}
    return Calm(champions=champions, seconds=seconds)
