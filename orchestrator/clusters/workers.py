"""Queries of a cluster's workers, and their imports in advance.

Touches distributed; takes a client; gives counts; driver, except for `_import`.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client


def threads(client: "Client | None") -> int:
    """Return the number of calls that can run at the same time."""
    return 1 if client is None else sum(client.nthreads().values())


def warm_up(client: "Client", modules: Sequence[str]) -> None:
    """Have the workers import modules while the driver is busy with something else.

    Returns at once. A module that cannot be imported fails, with a message, where it is used.
    """
    from distributed import fire_and_forget  # late: commands that start no cluster do not need it

    for worker in client.scheduler_info(n_workers=-1)["workers"]:
        imported = client.submit(_import, tuple(modules), workers=[worker], pure=False)
        fire_and_forget(imported)


def present_workers() -> int:
    """Return the number of workers of this process's cluster; 0 if there is no cluster."""
    from distributed import default_client  # late, as above

    try:
        return len(default_client().nthreads())
    except (ValueError, OSError, TimeoutError):  # no connection, or none at this moment
        return 0


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(Exception):  # a user's module may raise anything; its user sees it
            import_module(module)
