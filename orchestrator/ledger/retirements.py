"""The customers whose registered models MLflow shows as retired, so that no query is needed.

A run without models to retire or restore does not access MLflow. Touches SQLAlchemy;
takes and gives ids of customers; runs on the driver.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, bindparam, delete, select

from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import lives, promotions, retirements
from orchestrator.sql.inserts import insert_or_replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The changes that MLflow does not show yet.

    Attributes:
        retire: Customers that have a champion and are no longer listed.
        restore: Customers that are listed again.
    """

    retire: tuple[str, ...]
    restore: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether MLflow needs an update."""
        return bool(self.retire or self.restore)


class Retirements:
    """The customers whose models MLflow shows as retired."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def due(self) -> Due:
        """The difference between the list of customers and the state of MLflow."""
        shown = select(retirements.c.customer)
        served = select(promotions.c.customer).where(promotions.c.confirmed.is_not(None))
        retire = served.where(
            promotions.c.customer.not_in(_listed()), promotions.c.customer.not_in(shown)
        )
        restore = shown.where(retirements.c.customer.in_(_listed()))
        with self._database.read() as connection:
            return Due(
                retire=tuple(connection.execute(retire.distinct()).scalars()),
                restore=tuple(connection.execute(restore).scalars()),
            )

    def note(self, *, retired: Collection[str], restored: Collection[str]) -> None:
        """Note which customers' models MLflow now shows as retired, and which as live."""
        now = time.time()
        rows = [{"customer": customer, "at": now} for customer in retired]
        with self._database.write() as connection:
            insert_or_replace(connection, retirements, rows)
            if restored:
                gone = delete(retirements).where(retirements.c.customer == bindparam("restored"))
                connection.execute(gone, [{"restored": customer} for customer in restored])


def _listed() -> Select[tuple[str]]:
    """The customers that are listed now, active or paused."""
    return select(lives.c.key).where(
        lives.c.kind == "customer", lives.c.valid_to.is_(None), lives.c.state != "removed"
    )
