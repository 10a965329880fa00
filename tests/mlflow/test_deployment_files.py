"""Model files are MLflow's own, whole or not there, and hold only what may be trusted."""

import errno
import logging
import os
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.models import Model
from sklearn.cluster import Birch
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from orchestrator.errors import MachineryError, UsageError
from orchestrator.mlflow.model_files.checksums import files_in
from orchestrator.mlflow.model_files.files import ModelFiles, write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.model_files.signatures import signature_of
from orchestrator.mlflow.models.deployer import Challenger
from orchestrator.mlflow.models.opening import open_deployer
from orchestrator.mlflow.runs.opening import open_tracker
from tests.contracts.trackers import run
from tests.support.served_models import predict_elsewhere

ROWS = pd.DataFrame({"delay": np.linspace(-10, 60, 80), "carrier": np.arange(80) % 3})
LATE = (ROWS["delay"] > 15).astype(int)
WORDS = {0: "on time", 1: "late"}


def storable(estimator, **fields) -> Storable:
    """A fitted estimator, to be stored with scikit-learn's types allowed."""
    estimator.fit(ROWS, LATE)
    return Storable(
        **{
            "estimator": estimator,
            "sample": ROWS.head(),
            "predictions": estimator.predict(ROWS.head()),
            "allowed": ("sklearn",),
        }
        | fields
    )


def model_of(files: ModelFiles) -> Model:
    return Model.load(files.source)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        DecisionTreeClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        RandomForestClassifier(5),
        HistGradientBoostingClassifier(max_iter=5),
        LinearRegression(),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_stored_model_predicts_what_it_did(estimator, tmp_path):
    model = storable(estimator)
    files = write_model(model, str(tmp_path))
    assert files == ModelFiles(
        source=f"{tmp_path}/model", format="skops", files=files_in(tmp_path / "model")
    )
    loaded = mlflow.pyfunc.load_model(files.source)
    np.testing.assert_array_equal(loaded.predict(ROWS), estimator.predict(ROWS))


def test_requirements_are_the_installed_versions_of_what_the_model_needs(tmp_path):
    files = write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    lines = Path(files.source, "requirements.txt").read_text().split()
    needed = {"mlflow", "numpy", "pandas", "scikit-learn", "skops"}
    assert {line.partition("==")[0] for line in lines} == needed


def test_the_signature_names_the_columns_and_their_types(tmp_path):
    signature = model_of(write_model(storable(DecisionTreeClassifier()), str(tmp_path))).signature
    assert signature.inputs.input_names() == ["delay", "carrier"]
    assert [str(kind) for kind in signature.inputs.input_types()] == [
        "DataType.double",
        "DataType.long",
    ]
    assert signature.outputs.to_dict() == [
        {"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": (-1,)}}
    ]


def test_equal_tables_share_one_signature():
    assert signature_of(ROWS, np.zeros(80)) is signature_of(ROWS.head(1), np.ones(1))


def test_a_classifier_of_texts_predicts_text():
    predictions = DecisionTreeClassifier().fit(ROWS, LATE.map(WORDS)).predict(ROWS)
    outputs = signature_of(ROWS, predictions).outputs
    assert [str(each) for each in outputs.input_types()] == ["DataType.string"]


def test_a_model_of_two_targets_says_so():
    both = pd.DataFrame({"sales": ROWS["delay"], "returns": -ROWS["delay"]})
    predictions = LinearRegression().fit(ROWS, both).predict(ROWS)
    assert signature_of(ROWS, predictions).outputs.to_dict() == [
        {"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": (-1, 2)}}
    ]


@pytest.mark.parametrize(
    "table",
    [
        ROWS.to_numpy(),
        ROWS.astype({"carrier": "category"}),
        ROWS.rename(columns={"carrier": 7}),
        ROWS.astype({"carrier": "Int64"}),
    ],
    ids=["an array", "a category", "a column without a name", "nullable integers"],
)
def test_data_mlflow_has_no_word_for_gets_no_signature(table):
    assert signature_of(table, np.zeros(80)) is None


def test_a_model_that_is_there_is_left_as_it_is(tmp_path):
    first = write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    written = model_of(first).model_uuid
    again = write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    assert again == first
    assert model_of(again).model_uuid == written


def test_a_model_that_is_there_and_damaged_is_written_again(tmp_path):
    first = write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    os.truncate(f"{first.source}/model.skops", 100)
    again = write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    assert mlflow.pyfunc.load_model(again.source).predict(ROWS).tolist() == LATE.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_full_disk_is_named_and_not_the_model_blamed(tmp_path, monkeypatch):
    def full(*_args, **_settings):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("skops.io.dump", full)
    with pytest.raises(MachineryError, match=r"caused by OSError.*No space left on device"):
        write_model(storable(DecisionTreeClassifier()), str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_stored_leaves_nothing_behind(tmp_path):
    with pytest.raises(UsageError):
        write_model(storable(Birch()), str(tmp_path / "artifacts"))
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_what_skops_cannot_store_is_refused_with_the_cure(tmp_path):
    with pytest.raises(UsageError, match=r"Birch cannot be stored.*allow_pickle: true"):
        write_model(storable(Birch()), str(tmp_path))


def test_types_outside_the_allowed_packages_are_refused_by_name(tmp_path):
    foreign = make_pipeline(FunctionTransformer(logging.getLevelName), LogisticRegression())
    foreign[-1].fit(ROWS, LATE)
    model = Storable(
        estimator=foreign,
        sample=ROWS.head(),
        predictions=foreign[-1].predict(ROWS.head()),
        allowed=("sklearn",),
    )
    with pytest.raises(UsageError, match=r"holds a logging\.getLevelName, which is outside"):
        write_model(model, str(tmp_path))


@pytest.mark.filterwarnings("ignore:.*pickle:UserWarning")
def test_where_pickle_is_allowed_it_is_used_and_told(tmp_path):
    files = write_model(storable(Birch(), allow_pickle=True), str(tmp_path))
    assert files.format == "cloudpickle"
    assert len(mlflow.pyfunc.load_model(files.source).predict(ROWS)) == len(ROWS)
    assert write_model(storable(Birch(), allow_pickle=True), str(tmp_path)).format == "cloudpickle"


def test_where_pickle_is_allowed_skops_is_still_preferred(tmp_path):
    model = storable(DecisionTreeClassifier(), allow_pickle=True)
    assert write_model(model, str(tmp_path)).format == "skops"


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "artifacts").write_text("a file, where a folder should be")
    with pytest.raises(MachineryError, match=r"cannot be written to .*artifacts/model"):
        write_model(storable(DecisionTreeClassifier()), str(tmp_path / "artifacts"))


class TestAStranger:
    """Loads a champion in a process of its own, without this project."""

    def deploy(self, url: str, experiment: str, artifacts: str | None) -> None:
        tracker = open_tracker(url, experiment, artifacts)
        tracker.log([run()])
        location = tracker.locate([run().run_id])[run().run_id]
        model = storable(make_pipeline(StandardScaler(), DecisionTreeClassifier()))
        files = write_model(model, location.artifact_uri, tracking_uri=url)
        challenger = Challenger(customer="AA-DFW", run_id=location.run_id, source=files.source)
        open_deployer(url, experiment).deploy([challenger])

    def test_predicts_from_a_database(self, mlflow_url, tmp_path):
        self.deploy(mlflow_url, "flights", str(tmp_path / "artifacts"))
        assert predict_elsewhere(mlflow_url, tmp_path) == "[0, 1]\n"

    def test_predicts_from_a_server_that_keeps_the_files(self, mlflow_server, tmp_path):
        self.deploy(mlflow_server, "flights", None)
        assert predict_elsewhere(mlflow_server, tmp_path) == "[0, 1]\n"
