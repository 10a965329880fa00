"""The ledger as one object with a narrow part for each concern.

Touches no library itself; takes a database address; gives the parts; runs on the driver, which is
its only writer (law 5).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_runs import FlowRuns
from orchestrator.ledger.lives import Lives
from orchestrator.ledger.promotions import Promotions
from orchestrator.ledger.purge import Purge
from orchestrator.ledger.recorder import LedgerRecorder, TrialsOf
from orchestrator.ledger.snapshots import Snapshots
from orchestrator.ledger.studies import Studies
from orchestrator.ledger.trials import Trials


class Ledger:
    """The append-only memory of everything that was fetched, run, scored and deployed.

    Attributes:
        snapshots: What the registry returned.
        lives: Which customers and models were listed when, and how.
        flow_runs: Flow runs and their instances.
        studies: What the last studies followed from.
        trials: Trial results, and which of them MLflow still lacks.
        promotions: Changes of champions.
        purge: The only way anything leaves it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.snapshots = Snapshots(database)
        self.lives = Lives(database)
        self.flow_runs = FlowRuns(database)
        self.studies = Studies(database)
        self.trials = Trials(database)
        self.promotions = Promotions(database)
        self.purge = Purge(database)

    @classmethod
    def open(cls, address: str | Path) -> Self:
        """Open a ledger, made if there is none.

        Args:
            address: A file, or `sqlite:///ledger.db`, or `postgresql://user@host/database`.

        Raises:
            UsageError: The address is none the ledger can use.
            MachineryError: It cannot be opened, is corrupt, or is of a newer version.
        """
        return cls(Database(address))

    @classmethod
    def look(cls, address: str | Path) -> Self:
        """Open a ledger for reading; none is made: one that is not there yet is an empty one.

        Args and errors are those of `open`.
        """
        return cls(Database(address, make=False))

    @property
    def address(self) -> str:
        """Where it is, without a password."""
        return self._database.name

    def recorder(
        self, trials_of: TrialsOf | None = None, planned: Mapping[str, bool] | None = None
    ) -> LedgerRecorder:
        """A recorder for flow runs; its arguments are explained there."""
        return LedgerRecorder(self._database, trials_of, planned)

    def close(self) -> None:
        """Give up all connections; the object is of no use afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
