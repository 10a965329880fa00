"""What studies were, without their trials: what their results followed from.

Touches SQLAlchemy; gives plain mappings; runs on the driver. `trials` writes what this reads.
"""

import json
from collections import Counter
from collections.abc import Mapping

from sqlalchemy import Select, func, select

from orchestrator.ledger.database import Database
from orchestrator.ledger.tables import studies

Parts = Mapping[str, str]
"""By name, hashes of what a study's results followed from."""


class Studies:
    """The last study of each customer and model."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def parts(self, customer: str | None = None) -> dict[str, Parts]:
        """By key, what the last study followed from, whether it succeeded or not.

        Args:
            customer: Only this one's; None for all.
        """
        last = _last()
        if customer is not None:
            last = last.where(studies.c.customer == customer)
        query = select(studies.c.key, studies.c.content).where(studies.c.id.in_(last))
        with self._database.read() as connection:
            return {key: _parts(content) for key, content in connection.execute(query)}

    def environments(self) -> Counter[str]:
        """How many last studies there are of each environment; a flow run has but one."""
        query = (
            select(func.count(), func.min(studies.c.content))
            .where(studies.c.id.in_(_last()))
            .group_by(studies.c.flow_run)
        )
        counted: Counter[str] = Counter()
        with self._database.read() as connection:
            for number, content in connection.execute(query):
                counted[_parts(content).get("environment", "")] += number
        return counted


def _last() -> Select[tuple[int]]:
    """Their numbers; without the studies that only score a champion again."""
    is_search = studies.c.key == studies.c.customer + "/" + studies.c.model
    grouped = studies.c.customer, studies.c.model
    return select(func.max(studies.c.id)).where(is_search).group_by(*grouped)


def _parts(content: str) -> Parts:
    found: Parts = json.loads(content).get("follows_from", {})
    return found
