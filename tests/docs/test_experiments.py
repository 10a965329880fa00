"""The flows in experiments/, run by the command line as their docstrings say."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

from orchestrator.cli import app

HERE = Path(__file__).parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The project's folder as the current one, with a configuration that keeps out of it."""
    config = tmp_path / "orchestrator.yaml"
    config.write_text(
        "experiment: examples\n"
        "registry: {source: file, path: configs/registry/flights.yaml}\n"
        "evaluation: {loader: 'experiments.flights:load'}\n"
        "cluster: {kind: local, workers: 2, dashboard: false}\n"
        f"ledger: sqlite:///{tmp_path}/ledger.db\n"
    )
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(config))
    monkeypatch.setattr(sys, "path", sys.path[:])


@pytest.fixture
def orchestrator(here):
    """Runs a command in this process; gives what it printed."""

    def run(*arguments, exit_code=0):
        shows = ["--logs"] if arguments[0] == "run" else []
        result = CliRunner().invoke(app, [*arguments, *shows])
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


@pytest.fixture
def on_cluster(here):
    """Runs a command as its own process, on a cluster; gives what it and its tasks printed."""

    def run(*arguments):
        command = [sys.executable, "-m", "orchestrator", *arguments, "--cluster", "--logs"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout + ended.stderr

    return run


def test_the_sample_prints_the_sums_in_order(orchestrator):
    printed = orchestrator("run", "experiments/sample_repeated_mapping.py")
    assert "[print_x] [7, 12, 9, 14, 13, 18]" in printed.splitlines()


def test_the_sample_prints_the_same_on_a_cluster(on_cluster):
    printed = on_cluster("run", "experiments/sample_repeated_mapping.py")
    assert "[print_x] [7, 12, 9, 14, 13, 18]" in printed.splitlines()


@pytest.fixture
def orders(tmp_path):
    """A folder of two files, one CSV and one Parquet, and what is to come of it."""
    folder = tmp_path / "orders"
    folder.mkdir()
    (folder / "monday.csv").write_text("Order No,Amount\n1,9.5\n2,3\n2,3\n")
    pd.DataFrame({"order no": [3], "Note": ["late"]}).to_parquet(folder / "tuesday.parquet")
    (folder / "readme.txt").write_text("not data")
    return folder


def elt(orchestrator, orders, **keywords):
    out = orders.parent / "orders.duckdb"
    parameters = ("-p", f"folder={orders}", "-p", f"out={out}")
    return orchestrator("run", "experiments/elt.py", *parameters, **keywords)


def loaded(orders):
    with duckdb.connect(str(orders.parent / "orders.duckdb"), read_only=True) as database:
        return database.sql("SELECT order_no, source_file FROM loaded ORDER BY ALL").fetchall()


def test_all_files_of_a_folder_become_one_table_on_a_cluster(on_cluster, orders):
    printed = elt(on_cluster, orders)
    assert "3 rows of 2 files" in printed
    assert loaded(orders) == [(1, "monday.csv"), (2, "monday.csv"), (3, "tuesday.parquet")]


def test_only_new_and_changed_files_are_transformed_again(orchestrator, orders):
    elt(orchestrator, orders)
    (orders / "monday.csv").write_text("Order No,Amount\n7,1\n")
    (orders / "wednesday.csv").write_text("Order No,Amount\n8,1\n")
    assert "instances: 4 success, 1 cached" in elt(orchestrator, orders)
    assert [number for number, _ in loaded(orders)] == [3, 7, 8]


def test_a_file_that_comes_back_to_an_older_version_brings_its_older_rows(orchestrator, orders):
    file = orders / "monday.csv"
    older, when = file.read_text(), file.stat().st_mtime_ns
    elt(orchestrator, orders)
    file.write_text("Order No,Amount\n7,1\n")
    elt(orchestrator, orders)
    file.write_text(older)
    os.utime(file, ns=(when, when))
    elt(orchestrator, orders)
    assert [number for number, _ in loaded(orders)] == [1, 2, 3]


def test_a_bad_file_fails_alone_and_leaves_the_table_as_it_was(orchestrator, orders):
    elt(orchestrator, orders)
    (orders / "wednesday.parquet").write_bytes(b"no parquet")
    printed = elt(orchestrator, orders, exit_code=1)
    assert "transform[wednesday.parquet]" in printed
    assert len(loaded(orders)) == 3


def test_each_airline_is_examined_route_by_route_and_the_worst_by_the_hour(on_cluster):
    printed = on_cluster("run", "experiments/late_routes.py", "-p", "closer=2").splitlines()
    first = next(line for line in printed if line.startswith("[report] "))
    assert first.startswith(
        "[report] FL    2,278 flights  34.7% late; worst to ATL 34.7%, at 17h 51.5%"
    )


def test_routes_and_hours_are_instances_under_the_name_of_their_airline(orchestrator):
    orchestrator("run", "experiments/late_routes.py")
    listed = orchestrator("instances", "latest", "--key", "EV/TYS").splitlines()[1:]
    assert [line.split()[0].partition("@")[0] for line in listed] == ["look_closer", "measure"]
