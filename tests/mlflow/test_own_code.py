"""A project's own modules travel with its models, with what they import of each other."""

import importlib
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.mlflow.model_files.files import write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.model_files.own_code import own_code

ROWS = pd.DataFrame({"a": [0.0, 1.0, 2.0, 3.0], "b": [1.0, 0.0, 1.0, 0.0]})

CLASSES = """
from sklearn.linear_model import LogisticRegression
from travelling.parts import names
import travelling_helper


class Own(LogisticRegression):
    def predict(self, X):
        return names.named(super().predict(X), travelling_helper.WORDS)
"""

FILES = {
    "travelling/__init__.py": "",
    "travelling/parts/names.py": "from .. import *\nfrom ..more import by\n"
    "def named(values, words):\n    return by(values, words)\n",
    "travelling/more.py": "import numpy\n"
    "def by(values, words):\n    return numpy.array([words[v] for v in values])\n",
    "travelling/unused.py": "raise ImportError('not imported by any of them')\n",
    "travelling/classes.py": CLASSES,
    "travelling_helper.py": "WORDS = {0: 'stayed', 1: 'left'}\n",
}

ELSEWHERE = """
import sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
print(model.predict(pandas.DataFrame({"a": [0.0, 3.0], "b": [1.0, 0.0]})).tolist())
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A class of a project's package, which imports a helper beside the package."""
    for name, content in FILES.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    monkeypatch.syspath_prepend(tmp_path / "project")
    yield importlib.import_module("travelling.classes").Own
    for name in [name for name in sys.modules if name.startswith("travelling")]:
        del sys.modules[name]


def test_own_modules_are_those_of_the_project_and_what_they_import_of_it(own):
    folder, helper = map(Path, own_code([own]))
    assert (folder.name, helper.name) == ("travelling", "travelling_helper.py")
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.py")} == {
        *("__init__.py", "classes.py", "more.py", "parts/names.py")
    }


def test_installed_classes_bring_no_code():
    from sklearn.linear_model import LogisticRegression

    assert own_code([LogisticRegression, dict]) == []


def test_a_champion_of_an_own_class_loads_where_the_project_cannot_be_imported(own, tmp_path):
    estimator = own().fit(ROWS, [0, 0, 1, 1])
    model = Storable(
        estimator=estimator,
        sample=ROWS,
        predictions=estimator.predict(ROWS),
        allowed=("sklearn", "travelling"),
    )
    files = write_model(model, str(tmp_path / "artifacts"))
    assert files.format == "skops"
    loaded = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", ELSEWHERE, files.source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert loaded.stdout == "['stayed', 'left']\n"
