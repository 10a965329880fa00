"""The ledger as one object with a narrow part for each concern.

Touches SQLAlchemy; takes a database address; gives the parts; runs on the driver, which is
its only writer (law 5).
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from sqlalchemy import select

from orchestrator.errors import UsageError
from orchestrator.ledger.backups.backup import copy
from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_runs import FlowRuns
from orchestrator.ledger.history import Lives
from orchestrator.ledger.leases.holder import Hold, holding
from orchestrator.ledger.leases.leases import Leases
from orchestrator.ledger.logs import InstanceLogs
from orchestrator.ledger.promotions import Promotions
from orchestrator.ledger.recorder import LedgerRecorder, TrialsOf
from orchestrator.ledger.retention.erasure import Erasure
from orchestrator.ledger.retention.retention import Old
from orchestrator.ledger.retirements import Retirements
from orchestrator.ledger.snapshots import Snapshots
from orchestrator.ledger.store_identity import Identities
from orchestrator.ledger.studies import Studies
from orchestrator.ledger.tables import owner
from orchestrator.ledger.trials import Trials
from orchestrator.sql.addresses import for_tools, url_of
from orchestrator.sql.inserts import insert_missing


class Ledger:
    """The append-only memory of everything that was fetched, run, scored and deployed.

    Attributes:
        snapshots: The registry's lists, as fetched.
        lives: The periods of customers and models.
        flow_runs: Flow runs and their instances.
        logs: Logs of instances' attempts.
        identity: The stores that belong to it.
        leases: The present drivers of flows.
        studies: The last studies and their inputs.
        trials: Trial results, and those MLflow still lacks.
        promotions: Changes of champions.
        retirements: Models that MLflow shows as retired.
        old: Records that later work has replaced, and their removal.
        forgetting: The removal of a customer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.snapshots = Snapshots(database)
        self.lives = Lives(database)
        self.flow_runs = FlowRuns(database)
        self.logs = InstanceLogs(database)
        self.identity = Identities(database)
        self.leases = Leases(database)
        self.studies = Studies(database)
        self.trials = Trials(database)
        self.promotions = Promotions(database)
        self.retirements = Retirements(database)
        self.old = Old(database)
        self.forgetting = Erasure(database)

    @classmethod
    def open(cls, address: str | Path) -> Self:
        """Open a ledger; create it if there is none.

        Args:
            address: A file, or `sqlite:///ledger.db`, or `postgresql://user@host/database`.

        Raises:
            UsageError: The ledger cannot use the address.
            MachineryError: It cannot be opened, is corrupt, or is of a newer version.
        """
        return cls(Database(address))

    @classmethod
    def look(cls, address: str | Path) -> Self:
        """Open a ledger for reading; a missing one counts as empty and is not created.

        Args and errors are those of `open`.
        """
        return cls(Database(address, make=False))

    @classmethod
    def find(cls, address: str | Path) -> Self:
        """Open an existing ledger for reading.

        Args and further errors are those of `open`.

        Raises:
            UsageError: There is no ledger; the message names the place.
        """
        found = cls(Database(address, make=False))
        if not found.is_there:
            found.close()
            raise UsageError(
                f"there is no ledger at {found.place}: nothing has run with this configuration "
                "yet. Begin with `orchestrator run`, or name another configuration by --config"
            )
        return found

    @property
    def is_there(self) -> bool:
        """Whether it exists; else an empty one in memory stands for it."""
        return self._database.is_there

    @property
    def place(self) -> str:
        """The absolute path of its file, or its address without a password."""
        file = self._database.file
        return self.address if file is None else str(file.absolute())

    @property
    def address(self) -> str:
        """Its address, without a password."""
        return self._database.name

    @property
    def file(self) -> Path:
        """Its file.

        Raises:
            UsageError: It is on PostgreSQL and has no file, or the file does not exist yet.
        """
        file = self._database.file
        if file is None:
            raise UsageError(
                f"the ledger {self.address} is not a file: back it up with pg_dump --format=custom "
                f"--table='ledger_*' --file=FILE {for_tools(url_of(self.address))}"
            )
        if not file.exists():
            raise UsageError(f"there is no ledger {file} yet: nothing has run")
        return file

    def copy_to(self, target: Path) -> None:
        """Copy its file at this moment, even while a driver writes to it; the copy is checked.

        Raises:
            UsageError: It is not a file, or the target exists already.
            MachineryError: It is corrupt, or the target cannot be written.
        """
        source = self.file
        if target.exists():
            raise UsageError(f"{target} exists already; name another file")
        copy(source, target)

    def require_owner(self, experiment: str, *, claim: bool = False) -> None:
        """Refuse another experiment's ledger: its customers would be reported as removed.

        Args:
            experiment: The experiment that should own the ledger.
            claim: Whether to make it the experiment's own, if no experiment owns it yet.

        Raises:
            UsageError: Another experiment owns it.
        """
        with self._database.write() if claim else self._database.read() as connection:
            if claim:
                insert_missing(connection, owner, [{"id": 1, "experiment": experiment}])
            found = connection.execute(select(owner.c.experiment)).scalar_one_or_none()
        if found not in {None, experiment}:
            raise UsageError(
                f"the ledger {self.address} belongs to experiment {found!r}, not {experiment!r}: "
                "give each experiment a ledger of its own"
            )

    def require_driver(self) -> None:
        """Refuse to continue without the lease that was taken; do nothing without a lease.

        Raises:
            LeaseLostError: Another driver took this one's place.
        """
        with self._database.write():
            pass  # every writing transaction checks the lease

    def holding(
        self,
        flow: str,
        flow_run: str = "",
        *,
        force: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> AbstractContextManager[Hold]:
        """Hold the lease of a flow's only driver; see `leases.holder.holding`."""
        return holding(self._database, flow, flow_run, force=force, say=say)

    def recorder(
        self, trials_of: TrialsOf | None = None, planned: Mapping[str, bool] | None = None
    ) -> LedgerRecorder:
        """A recorder for flow runs; see `LedgerRecorder` for the arguments."""
        return LedgerRecorder(self._database, trials_of, planned)

    def close(self) -> None:
        """Close all connections; the object is unusable afterwards."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
