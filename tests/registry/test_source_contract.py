"""Each built-in source keeps the contract of sources."""

import json

import fsspec
import pytest
import yaml

from orchestrator.registry.file import FileSource
from orchestrator.registry.python import PythonSource
from orchestrator.registry.sql import SqlSource
from orchestrator.testing.sources import (
    HIDDEN,
    SourceContract,
)
from tests.support.registry_files import write_csv, write_parquet, write_table

QUERY = "SELECT * FROM customers WHERE CAST(:secret AS VARCHAR) <> ''"


class TestYaml(SourceContract):
    @pytest.fixture
    def place(self, tmp_path):
        def put(models, customers):
            path = tmp_path / "registry.yaml"
            path.write_text(yaml.safe_dump({"models": models, "customers": customers}))
            return FileSource(path=str(path), storage_options={"token": HIDDEN})

        return put

    @pytest.fixture
    def missing(self, tmp_path):
        return FileSource(path=str(tmp_path / "missing.yaml"))


class TestJson(SourceContract):
    @pytest.fixture
    def place(self, tmp_path):
        def put(models, customers):
            (tmp_path / "models.json").write_text(json.dumps(models))
            (tmp_path / "customers.json").write_text(json.dumps({"customers": customers}))
            return FileSource(
                models=str(tmp_path / "models.json"), customers=str(tmp_path / "customers.json")
            )

        return put

    @pytest.fixture
    def missing(self, tmp_path):
        return FileSource(path=str(tmp_path / "missing.json"))


class TestCsv(SourceContract):
    @pytest.fixture
    def place(self, tmp_path):
        def put(models, customers):
            write_csv(tmp_path / "models.csv", models)
            write_csv(tmp_path / "customers.csv", customers)
            return FileSource(
                models=str(tmp_path / "models.csv"), customers=str(tmp_path / "customers.csv")
            )

        return put

    @pytest.fixture
    def missing(self, tmp_path):
        return FileSource(models=str(tmp_path / "missing.csv"))


class TestParquet(SourceContract):
    @pytest.fixture
    def place(self, tmp_path):
        def put(models, customers):
            write_parquet(tmp_path / "models.parquet", models)
            write_parquet(tmp_path / "customers.parquet", customers)
            return FileSource(
                models=str(tmp_path / "models.parquet"),
                customers=str(tmp_path / "customers.parquet"),
            )

        return put

    @pytest.fixture
    def missing(self, tmp_path):
        return FileSource(models=str(tmp_path / "missing.parquet"))


class TestObjectStore(SourceContract):
    @pytest.fixture
    def place(self):
        def put(models, customers):
            with fsspec.open("memory://registry/both.yaml", "w") as file:
                yaml.safe_dump({"models": models, "customers": customers}, file)
            return FileSource(path="memory://registry/both.yaml")

        yield put
        fsspec.filesystem("memory").store.clear()

    @pytest.fixture
    def missing(self):
        return FileSource(path=f"memory://user:{HIDDEN}@missing/registry.yaml?key={HIDDEN}")


class TestSqlite(SourceContract):
    @pytest.fixture
    def place(self, tmp_path):
        def put(models, customers):
            url = f"sqlite:///{tmp_path}/registry.db"
            write_table(url, "models", models)
            write_table(url, "customers", customers)
            return SqlSource(url=url, customers=QUERY, parameters={"secret": HIDDEN})

        return put

    @pytest.fixture
    def missing(self, tmp_path):
        return SqlSource(url=f"sqlite:///{tmp_path}/missing.db")


@pytest.mark.postgres
class TestPostgres(SourceContract):
    @pytest.fixture
    def place(self, postgres_url):
        def put(models, customers):
            write_table(postgres_url, "models", models)
            write_table(postgres_url, "customers", customers)
            return SqlSource(url=postgres_url, customers=QUERY, parameters={"secret": HIDDEN})

        return put

    @pytest.fixture
    def missing(self):
        return SqlSource(url=f"postgresql://user:{HIDDEN}@127.0.0.1:1/missing", timeout=2)


class TestPython(SourceContract):
    @pytest.fixture
    def place(self, tmp_path, monkeypatch):
        (tmp_path / "lists_of_ours.py").write_text(
            "import json, pathlib\n"
            "def models(file, password): return json.loads(pathlib.Path(file).read_text())[0]\n"
            "def customers(file, password):\n"
            "    yield from json.loads(pathlib.Path(file).read_text())[1]\n"
        )
        monkeypatch.syspath_prepend(tmp_path)

        def put(models, customers):
            file = tmp_path / "lists.json"
            file.write_text(json.dumps([models, customers]))
            return PythonSource(
                models="lists_of_ours:models",
                customers="lists_of_ours:customers",
                arguments={"file": str(file), "password": HIDDEN},
            )

        return put

    @pytest.fixture
    def missing(self, place, tmp_path):
        return PythonSource(
            models="lists_of_ours:models", arguments={"file": "missing.json", "password": HIDDEN}
        )
