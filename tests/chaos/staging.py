"""Scenes made to measure: with the database, the servers and the disk that their faults need.

Touches PostgreSQL, mounts and network namespaces; takes faults; gives a `Scene`.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

from tests.chaos.faults import Fault
from tests.chaos.scene import MLFLOW, Scene, environment, prepare
from tests.chaos.work import CUSTOMERS
from tests.support.places import Postgres, dask_cluster, mlflow_server, network, postgres, tmpfs

Database = Literal["sqlite", "postgres"]

DATABASES: tuple[Database, ...] = ("sqlite", "postgres")

_DISKS = {"sqlite": "48m", "postgres": "256m"}
_TEMPLATE = "empty_mlflow"


class Stage:
    """Makes scenes one after another; ends its PostgreSQL with the `with` block.

    Args:
        folder: Where scenes are.
        customers: How many each scene trains for.
    """

    def __init__(self, folder: Path, *, customers: int = CUSTOMERS) -> None:
        self._folder, self._customers, self._scenes = folder, customers, 0
        self._open = ExitStack()
        self._postgres: Postgres | None = None
        self._empty_mlflow = folder / "empty.db"
        _make_mlflow(f"sqlite:///{self._empty_mlflow}")

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @contextmanager
    def scene(self, faults: Sequence[Fault], database: Database) -> Iterator[Scene]:
        """A fresh scene with what these faults need."""
        self._scenes += 1
        folder = self._folder / str(self._scenes)
        needs = frozenset[str]().union(*(fault.needs for fault in faults))
        with ExitStack() as stack:
            folder.mkdir(parents=True)
            if "tmpfs" in needs:
                stack.enter_context(tmpfs(folder, _DISKS[database]))
            places, changes = self._databases(folder, database, needs, stack)
            if "clock" in needs:
                places["clock"] = True
            if "mlflow" in needs:
                places["mlflow"] = stack.enter_context(mlflow_server(changes["store"], folder))
                changes["tracking"] = places["mlflow"].address
            if "netns" in needs:
                places["netns"] = stack.enter_context(network())
            if needs & {"dask", "netns"}:
                wire = places.get("netns")
                cluster = stack.enter_context(dask_cluster(environment(folder), wire))
                places["dask"] = cluster
                changes["cluster"] = {
                    "kind": "remote",
                    "address": cluster.address,
                    **({"insecure": True} if wire else {}),
                }
            yield prepare(folder, places=places, customers=self._customers, **changes)
        shutil.rmtree(folder, ignore_errors=True)

    def _databases(
        self, folder: Path, database: Database, needs: frozenset[str], stack: ExitStack
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The server there is, as a place, and the addresses of ledger and MLflow."""
        if database == "sqlite":

            def make(name: str) -> str:
                for file in folder.glob(f"{name}.db*"):  # what it had not yet written down, too
                    file.unlink()
                shutil.copyfile(self._empty_mlflow, folder / f"{name}.db")
                return f"sqlite:///{folder}/{name}.db"

            return {}, {"store": make(MLFLOW), "make_store": make}
        if "tmpfs" in needs:
            server = stack.enter_context(_postgres_with_mlflow(folder / "postgres"))
        else:
            server = self._server()
        number = self._scenes

        def create(name: str) -> str:
            return server.create(f"{name}{number}", template=_TEMPLATE)

        return {"postgres": server}, {
            "ledger": server.create(f"ledger{number}"),
            "store": create(MLFLOW),
            "make_store": create,
        }

    def _server(self) -> Postgres:
        if self._postgres is None:
            self._postgres = self._open.enter_context(_postgres_with_mlflow())
        return self._postgres


@contextmanager
def _postgres_with_mlflow(folder: Path | None = None) -> Iterator[Postgres]:
    """A server with a database as MLflow makes it, for others to be copied from."""
    with postgres(folder) as server:
        _make_mlflow(server.create(_TEMPLATE))
        yield server


def why_not(fault: Fault, database: Database) -> str | None:
    """Why a fault cannot strike here; None where it can."""
    on_postgres, root = database == "postgres", os.geteuid() == 0
    reasons = {
        "is of PostgreSQL only": "postgres" in fault.needs and not on_postgres,
        "mounts are not permitted": "tmpfs" in fault.needs and not (root and _may_mount()),
        "network namespaces are not permitted": "netns" in fault.needs
        and not (root and _may_cut()),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def _may_cut() -> bool:
    return shutil.which("ip") is not None and _succeeds("unshare", "--net", "true")


def _may_mount() -> bool:
    return _succeeds("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _make_mlflow(address: str) -> None:
    from mlflow import MlflowClient  # late: it takes seconds to import
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    MlflowClient(address)
    SqlAlchemyStore(address, None).engine.dispose()  # nothing copies a database that is in use
