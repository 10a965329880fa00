"""What is asked and told of a cluster's workers, apart from work.

Touches distributed; takes a client; gives counts; driver, but for `_import`.
"""

from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from distributed import Client


def threads(client: "Client | None") -> int:
    """How many calls can run at the same time."""
    return 1 if client is None else sum(client.nthreads().values())


def warm_up(client: "Client", modules: Sequence[str]) -> None:
    """Have the workers import modules while the driver is busy with something else.

    Returns at once. What cannot be imported fails where it is needed, and says so there.
    """
    from distributed import fire_and_forget  # late: commands that start no cluster need none

    for worker in client.scheduler_info(n_workers=-1)["workers"]:
        imported = client.submit(_import, tuple(modules), workers=[worker], pure=False)
        fire_and_forget(imported)


def present_workers() -> int:
    """How many workers the cluster has that this process is connected to; 0 where there is none."""
    from distributed import default_client  # late, as above

    try:
        return len(default_client().nthreads())
    except (ValueError, OSError, TimeoutError):  # connected to none, or not at this moment
        return 0


def _import(modules: Sequence[str]) -> None:
    for module in modules:
        with suppress(Exception):  # a user's module may raise anything; so will who needs it
            import_module(module)
