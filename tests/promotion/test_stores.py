"""A store knows whose it is: copies, moves, losses and changed addresses, on real projects."""

import json
import shutil
import sqlite3
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.pyfunc import load_model

from orchestrator import config
from orchestrator.errors import MachineryError
from orchestrator.ledger import Ledger
from orchestrator.mlflow.ownership import look_up
from orchestrator.mlflow.ui import web_page
from orchestrator.promotion.store_ownership import trouble

CHAMPION = "models:/shop.acme@champion"
STATE = "state/shop"


def settings(depth=2, **more):
    return {
        "experiment": "shop",
        "registry": {
            "source": "inline",
            "models": [
                {
                    "id": "tree",
                    "estimator": "sklearn.tree:DecisionTreeClassifier",
                    "params": {"max_depth": depth, "random_state": 0},
                }
            ],
            "customers": [{"id": "acme"}],
        },
        "evaluation": {"loader": "tests.support.synthetic:load", "metrics": ["roc_auc"]},
        "cluster": {"kind": "inline"},
    } | more


def configure(folder, **changes):
    (folder / "orchestrator.yaml").write_text(yaml.safe_dump(settings(**changes)))


@pytest.fixture(scope="module")
def trained(tmp_path_factory, empty_mlflow_database):
    """A project that has served one customer, to be moved to where a test wants it."""
    from orchestrator.pipeline.pipeline import run

    folder = tmp_path_factory.mktemp("trained") / "one"
    state = folder / STATE
    state.mkdir(parents=True)
    shutil.copyfile(empty_mlflow_database, state / "mlflow.db")
    configure(folder)
    assert run(config.load(folder / "orchestrator.yaml")).tolerated
    return folder


@pytest.fixture
def one(trained, tmp_path, monkeypatch):
    """That project in this test's folder, as if it had been trained here."""
    kept = trained.with_name("kept")
    shutil.copytree(trained, kept)
    folder = tmp_path / "one"
    shutil.move(trained, folder)
    monkeypatch.chdir(tmp_path)
    yield_to = folder
    from orchestrator.cli.settings import configured
    from orchestrator.promotion.sync import sync

    with monkeypatch.context() as patch:
        patch.chdir(folder)
        sync(configured(str(folder / "orchestrator.yaml")))
    shutil.move(kept, trained)
    return yield_to


def command(typed, folder, *arguments):
    return typed(*arguments, "-c", str(folder / "orchestrator.yaml"))


def client(folder):
    uri = f"sqlite:///{folder}/{STATE}/mlflow.db"
    return MlflowClient(uri, uri)


def source(folder):
    return client(folder).get_model_version_by_alias("shop.acme", "champion").source


def predicts(folder, monkeypatch):
    """Whether MLflow loads the champion of a project and it predicts."""
    import mlflow

    uri = f"sqlite:///{folder}/{STATE}/mlflow.db"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        model = load_model(CHAMPION)
        return len(model.predict([[0.0, 1.0, 2.0, 2.0]])) == 1
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)


def files(folder):
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def runs(folder):
    found = client(folder)
    experiment = found.get_experiment_by_name("shop")
    return found.search_runs([experiment.experiment_id]) if experiment else []


def test_a_renamed_project_goes_on_and_its_champion_loads(one, tmp_path, typed, monkeypatch):
    two = tmp_path / "two"
    one.rename(two)
    code, out, err = command(typed, two, "run")
    assert code == 0, out + err
    assert f"moved to {two}/{STATE}/artifacts" in err
    assert source(two).startswith(str(two))
    assert predicts(two, monkeypatch)
    assert not one.exists(), "nothing is written where it was"
    code, out, _ = command(typed, two, "doctor")
    assert (code, "all is well" in out) == (0, True), out


@pytest.mark.parametrize(
    "arguments", [("run",), ("sync",), ("forget", "acme", "--yes"), ("clean", "--yes")]
)
def test_a_copied_project_is_refused_until_it_is_adopted(one, tmp_path, typed, arguments):
    two = tmp_path / "two"
    shutil.copytree(one, two)
    configure(two, depth=4)
    before = files(one), files(two / STATE / "artifacts")
    code, _, err = command(typed, two, *arguments)
    assert code == 2
    assert f"this project is a copy: its ledger is also at {one}" in err
    assert "orchestrator adopt-store" in err
    assert (files(one), files(two / STATE / "artifacts")) == before
    code, out, _ = command(typed, two, "doctor")
    assert code == 1
    assert "adopt-store" in out


def test_an_adopted_copy_never_touches_the_original(one, tmp_path, typed, monkeypatch):
    two = tmp_path / "two"
    shutil.copytree(one, two)
    configure(two, depth=4)
    before = files(one)
    assert command(typed, two, "adopt-store")[0] == 0
    code, out, err = command(typed, two, "run")
    assert code == 0, out + err
    assert source(two).startswith(str(two))
    assert predicts(two, monkeypatch)
    assert command(typed, two, "forget", "acme", "--yes")[0] == 0
    assert not list((two / STATE).rglob("MLmodel"))
    assert files(one) == before
    assert predicts(one, monkeypatch)
    assert command(typed, one, "run")[0] == 0


def test_a_lost_ledger_is_not_begun_a_second_time(one, typed):
    (one / STATE / "ledger.db").unlink()
    code, _, err = command(typed, one, "run")
    assert code == 4
    assert "the ledger is lost" in err
    assert "orchestrator backup --restore FILE" in err
    assert len(runs(one)) == 1
    assert command(typed, one, "adopt-store")[0] == 0
    code, out, err = command(typed, one, "run")
    assert code == 0, out + err
    assert source(one).startswith(str(one))


def test_a_deleted_mlflow_database_is_filled_again(one, typed, empty_mlflow_database, monkeypatch):
    shutil.copyfile(empty_mlflow_database, one / STATE / "mlflow.db")
    code, out, err = command(typed, one, "run")
    assert code == 0, out + err
    assert "1 trials and 1 champions are sent again" in err
    assert len(runs(one)) == 1
    assert predicts(one, monkeypatch)


def test_another_mlflow_is_refused_and_filled_when_that_is_wanted(
    one, typed, empty_mlflow_database, monkeypatch
):
    other = one / "other.db"
    shutil.copyfile(empty_mlflow_database, other)
    configure(one, tracking={"uri": "sqlite:///other.db"})
    code, _, err = command(typed, one, "run")
    assert code == 2
    assert "MLflow's address has changed" in err
    assert "orchestrator sync --to-new-mlflow" in err
    code, out, err = command(typed, one, "sync", "--to-new-mlflow", "--json")
    assert (code, json.loads(out)) == (0, {"trials": 1, "promotions": 1}), err
    assert command(typed, one, "doctor")[0] == 0
    assert command(typed, one, "run")[0] == 0
    with sqlite3.connect(other) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)


@pytest.fixture
def emptied_server(mlflow_server):
    """The session's MLflow server; what a test leaves there of the project is deleted."""
    yield mlflow_server
    served = MlflowClient(mlflow_server, mlflow_server)
    if served.search_registered_models("name = 'shop.acme'"):
        served.delete_registered_model("shop.acme")
    experiment = served.get_experiment_by_name("shop")
    # A deleted experiment keeps its name, and with it the next test out.
    served.rename_experiment(experiment.experiment_id, f"deleted-{uuid.uuid4().hex}")
    served.delete_experiment(experiment.experiment_id)


@pytest.mark.slow
def test_the_address_of_a_server_is_taken_over_with_everything(one, typed, emptied_server):
    configure(one, tracking={"uri": emptied_server})
    assert command(typed, one, "run")[0] == 2
    code, out, err = command(typed, one, "sync", "--to-new-mlflow")
    assert code == 0, out + err
    served = MlflowClient(emptied_server, emptied_server)
    version = served.get_model_version_by_alias("shop.acme", "champion")
    assert version.source.startswith("mlflow-artifacts:")
    assert command(typed, one, "run")[0] == 0
    assert command(typed, one, "doctor")[0] == 0


@pytest.mark.slow
def test_a_lost_ledger_is_recognised_by_a_server_before_anything_is_trained(
    one, typed, emptied_server
):
    configure(one, tracking={"uri": emptied_server})
    assert command(typed, one, "sync", "--to-new-mlflow")[0] == 0
    (one / STATE / "ledger.db").unlink()
    code, out, err = command(typed, one, "run")
    assert code == 4, out + err
    assert "the ledger is lost" in err
    assert "orchestrator backup --restore FILE" in err
    assert "adopt-store" in err
    with Ledger.look(one / STATE / "ledger.db") as ledger:
        assert not ledger.trials.sent()
        assert not [
            each for run in ledger.flow_runs.list() for each in ledger.trials.of_run(run.id)
        ]
    code, out, _ = command(typed, one, "doctor")
    assert (code, "the ledger is lost" in " ".join(out.split())) == (1, True), out
    assert command(typed, one, "adopt-store")[0] == 0
    assert command(typed, one, "run")[0] == 0


@pytest.mark.slow
def test_one_server_follows_another_with_everything(
    one, typed, emptied_server, empty_mlflow_database, tmp_path
):
    second = tmp_path / "second"
    second.mkdir()
    shutil.copyfile(empty_mlflow_database, second / "mlflow.db")
    configure(one, tracking={"uri": emptied_server})
    assert command(typed, one, "sync", "--to-new-mlflow")[0] == 0
    with web_page(f"sqlite:///{second}/mlflow.db", artifact_root=str(second / "files")) as page:
        configure(one, tracking={"uri": page.address})
        code, _, err = command(typed, one, "run")
        assert (code, "MLflow's address has changed" in err) == (2, True)
        code, out, err = command(typed, one, "sync", "--to-new-mlflow", "--json")
        assert (code, json.loads(out)) == (0, {"trials": 1, "promotions": 1}), err
        served = MlflowClient(page.address, page.address)
        source = served.get_model_version_by_alias("shop.acme", "champion").source
        assert source.startswith("mlflow-artifacts:")
        assert list((second / "files").rglob("MLmodel"))
        assert command(typed, one, "run")[0] == 0
        code, out, _ = command(typed, one, "doctor")
        assert (code, "all is well" in out) == (0, True), out


@pytest.fixture
def only_healthy():
    """The address of a server that answers its health check, and nothing else."""
    closing = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/health":
                closing.wait()
                return
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    closing.set()
    server.shutdown()
    serving.join()
    server.server_close()


def test_a_server_that_is_only_healthy_holds_up_no_new_ledger(
    one, only_healthy, monkeypatch, tmp_path
):
    with pytest.raises(MachineryError, match=r"has not answered within 0\.3 s, to which ledger"):
        look_up(only_healthy, "shop", seconds=0.3)
    monkeypatch.chdir(tmp_path)
    configure(one, tracking={"uri": only_healthy}, ledger="sqlite:///new.db")
    experiment = config.load(one / "orchestrator.yaml")
    with Ledger.open(experiment.ledger) as ledger:
        assert trouble(experiment, ledger) is None


@pytest.mark.parametrize("command_line", [("run",), ("doctor",)])
def test_a_missing_ledger_is_named_by_run_and_doctor(one, typed, command_line):
    (one / STATE / "ledger.db").unlink()
    _, out, err = command(typed, one, *command_line)
    assert "the ledger is lost" in " ".join((out + err).split())


@pytest.mark.postgres
def test_an_emptied_database_of_the_ledger_is_a_lost_ledger(one, typed, postgres_url):
    configure(one, ledger=postgres_url)
    (one / STATE / "ledger.db").unlink()
    code, _, err = command(typed, one, "run")
    assert (code, "the ledger is lost" in err) == (4, True), err
    assert len(runs(one)) == 1
    assert command(typed, one, "adopt-store")[0] == 0
    assert command(typed, one, "run")[0] == 0
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    before = len(runs(one))
    code, _, err = command(typed, one, "run")
    assert (code, "the ledger is lost" in err) == (4, True), err
    assert len(runs(one)) == before


def test_a_lost_folder_of_model_files_is_named(one, typed):
    shutil.rmtree(one / STATE / "artifacts")
    code, _, err = command(typed, one, "run")
    assert code == 4
    assert "is gone, and with it the model files of 1 champions" in err


def test_another_folder_for_model_files_is_not_ignored(one, typed):
    configure(one, tracking={"artifacts": "elsewhere"})
    code, _, err = command(typed, one, "run")
    assert code == 2
    assert "`tracking.artifacts` has changed" in err


def test_a_ledger_of_an_earlier_version_takes_its_stores_for_its_own(one, typed):
    """It wrote no token; what it has sent is there."""
    with sqlite3.connect(one / STATE / "ledger.db") as ledger:
        ledger.execute("DELETE FROM ledger_identity")
    with sqlite3.connect(one / STATE / "mlflow.db") as mlflow:
        mlflow.execute("DELETE FROM experiment_tags WHERE key LIKE 'orchestrator.ledger%'")
    assert command(typed, one, "run")[0] == 0
    assert command(typed, one, "sync")[0] == 0
    with Ledger.look(one / STATE / "ledger.db") as ledger:
        known = ledger.identity.known()
    assert known is not None
    assert known.bound
