"""Reads the logs of instances' attempts.

Touches SQLAlchemy; gives `InstanceLog`; runs on the driver. `recorder` writes them.
"""

import zlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from orchestrator.ledger.database import Database
from orchestrator.ledger.flow_runs import full_id, key_matches, keys_begin
from orchestrator.ledger.lookup import of_task
from orchestrator.ledger.tables import logs, nodes
from orchestrator.records import InstanceLog


class InstanceLogs:
    """The kept prints, logs and warnings of instances' attempts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(
        self, flow_run: str, *, task: str | None = None, key_pattern: str | None = None
    ) -> Sequence[InstanceLog]:
        """Logs by node, key and attempt.

        Args:
            flow_run: Its id, a beginning of it that no other shares, or `latest`.
            task: Only those of this task, `fit`, or of one coordinator's calls, `fit@tune`.
            key_pattern: Only of keys that match, with `*`, `?` and `[...]` as in a shell.
        """
        with self._database.read() as connection:
            full = full_id(connection, flow_run)
            query = (
                select(nodes.c.name, logs)
                .join(nodes, nodes.c.id == logs.c.node)
                .where(nodes.c.flow_run == full, *keys_begin(logs.c.key, key_pattern))
                .order_by(nodes.c.id, logs.c.key, logs.c.attempt)
            )
            if task is not None:
                query = query.where(of_task(nodes.c.name, task))
            matches = key_matches(key_pattern)
            return [
                InstanceLog(
                    flow_run=full,
                    node=row.name,
                    key=row.key,
                    attempt=row.attempt,
                    text=text_of(row.content),
                )
                for row in connection.execute(query)
                if matches(row.key)
            ]


def content_of(text: str) -> bytes:
    """Text in the form that is kept."""
    return zlib.compress(text.encode("utf-8", "backslashreplace"))


def text_of(content: bytes) -> str:
    """Kept content as text."""
    return zlib.decompress(content).decode("utf-8", "replace")


def naming(connection: Connection, which: ColumnElement[bool], name: str) -> list[Any]:
    """The logs, among some, that contain a name."""
    found = connection.execute(select(logs).where(which)).all()
    return [row for row in found if name in text_of(row.content)]
