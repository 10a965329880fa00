"""`make chaos`: every fault, many times, on both databases; fails if anything is lost or doubled.

python -m tests.chaos [--times 5] [--only "worker killed"] [--seed 1]
"""

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from random import Random, SystemRandom

from tests.chaos import faults, lost_stores, mapped
from tests.chaos.faults import Fault
from tests.chaos.staging import DATABASES, Stage, why_not
from tests.chaos.trying import Attempt, Calm, endure, undisturbed

FAULTS: tuple[Fault, ...] = (
    faults.DriverKilled(),
    faults.WorkerKilled(),
    faults.AllWorkersKilled(),
    faults.WorkerStopped(),
    faults.SchedulerKilled(),
    faults.MlflowKilled(),
    faults.PostgresKilled(),
    faults.LedgerLocked(),
    faults.DiskFull(),
    faults.NetworkCut(),
    faults.ClockSetBack(),
    faults.SecondDriver(),
    faults.DriverOusted(),
    lost_stores.ArtifactsLost(),
    lost_stores.ModelDamaged(),
    lost_stores.MlflowEmptied(),
    lost_stores.StoreChanged(),
)

_DRIVER_TIMES = 5
"""The driver is killed so many times as often as anything else."""


@dataclass
class Row:
    """One line of the table."""

    fault: str
    database: str
    attempts: list[Attempt] = field(default_factory=list)
    skipped: str = ""

    def text(self) -> str:
        """As it is printed."""
        name = f"{self.fault:<34}{self.database:<10}"
        if self.skipped:
            return f"{name}skipped: {self.skipped}"
        tried = [attempt for attempt in self.attempts if attempt.struck]
        counts = (
            len(tried),
            sum(attempt.ended_well for attempt in tried),
            sum(attempt.lost for attempt in tried),
            sum(attempt.doubled for attempt in tried),
            sum(attempt.repeated for attempt in tried),
        )
        return name + "".join(f"{count:>12}" for count in counts)


def main() -> int:
    """Try, print, and say whether all ended well."""
    asked = _arguments()
    print(f"seed {asked.seed}", flush=True)
    rows, chosen = list[Row](), [fault for fault in FAULTS if asked.only in fault.name]
    kills = _killed(asked) if asked.only in mapped.NAME else None
    if not chosen:
        return int(kills is None or kills.went_wrong)
    with tempfile.TemporaryDirectory(prefix="chaos") as folder, Stage(Path(folder)) as stage:
        with stage.scene([], "sqlite") as scene:
            calm = undisturbed(scene)
        for fault in chosen:
            for database in asked.database or DATABASES:
                row = Row(fault.name, database, skipped=why_not(fault, database) or "")
                if not row.skipped:
                    _try(row, fault, stage, calm, asked)
                print(row.text(), flush=True)
                rows.append(row)
    print(f"\n{'fault':<34}{'database':<10}{'tried':>12}{'ended well':>12}", end="")
    print(f"{'lost':>12}{'doubled':>12}{'repeated':>12}")
    print("\n".join(row.text() for row in rows))
    went_wrong = kills is not None and kills.went_wrong
    return int(went_wrong or any(not a.ended_well for row in rows for a in row.attempts))


def _killed(asked: argparse.Namespace) -> mapped.Kills:
    """The row of kills under load, which needs neither database nor driver of its own."""
    kills = mapped.killing(asked.kills, Random(f"{asked.seed} {mapped.NAME}"))
    print(kills.text(), *kills.problems, sep="\n", flush=True)
    return kills


def _try(row: Row, fault: Fault, stage: Stage, calm: Calm, asked: argparse.Namespace) -> None:
    times = asked.times * (_DRIVER_TIMES if isinstance(fault, faults.DriverKilled) else 1)
    for number in range(times):
        # A text as seed, so that one attempt can be made again alone.
        name = f"{asked.seed} {row.fault} {row.database} {number}"
        with stage.scene([fault], row.database) as scene:
            attempt = endure(scene, [fault], Random(name), calm)
        row.attempts.append(attempt)
        for problem in attempt.problems:
            print(f"{name}: {problem}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--times", type=int, default=5, help="attempts a fault and database")
    parser.add_argument("--kills", type=int, default=100, help="of the scheduler under load")
    parser.add_argument("--only", default="", help="faults whose name has this in it")
    parser.add_argument("--database", choices=DATABASES, action="append", help="by default both")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    return parser.parse_args()


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{time.monotonic() - began:.0f} s")
    sys.exit(code)
