"""Whether a process that wrote its id down somewhere has died.

Touches os and psutil; takes and gives plain values; runs on the driver.
"""

import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import Connection, and_, delete, select, update

from orchestrator.errors import LeaseLostError
from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import flow_runs, leases
from orchestrator.sql.inserts import insert_missing


@cache
def here() -> str:
    """The scope in which process ids mean the same as for this process.

    It is one boot of one machine and one namespace of processes: containers may share a machine's
    name. If a system reports neither, it is the name of the host.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # not Linux
        return socket.gethostname()


def is_surely_dead(pid: int, place: str) -> bool:
    """Whether a process has certainly ended; False where that is unknown here."""
    if place != here():
        return False
    try:
        os.kill(pid, 0)  # only asks; unlike /proc it also finds processes that `hidepid` hides
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except PermissionError:  # it is alive, and another user's
        return False
    except (ProcessLookupError, psutil.NoSuchProcess):
        return True


LASTS = 30.0
"""Seconds without a heartbeat until a lease expires; longer than a database is ever busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """The source of time: `now` is wall-clock time, `elapsed` never goes back, `sleep` waits."""

    now: Callable[[], float] = time.time
    elapsed: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to drive a flow.

    Attributes:
        flow: The flow's name; an experiment's flow has the experiment's name.
        flow_run: The driven flow run; "" for other commands that write, such as a sync.
        token: A random token that identifies the holder.
        host, pid: The holder's machine and process, for people.
        place: The scope of `pid`: one boot of one machine, one namespace of processes.
        taken: The time it was taken, in epoch seconds by the holder's clock.
        beats: The number of heartbeats so far.
        beaten: The time of the last heartbeat, by the holder's clock.
        lasts: Seconds without a heartbeat until it expires.
    """

    flow: str
    flow_run: str
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    place: str = field(default_factory=here)
    taken: float
    beats: int = 0
    beaten: float
    lasts: float = LASTS

    def is_of_dead_process(self) -> bool:
        """Whether its holder was a process of this machine that has ended."""
        return is_surely_dead(self.pid, self.place)

    def is_fresh(self, now: float) -> bool:
        """Whether its last heartbeat was just now, as far as clocks can be trusted."""
        return abs(now - self.beaten) <= self.lasts

    def seems_over(self, now: float) -> bool:
        """Whether its holder seems to be dead; for display, not for decisions."""
        return self.is_of_dead_process() or now - self.beaten > self.lasts


class Leases:
    """The leases of all flows of a ledger."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self) -> Sequence[Lease]:
        """The leases that are held, or that a dead driver left."""
        with self._database.read() as connection:
            return all_leases(connection)

    def of(self, flow: str) -> Lease | None:
        """The lease of a flow; None if no driver has it."""
        with self._database.read() as connection:
            return _lease(connection, flow)

    def take(self, lease: Lease, *, after: Lease | None) -> bool:
        """Make a lease the flow's, unless another was faster; return whether it succeeded.

        Flow runs that were under way are over then, and are marked as interrupted.

        Args:
            lease: The new lease.
            after: The lease it replaces, in its last known state; None if there was none.
        """
        with self._database.write() as connection:
            if after is not None:
                connection.execute(delete(leases).where(_is_still(after)))
            insert_missing(connection, leases, [asdict(lease)])
            has_it = _token(connection, lease.flow) == lease.token
            if has_it:
                _mark_interrupted(connection, lease.flow)
        return has_it

    def beat(self, lease: Lease, now: float) -> Lease:
        """Renew a lease and return it.

        Raises:
            LeaseLostError: Another driver has taken it.
        """
        renewed = replace(lease, beats=lease.beats + 1, beaten=now)
        values = {"beats": renewed.beats, "beaten": renewed.beaten}
        with self._database.write() as connection:
            changed = connection.execute(update(leases).where(_is_own(lease)).values(values))
            if not changed.rowcount:
                raise lost(connection, lease)
        return renewed

    def release(self, lease: Lease) -> None:
        """Release a lease; do nothing if another driver has it already.

        A flow run whose end could not be written is over then, and is marked as interrupted.
        """
        with self._database.write() as connection:
            if connection.execute(delete(leases).where(_is_own(lease))).rowcount:
                _mark_interrupted(connection, lease.flow)


def all_leases(connection: Connection) -> list[Lease]:
    """The leases, read inside an open transaction."""
    return [Lease(**row) for row in connection.execute(select(leases)).mappings()]


def require_own(connection: Connection, lease: Lease) -> None:
    """Make sure that a lease is its holder's until the transaction ends.

    Raises:
        LeaseLostError: Another driver has it.
    """
    # On PostgreSQL the row is locked; on SQLite there is only one writer.
    if _token(connection, lease.flow, keep=True) != lease.token:
        raise lost(connection, lease)


def lost(connection: Connection, lease: Lease) -> LeaseLostError:
    """The error that names the present holder of the lease."""
    other = _lease(connection, lease.flow)
    taker = (
        "another driver took its place and has ended"
        if other is None
        else f"process {other.pid} on {other.host} took its place"
    )
    return LeaseLostError(
        f"this driver of {lease.flow!r} was treated as dead, or --force was used: {taker}. It "
        "writes nothing more to the ledger; its records so far are kept"
    )


def _mark_interrupted(connection: Connection, flow: str) -> None:
    """Mark the flow's running flow runs as interrupted: no driver is left."""
    under_way = and_(flow_runs.c.flow == flow, flow_runs.c.state == "running")
    connection.execute(update(flow_runs).where(under_way).values(state="interrupted"))


def _lease(connection: Connection, flow: str) -> Lease | None:
    query = select(leases).where(leases.c.flow == flow)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else Lease(**row)


def _token(connection: Connection, flow: str, *, keep: bool = False) -> str | None:
    query = select(leases.c.token).where(leases.c.flow == flow)
    query = query.with_for_update(read=True) if keep else query
    found: str | None = connection.execute(query).scalar_one_or_none()
    return found


def _is_own(lease: Lease) -> Any:
    return and_(leases.c.flow == lease.flow, leases.c.token == lease.token)


def _is_still(lease: Lease) -> Any:
    """The condition that a lease is unchanged: a heartbeat since then saves it."""
    return and_(_is_own(lease), leases.c.beats == lease.beats)
