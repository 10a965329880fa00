"""What nobody else may see or do: secrets, files' modes, paths, pickles."""

import json
import os
import pickle
import stat
import zlib
from pathlib import Path

import psycopg
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.identity import slug
from orchestrator.ledger.codec import NOTHING, thaw
from orchestrator.mlflow.models.model_names import model_name
from orchestrator.registry.sources import open_source
from orchestrator.testing.sources import HOSTILE_IDS
from tests.support.rows import TREE
from tests.support.web_service import WebService

SECRETS = {
    "LEDGER_PASSWORD": "hunter2-of-the-ledger",
    "REGISTRY_TOKEN": "bearer-of-the-registry",
    "DATA_PASSWORD": "swordfish/of+the data",
}


@pytest.fixture
def service():
    opened = WebService()
    yield opened
    opened.close()


@pytest.fixture
def project(tmp_path, monkeypatch, service, mlflow_url, postgres_url):
    """Secrets wherever a configuration may have them, each in its environment variable."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    customers = [{"id": name, "data": {"form": "frame"}} for name in ("good", "leaky")]
    service.answers |= {"/models": lambda _: [TREE], "/customers": lambda _: customers}
    ledger = postgres_url.replace("postgres:@", "postgres:${LEDGER_PASSWORD}@")
    assert "LEDGER_PASSWORD" in ledger
    content = {
        "experiment": "secrets",
        "registry": {
            "source": "http",
            "models": f"{service.url}/models",
            "customers": f"{service.url}/customers",
            "token": "${REGISTRY_TOKEN}",
            "headers": {"X-Data": "${DATA_PASSWORD}"},
        },
        "evaluation": {"loader": "tests.support.leaky:load"},
        "cluster": {"kind": "local", "workers": 1, "dashboard": False},
        "tracking": {"uri": mlflow_url, "artifacts": str(tmp_path / "artifacts")},
        "ledger": ledger,
    }
    Path("orchestrator.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return tmp_path


@pytest.mark.slow
@pytest.mark.postgres
def test_no_secret_is_shown_or_stored_anywhere(project, typed, postgres_url, service):
    code, *told = typed("run", "--json")
    assert code == 1, "the leaky customer's study failed"
    assert "${DATA_PASSWORD}" in told[0]
    for command in ("status", "runs", "plan", "doctor", "history leaky", "instances latest"):
        told += typed(*command.split())[1:]
    told += typed("instances", "latest", "--state", "failed", "--json")[1:]
    service.answers["/models"] = lambda _: (500, {}, b"no")
    told += typed("run")[1:]  # an error that names the registry
    told.append(everything_in(postgres_url))
    told += [
        file.read_bytes().decode(errors="replace") for file in project.rglob("*") if file.is_file()
    ]
    for name, value in SECRETS.items():
        for form in (value, json.dumps(value)[1:-1]):
            assert not [text[:80] for text in told if form in text], name


def everything_in(url):
    """Every row of every table of the ledger's database, unpickled values included."""
    texts = []
    with psycopg.connect(url) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            rows = connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - its own
            texts += [_text(cell) for row in rows for cell in row]
    return "\n".join(texts)


def _text(cell):
    if not isinstance(cell, bytes):
        return str(cell)
    value = thaw(cell)
    return zlib.decompress(cell).decode() if value is NOTHING else repr(value)


@pytest.mark.slow
def test_files_and_folders_are_their_owners_alone(tmp_path, monkeypatch, typed):
    """Whatever a run makes: ledger, MLflow, models, archives, reports."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    customers = [{"id": "one", "data": {"form": "frame"}}]
    content = {
        "experiment": "modes",
        "registry": {"source": "inline", "models": [TREE], "customers": customers},
        "evaluation": {"loader": "tests.support.synthetic:load"},
        "cluster": {"kind": "local", "workers": 1, "dashboard": False},
    }
    Path("orchestrator.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    mask = os.umask(0o022)
    try:
        Path("orchestrator.yaml").chmod(0o600)
        assert typed("run")[0] == 0
        assert typed("report")[0] == 0
    finally:
        os.umask(mask)
    made = [path for path in tmp_path.rglob("*") if "__pycache__" not in path.parts]
    assert any(path.name == "model.skops" for path in made)
    shown = {path: oct(stat.S_IMODE(path.stat().st_mode)) for path in made}
    open_to_others = {path: mode for path, mode in shown.items() if mode[-2:] != "00"}
    assert open_to_others == {}
    assert os.umask(mask) == mask, "the command left the process as it was"


@given(st.one_of(st.text(min_size=1), st.sampled_from(HOSTILE_IDS)))
def test_no_id_leaves_its_folder(tmp_path_factory, name):
    """Files and registered models are named by slugs alone."""
    folder = Path("/state/reports")
    for part in (slug(name), model_name("flights", name), f"report-{slug(name)}.html"):
        path = Path(os.path.normpath(folder / part))
        assert path.parent == folder
        assert path.name == part
        assert "\0" not in part


class Bomb:
    """What runs code when it is unpickled."""

    def __reduce__(self):
        return (os.mkdir, ("exploded",))


@pytest.mark.parametrize("suffix", ["yaml", "json", "csv", "parquet", "pkl"])
def test_a_registry_is_never_unpickled(tmp_path, monkeypatch, suffix):
    """A pickle under any name is refused as a broken file, and nothing of it runs."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / f"lists.{suffix}"
    file.write_bytes(pickle.dumps([Bomb()]))
    tagged = "customers: !!python/object/apply:os.mkdir [exploded]\nmodels: []\n"
    (tmp_path / "tagged.yaml").write_text(tagged, encoding="utf-8")
    for path in (file, tmp_path / "tagged.yaml"):
        with pytest.raises(Exception, match=r"\w"):
            list(open_source("file", {"path": str(path)}).read("customers").rows)
    assert not (tmp_path / "exploded").exists()
