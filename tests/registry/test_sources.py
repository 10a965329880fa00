"""Each built-in source has its own ways of being wrong, and says so."""

import json
import sys
import threading

import fsspec
import pytest
import yaml
from fsspec.implementations.memory import MemoryFileSystem

from orchestrator.errors import ConfigError, RegistryError
from orchestrator.estimators import Estimators
from orchestrator.registry.file import FileSource
from orchestrator.registry.importing import import_rows
from orchestrator.registry.python import PythonSource
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import (
    InlineSource,
    open_source,
    open_sources,
    public_address,
)
from orchestrator.registry.sql import SqlSource
from orchestrator.testing.sources import (
    CUSTOMERS,
    HIDDEN,
    MODELS,
    snapshot,
)
from tests.support.registry_files import write_table

QUERY = "SELECT * FROM customers WHERE CAST(:secret AS VARCHAR) <> ''"


def fetched(source):
    return fetch(source, estimators=Estimators(("sklearn",)))


def file_with(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_reading_a_missing_sqlite_file_does_not_make_it(tmp_path):
    with pytest.raises(RegistryError, match="registry import"):
        fetched(SqlSource(url=f"sqlite:///{tmp_path}/missing.db"))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_table_is_named_with_the_database(tmp_path):
    url = f"sqlite:///{tmp_path}/registry.db"
    write_table(url, "models", MODELS)
    with pytest.raises(ConfigError, match=r"registry\.customers: .*registry\.db has no table"):
        fetched(SqlSource(url=url))


def test_a_query_may_select_with_bound_parameters(tmp_path):
    url = f"sqlite:///{tmp_path}/registry.db"
    write_table(url, "models", MODELS)
    write_table(url, "customers", CUSTOMERS)
    source = SqlSource(
        url=url,
        customers="SELECT id, data FROM customers WHERE id IN (:first, :second)",
        parameters={"first": "AA", "second": "x' OR '1'='1"},
    )
    assert [customer.id for customer in fetched(source).customers] == ["AA"]


def test_a_query_cannot_write(tmp_path):
    url = f"sqlite:///{tmp_path}/registry.db"
    write_table(url, "models", MODELS)
    query = "WITH gone AS (SELECT 1) DELETE FROM models RETURNING id"
    with pytest.raises(RegistryError, match="readonly"):
        fetched(SqlSource(url=url, models=query))


@pytest.mark.postgres
def test_a_query_cannot_write_on_postgres(postgres_url):
    with pytest.raises(RegistryError, match="read-only transaction"):
        fetched(SqlSource(url=postgres_url, models="SELECT lo_create(0)"))


@pytest.mark.postgres
def test_a_query_that_takes_too_long_is_given_up(postgres_url):
    source = SqlSource(url=postgres_url, models="SELECT pg_sleep(60)", timeout=0.2)
    with pytest.raises(RegistryError, match="statement timeout"):
        fetched(source)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"url": f"user:{HIDDEN}@host/name"}, r"c\.yaml: registry\.url: is not a database URL"),
        (
            {"url": "sqlite://", "models": "DROP TABLE models"},
            r"registry\.models: expected a table",
        ),
        ({"url": "sqlite://", "models": "SELECT :a"}, "parameter :a has no value"),
        ({"url": "sqlite://", "parameters": {"b": 1}}, "parameter :b is not used by any query"),
        ({"url": "sqlite://", "query": "models"}, r"registry\.query"),
        ({}, r"registry\.url"),
    ],
)
def test_a_mistake_in_the_settings_is_named_with_file_and_key(settings, problem):
    with pytest.raises(ConfigError, match=problem) as error:
        open_source("sql", settings, file="c.yaml")
    assert HIDDEN not in str(error.value)


def test_a_driver_that_is_not_installed_is_named_without_the_password(tmp_path):
    source = SqlSource(url=f"oracle://user:{HIDDEN}@host/name")
    with pytest.raises(ConfigError, match="needs a driver") as error:
        fetched(source)
    assert HIDDEN not in str(error.value)


def test_an_unknown_source_is_told_the_known_ones():
    with pytest.raises(ConfigError, match="file, http, inline, python, sql"):
        open_source("ftp", {}, file="c.yaml")


def test_models_and_customers_may_come_from_different_sources(tmp_path):
    path = file_with(tmp_path, "customers.json", json.dumps(CUSTOMERS))
    models, customers = open_sources(
        {
            "models": {"source": "inline", "models": MODELS},
            "customers": {"source": "file", "customers": path},
        }
    )
    found = fetch(models, customers, estimators=Estimators(("sklearn",)))
    assert found.id == snapshot(InlineSource(models=MODELS, customers=CUSTOMERS)).id
    assert found.source == f"the configuration's own lists, {path}"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "registry: expected"),
        ({"models": {"source": "inline"}}, "registry: expected"),
        ({"models": {"source": "inline"}, "customers": {}}, r"registry\.customers: give"),
        ({"models": {"source": "nope"}, "customers": {}}, r"registry\.models\.source: there is no"),
    ],
)
def test_settings_without_a_source_say_where_it_is_missing(settings, key):
    with pytest.raises(ConfigError, match=key):
        open_sources(settings)


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("r.json", '{"models": [{"id": "a"', "cannot be read"),
        ("r.json", "[" * 100_000, "nested too deeply"),
        ("r.json", "[]", "expected `models:`"),
        ("r.json", '{"customers": []}', "`models:` is missing"),
        ("r.json", '{"models": [], "costumers": []}', "unknown key 'costumers'"),
        ("r.json", b"\xff\xfe", "cannot be read"),
        ("r.yaml", "models: [", "line 2, column 1"),
        ("r.yaml", "", "expected `models:`"),
        ("r.yaml", "models: !!python/object/apply:os.system ['true']", "python/object"),
        ("r.txt", "models: []", "unknown format"),
        ("r.parquet", "no parquet", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, problem):
    path = file_with(tmp_path, name, content)
    with pytest.raises(RegistryError, match=problem) as error:
        fetched(FileSource(path=path))
    assert path in str(error.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name,data\nAA,x\n", "`id`"),
        ("id,id\nAA,x\n", "once"),
        ('id,data\nAA,"x\n', "unexpected end"),
        ('id,data\nAA,"x"y\n', "expected after"),
        ("", "`id`"),
        ('id,data\nAA,"x\nBB,y"\nCC,z\n', "line 3: a cell spans several lines"),
        ('id,data\nAA,"x\rBB"\n', "a cell spans several lines"),
    ],
)
def test_a_csv_file_that_is_no_table_is_an_error(tmp_path, content, problem):
    customers = file_with(tmp_path, "customers.csv", content)
    models = file_with(tmp_path, "models.json", json.dumps(MODELS))
    with pytest.raises(RegistryError, match=problem):
        fetched(FileSource(models=models, customers=customers))


def test_a_csv_line_with_too_many_or_too_few_cells_is_set_aside(tmp_path):
    text = 'id,data,tags\nAA,x,"a;b"\n\nBB,x\nCC,x,a,b\nDD,,\n'
    customers = file_with(tmp_path, "customers.csv", text)
    models = file_with(tmp_path, "models.json", json.dumps(MODELS))
    found = fetched(FileSource(models=models, customers=customers))
    assert [(c.id, c.data, c.tags) for c in found.customers] == [
        ("AA", "x", ("a", "b")),
        ("DD", None, ()),
    ]
    assert [(r.row, r.id) for r in found.rejected] == [(1, "BB"), (2, "CC")]
    assert "4 cells where the first line has 3" in found.rejected[1].reason


def test_the_files_of_a_glob_are_the_customers(tmp_path):
    models = file_with(tmp_path, "models.json", json.dumps(MODELS))
    for name in ("AA/DFW.csv", "AA/ORD.csv", "HA/HNL.csv", "HA/notes.txt"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
    found = fetched(FileSource(models=models, customers=str(tmp_path / "data/*/*.csv")))
    assert [c.id for c in found.customers] == ["AA/DFW", "AA/ORD", "HA/HNL"]
    assert found.customers[0].data == str(tmp_path / "data/AA/DFW.csv")


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("v*", ["v1.2", "v1.3"]),
        ("*.csv", ["a", "a.b", "c d"]),
        ("?.csv", ["a"]),
        ("[ac]*.csv", ["a", "a.b", "c d"]),
        ("**/*.csv", ["a", "a.b", "c d", "deep/a"]),
        ("a.*", ["a.b.csv", "a.csv"]),
        (".*.csv", [".hidden"]),
        ("*/a.csv", ["deep/a"]),
    ],
)
def test_a_customer_of_a_glob_is_named_without_the_ending_the_glob_names(tmp_path, pattern, ids):
    for name in ("v1.2", "v1.3", "a.csv", "a.b.csv", "c d.csv", ".hidden.csv", "deep/a.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    source = FileSource(path="models.yaml", customers=f"{tmp_path}/{pattern}")
    assert sorted(row["id"] for row in source.read("customers").rows) == ids


def test_customers_of_a_glob_in_an_object_store_have_addresses_with_its_protocol():
    with fsspec.open("memory://flights/AA.parquet", "wb") as file:
        file.write(b"")
    source = FileSource(path="models.yaml", customers="memory://flights/*.parquet")
    assert list(source.read("customers").rows) == [
        {"id": "AA", "data": "memory:///flights/AA.parquet"}
    ]
    fsspec.filesystem("memory").store.clear()


def test_a_glob_without_files_fails_closed(tmp_path):
    models = file_with(tmp_path, "models.json", json.dumps(MODELS))
    with pytest.raises(RegistryError, match="list of customers is empty"):
        fetched(FileSource(models=models, customers=str(tmp_path / "*.csv")))


@pytest.mark.parametrize(
    "address", ["http://host/list.yaml", "HTTPS://host/x.csv", "simplecache::https://host/x.csv"]
)
def test_a_file_at_a_web_server_is_for_the_source_http(address):
    with pytest.raises(ConfigError, match=r"registry\.models: is the address of a web server"):
        open_source("file", {"models": address})


class Silent(MemoryFileSystem):
    """A file system that never answers, until it is let go."""

    protocol = "silent"
    let_go = threading.Event()

    def _open(self, *_, **__):
        self.let_go.wait(30)
        raise FileNotFoundError


def test_a_file_system_that_never_answers_is_given_up():
    fsspec.register_implementation("silent", Silent, clobber=True)
    source = FileSource(path="silent://lists.yaml", timeout=0.05)
    with pytest.raises(RegistryError, match=r"silent://lists\.yaml: did not answer within 0\.05"):
        fetched(source)
    Silent.let_go.set()


def test_a_file_without_end_is_given_up(tmp_path):
    path = file_with(tmp_path, "lists.json", "[" + " " * 2_000 + "]")
    with pytest.raises(RegistryError, match="has more than 1,000 bytes; raise `max_bytes`"):
        fetched(FileSource(path=path, max_bytes=1_000))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://key:word@bucket/a?b=c#d", "s3://bucket/a"),
        ("zip://a.csv::s3://key:word@bucket/all.zip", "zip://a.csv::s3://bucket/all.zip"),
        ("http://me@[::1]:80/a", "http://[::1]:80/a"),
        ("folder/who?#2.csv", "folder/who?#2.csv"),
    ],
)
def test_an_address_is_shown_without_secrets(url, shown):
    assert public_address(url) == shown


@pytest.mark.parametrize("path", ["nowhere:models", "json:nowhere", "json", "json:__name__"])
def test_a_function_that_is_not_there_is_a_mistake_in_the_settings(path):
    with pytest.raises(ConfigError, match=r"registry\.models: .*" + path):
        open_source("python", {"models": path})


def test_what_a_function_raises_is_a_failure_of_the_registry():
    source = PythonSource(models="json:loads", arguments={"s": "{"})
    with pytest.raises(RegistryError, match=r"json:loads raised JSONDecodeError"):
        fetched(source)


def exiting(**_):
    sys.exit(3)


def half(**_):
    yield {"id": "AA"}
    sys.exit(3)


@pytest.mark.parametrize("function", ["exiting", "half"])
def test_a_function_that_would_end_the_process_is_a_failure_of_the_registry(function):
    source = PythonSource(models=f"{__name__}:{function}")
    with pytest.raises(RegistryError, match=f"{function} raised SystemExit: 3"):
        fetched(source)


PLUG_IN = """
class Source:
    description = "a source of ours"

    def __init__(self, rows):
        if not rows:
            raise ValueError("wants rows")
        self.rows = rows

    def read(self, kind):
        from orchestrator.registry.sources import Listing

        return Listing(rows=self.rows[kind])
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """A distribution, as pip leaves it, whose entry point is a source called `ours`."""
    (tmp_path / "source_of_ours.py").write_text(PLUG_IN)
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrator.sources]\nours = source_of_ours:Source\nbroken = source_of_ours:Gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugged_in")
def test_a_source_of_another_distribution_plugs_in_by_entry_point():
    ours = open_source("ours", {"rows": {"models": MODELS, "customers": CUSTOMERS}})
    assert snapshot(ours).id == snapshot(InlineSource(models=MODELS, customers=CUSTOMERS)).id
    assert snapshot(ours).source == "a source of ours"


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(
    ("name", "settings", "problem"),
    [
        ("ours", {"rows": {}}, r"c\.yaml: registry: .* ValueError: wants rows"),
        ("ours", {"colour": 1}, r"c\.yaml: registry: .* unexpected keyword argument 'colour'"),
        ("broken", {}, r"c\.yaml: registry\.source: the source 'broken' .* cannot be loaded"),
    ],
)
def test_what_a_plugged_in_source_complains_of_is_a_mistake_in_the_settings(
    name, settings, problem
):
    with pytest.raises(ConfigError, match=problem):
        open_source(name, settings, file="c.yaml")


def test_what_was_imported_into_sql_reads_as_the_same_snapshot(tmp_path):
    url = f"sqlite:///{tmp_path}/new/registry.db"
    wanted = snapshot(InlineSource(models=MODELS, customers=CUSTOMERS))
    import_rows(url, wanted.models, wanted.customers)
    assert snapshot(SqlSource(url=url)).id == wanted.id


@pytest.mark.parametrize(
    "settings",
    [
        {"source": "http", "models": "http://[::1/models"},
        {"source": "http", "customers": "https://host:port/customers"},
        {"source": "file", "path": "s3://[::1/lists.yaml"},
        {"source": "sql", "url": "postgresql://user:hidden@[::1/lists"},
    ],
    ids=lambda settings: settings["source"],
)
def test_half_an_ipv6_address_is_refused_by_its_key(settings, tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    document = {
        "experiment": "x",
        "registry": settings,
        "evaluation": {"loader": "tests.support.synthetic:load"},
    }
    (tmp_path / "orchestrator.yaml").write_text(yaml.safe_dump(document))
    code, _, err = typed("plan")
    assert code == 2
    assert "orchestrator.yaml: registry." in err
    assert "cannot be parsed (" in err or "is not a database URL" in err
    assert "hidden" not in err
