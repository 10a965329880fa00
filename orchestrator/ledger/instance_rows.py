"""An instance as a row of the ledger, and the row as a record again.

A column that has the name of a field of `InstanceRecord` holds the field's value unchanged, so a
new one needs nothing here. Touches no library itself; no I/O; runs on the driver.
"""

from dataclasses import fields
from operator import attrgetter
from typing import Any

from sqlalchemy import Row

from orchestrator import keys
from orchestrator.ledger.codec import clean, storable
from orchestrator.ledger.tables import instances
from orchestrator.records import InstanceRecord, State

_TRANSLATED = frozenset({"node", "key", "state", "error", "arguments"})
_FIELDS = frozenset(field.name for field in fields(InstanceRecord)) - _TRANSLATED
_PLAIN = tuple(column.name for column in instances.c if column.name in _FIELDS)
_COLUMNS = ("node", "key", "idx", "state", "error", "arguments", "customer", *_PLAIN)
_plain_values = attrgetter(*_PLAIN)


def instance_row(node: int, instance: InstanceRecord, *, of_customer: bool) -> dict[str, Any]:
    """Return the row of the table of instances.

    Args:
        node: The number of its node there.
        instance: The record.
        of_customer: Whether its flow run is one of an experiment.
    """
    values = (
        node,
        clean(instance.key),  # an identity: a secret that is part of it stays
        instance.index,
        instance.state.value,
        None if instance.error is None else storable(instance.error),
        storable(instance.arguments),
        customer_of(instance.key) if of_customer else None,
        *_plain_values(instance),
    )
    return dict(zip(_COLUMNS, values, strict=True))


def instance_of(flow_run: str, row: Row[Any]) -> InstanceRecord:
    """Return the record of a row, which has the columns of the table and its node's `name`."""
    return InstanceRecord(
        flow_run=flow_run,
        node=row.name,
        key=row.key,
        index=row.idx,
        state=State(row.state),
        error=row.error,
        arguments=row.arguments,
        **{name: getattr(row, name) for name in _PLAIN},
    )


def customer_of(key: str) -> str | None:
    """Return whose instance this is, in a flow run of an experiment; None for all customers' calls.

    This is the only place that knows that the training flow maps over customers first, so that its
    keys begin with their ids.
    """
    first = key.partition("/")[0]
    return clean(keys.split(first)[0]) if first and keys.is_lasting(first) else None
