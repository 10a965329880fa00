"""The programs of docs/python.md run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = re.compile(r"```python\n# (?P<name>[\w.]+)\n(?P<content>.*?)```", re.DOTALL)
LOADER = """
import pandas as pd

def load(customer):
    table = pd.read_parquet(customer.data)
    return table.drop(columns="left"), table["left"]
"""


@pytest.fixture
def folder(tmp_path):
    """A folder with the programs of the page, a loader and one customer's data."""
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    for found in PROGRAM.finditer(page):
        (tmp_path / found["name"]).write_text(found["content"], encoding="utf-8")
    (tmp_path / "churn.py").write_text(LOADER)
    (tmp_path / "data").mkdir()
    spent = np.random.default_rng(0).random(100)
    table = pd.DataFrame({"spent": spent, "left": (spent > 0.5).astype(int)})
    table.to_parquet(tmp_path / "data" / "acme.parquet")
    return tmp_path


def printed(folder, *arguments):
    """Run Python in that folder; gives what it printed."""
    ended = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ORCHESTRATOR_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_an_experiment_of_python_objects_plans_its_trials(folder):
    assert re.search(r"tree +1 +1 +0 +2", printed(folder, "objects.py"))


def test_a_flow_is_run_with_a_ledger(folder):
    assert printed(folder, "squares.py") == "14\n"
    assert (folder / "squares.db").is_file()


def test_a_contract_class_tests_a_recorder(folder):
    out = printed(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_recorder.py")
    assert "failed" not in out


def test_every_method_of_the_page_exists():
    from orchestrator import Experiment

    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    methods = re.findall(r"^\| `(\w+)\(", page, re.MULTILINE)
    assert len(methods) == 9
    assert [name for name in methods if not callable(getattr(Experiment, name, None))] == []
