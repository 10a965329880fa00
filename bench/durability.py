"""What it costs that nothing is forgotten: the job with its ledger, against the same without.

    python -m bench durability

With: as it is, the ledger a file that is synced to disk before MLflow hears of anything. Without:
instances and trials are not written at all, the trials wait for MLflow in memory, and what little
else the run writes (snapshot, customers, promotions, its lease) goes to a file in memory. The
overhead is the median of the rounds' own ratios: what disturbs a round disturbs both its ways.
"""

import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from operator import truediv
from pathlib import Path
from unittest.mock import patch

from bench._turns import ROUNDS, Figures, in_turn
from bench._ways import Setting, Spent, empty_mlflow, forget, ours, workers
from bench.job import FIRST, SHAPES
from orchestrator.ledger import Ledger, RecordedTrial
from orchestrator.ledger.database import Database
from orchestrator.ledger.recorder import LedgerRecorder, TrialsOf
from orchestrator.ledger.trials import Trials
from orchestrator.records import InstanceRecord, TrialResult

_WAYS = ("with", "without")
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory is what is meant


def measure(*, quick: bool = False) -> Figures:
    """The job's seconds with and without, of wall and of CPU, and what with takes more."""
    job = SHAPES[FIRST]()
    with workers() as client, tempfile.TemporaryDirectory() as folder:
        empty = empty_mlflow(Path(folder))

        def once(name: str, number: int) -> Spent:
            setting = Setting.new(job, client, Path(folder, f"{name}{number}"), empty)
            if name == "without":
                with _nothing_written():
                    spent = ours(setting)
            else:
                spent = ours(setting)
            client.run(forget)
            return spent

        ways = {name: partial(once, name) for name in _WAYS}
        spent = in_turn("durability", ways, rounds=ROUNDS if quick else 3 * ROUNDS)
    figures: Figures = {}
    for name, of in (("seconds", ""), ("cpu", "_cpu")):
        kept, lost = ([getattr(each, name) for each in spent[way]] for way in _WAYS)
        figures |= {
            f"durability.with{of}_s": statistics.median(kept),
            f"durability.without{of}_s": statistics.median(lost),
            f"durability.overhead{of}": statistics.median(map(truediv, kept, lost)) - 1,
        }
    return figures


class _Forgetful(Ledger):
    """A ledger that writes no instance and no trial."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._forgetful = self.trials = _TrialsInMemory(database)
        self._its_database = database

    def recorder(
        self, trials_of: TrialsOf | None = None, planned: Mapping[str, bool] | None = None
    ) -> LedgerRecorder:
        return _NoRecorder(self._its_database, trials_of, planned, self._forgetful)


class _TrialsInMemory(Trials):
    """Trials that wait for MLflow, and are gone then."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._waiting: dict[str, RecordedTrial] = {}

    def keep(self, results: Iterable[TrialResult]) -> None:
        waiting = [RecordedTrial(result=result, sent=None) for result in results]
        self._waiting |= {each.run_id: each for each in waiting}

    def pending(self, limit: int | None = None) -> Sequence[RecordedTrial]:
        return list(islice(self._waiting.values(), limit))

    def mark_sent(self, run_ids: Iterable[str]) -> None:
        for run_id in run_ids:
            self._waiting.pop(run_id)


class _NoRecorder(LedgerRecorder):
    """Hands the trials on, and writes nothing."""

    def __init__(self, database, trials_of, planned, trials: _TrialsInMemory) -> None:
        super().__init__(database, trials_of, planned)
        self._trials_in_memory = trials

    def record(self, instances: Sequence[InstanceRecord]) -> None:
        self._trials_in_memory.keep(self._trials(instances))


@contextmanager
def _nothing_written() -> Iterator[None]:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:

        def opened(_address: str) -> Ledger:
            return _Forgetful(Database(Path(folder, "ledger.db")))

        with patch.object(Ledger, "open", staticmethod(opened)):
            yield
