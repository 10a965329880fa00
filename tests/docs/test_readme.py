"""The README's own example, typed off and run as it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

README = Path(__file__).parents[2] / "README.md"
FILES = re.compile(r"```\w+\n# (?P<name>[\w.]+)\n(?P<content>.*?)```", re.DOTALL)


@pytest.fixture
def project(tmp_path):
    """A folder with the three files of the README, and the data they speak of."""
    for found in FILES.finditer(README.read_text(encoding="utf-8")):
        (tmp_path / found["name"]).write_text(found["content"], encoding="utf-8")
    (tmp_path / "data").mkdir()
    for number, customer in enumerate(("acme", "globex")):
        random = np.random.default_rng(number)
        table = pd.DataFrame({"months": random.integers(1, 60, 600), "spent": random.random(600)})
        table["left"] = (table["months"] + random.normal(0, 20, 600) < 20).astype(int)
        table.to_parquet(tmp_path / "data" / f"{customer}.parquet")
    return tmp_path


@pytest.fixture
def typed(project):
    """Type a command in that folder; gives what it printed."""

    def typed(*arguments):
        ended = subprocess.run(
            [sys.executable, "-m", "orchestrator", *arguments],
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(README.parent), "ORCHESTRATOR_CONFIG": ""},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    return typed


@pytest.mark.slow
@pytest.mark.timeout(700)  # it trains on a cluster, on a machine that others use too
def test_the_example_of_the_readme_runs_as_it_says(typed):
    assert "2 customers, 4 studies: 0 unchanged and reused, 4 to train with 10 trials" in typed(
        "plan"
    )
    assert "10 succeeded, 0 failed, 0 reused" in typed("run")
    assert "4 unchanged and reused, 0 to train with 0 trials" in typed("plan")
    assert "churn.acme v1" in typed("status")
    assert "customer acme" in typed("history", "acme")


def test_the_flow_of_the_readme_prints_as_it_says(tmp_path):
    text = README.read_text(encoding="utf-8")
    program = re.search(r"## Any flow\n\n```python\n(.*?)```", text, re.DOTALL)
    printed = re.search(r"The first command prints `(.*?)`;", text)
    (tmp_path / "sample.py").write_text(program[1], encoding="utf-8")
    environment = {n: v for n, v in os.environ.items() if n != "ORCHESTRATOR_CONFIG"}
    ended = subprocess.run(
        [sys.executable, "-m", "orchestrator", "run", "sample.py"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(README.parent)},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert printed[1] in ended.stderr.splitlines()
    assert "instances: 7 success" in ended.stdout


def test_every_link_of_the_readme_leads_somewhere():
    links = re.findall(r"\]\(([\w./-]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (README.parent / link).exists()] == []


@pytest.mark.slow
@pytest.mark.timeout(700)  # it trains on a cluster, on a machine that others use too
def test_the_program_of_the_readme_trains_and_prints_what_was_promoted(project):
    ended = python(project, "train.py")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("first champion") == 2


def test_a_script_that_worker_processes_would_run_again_is_refused(project):
    script = project / "train.py"
    script.write_text(script.read_text().replace('if __name__ == "__main__":', "if True:"))
    ended = python(project, "train.py")
    assert ended.returncode == 1
    assert "train.py: worker processes import this script" in ended.stderr
    assert 'under `if __name__ == "__main__":`' in ended.stderr


def python(folder, script):
    """Run a script in its folder as a person would."""
    return subprocess.run(
        [sys.executable, script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(README.parent), "ORCHESTRATOR_CONFIG": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
