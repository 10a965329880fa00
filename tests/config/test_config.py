"""The configuration: what it leaves out, and every mistake named with file and key."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import config
from orchestrator.errors import ConfigError

SMALL = """
experiment: flights
registry: {source: file, path: lists.yaml}
evaluation: {loader: "experiments.flights:load"}
"""


AT_A_SCHEDULER = "cluster: {kind: remote, address: 'tcp://localhost:8786'}\n"
AT_ANOTHER_MACHINES_SCHEDULER = AT_A_SCHEDULER.replace("localhost", "10.0.0.1")


@pytest.fixture
def write(tmp_path):
    def write(text):
        file = tmp_path / "c.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write


def problem(file):
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_what_is_left_out_is_embedded_and_local(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    experiment = config.load(write(SMALL))
    assert experiment.ledger == "sqlite:///state/flights/ledger.db"
    assert experiment.tracking == "sqlite:///state/flights/mlflow.db"
    assert experiment.artifacts == "state/flights/artifacts"
    assert experiment.cluster.kind == "local"
    assert (experiment.search.strategy, experiment.evaluation.folds) == ("grid", 3)


def test_the_files_of_models_are_left_to_a_tracking_server(write):
    served = f"{SMALL}tracking: {{uri: https://mlflow.example.com}}\n"
    assert config.load(write(served)).artifacts is None
    assert config.load(write(f"{served}{AT_A_SCHEDULER}")).artifacts is None


def test_a_folder_that_is_written_out_is_taken_for_shared_with_a_remote_cluster(write):
    written_out = f"{SMALL}{AT_A_SCHEDULER}tracking: {{artifacts: /shared/models}}\n"
    assert config.load(write(written_out)).artifacts == "/shared/models"


def test_the_demos_configuration_is_right():
    assert config.load(Path("configs/flights.yaml")).name == "flights"


def test_settings_of_a_strategy_stand_beside_its_name(write):
    search = config.load(write(f"{SMALL}search: {{strategy: random, n_trials: 20}}\n")).search
    assert (search.strategy, search.settings) == ("random", {"n_trials": 20})


def test_an_own_scorer_is_known_by_the_name_of_its_function(write):
    text = SMALL.replace('load"', 'load", metrics: [roc_auc, "mine.scorers:profit"]')
    evaluation = config.load(write(text)).evaluation
    assert evaluation.metrics == ("roc_auc", "profit")
    assert evaluation.scorers == {"profit": "mine.scorers:profit"}
    selecting = text.replace("metrics:", 'metric: "mine.scorers:profit", metrics:')
    assert config.load(write(selecting)).evaluation.metric == "profit"


@pytest.mark.parametrize("name", ["rows", "fit_seconds", "roc_auc_std", "roc_auc_fold"])
def test_an_own_scorer_takes_no_name_of_another_figure(write, name):
    text = SMALL.replace('load"', f'load", metrics: [roc_auc, "mine.scorers:{name}"]')
    with pytest.raises(ConfigError, match=f"an own scorer or measure cannot be called '{name}'"):
        config.load(write(text))


def test_the_first_metric_selects_where_none_is_named(write):
    several = SMALL.replace('load"', 'load", metrics: [f1, roc_auc]')
    assert config.load(write(several)).evaluation.metric == "f1"
    alone = config.load(write(SMALL.replace('load"', 'load", metric: f1'))).evaluation
    assert (alone.metric, alone.metrics) == ("f1", ("f1",))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{SMALL}gat: {{}}\n", r"c.yaml: gat: unknown key 'gat'; did you mean 'gate'?"),
        (
            SMALL.replace("loader:", "lodaer: x, loader:"),
            "c.yaml: evaluation: unknown key 'lodaer'; did you mean 'loader'?",
        ),
        (f"{SMALL}cluster: {{wrkers: 2}}\n", "cluster: unknown key 'wrkers'"),
        (SMALL.replace("experiment: flights", ""), "c.yaml: experiment: is missing"),
        (SMALL.replace("flights\n", "'a/b'\n"), "c.yaml: experiment: String should match"),
        (
            SMALL.replace('load"', 'load", metrics: roc_auc'),
            "c.yaml: evaluation.metrics: must be a list",
        ),
        (f"{SMALL}tolerance: 2\n", "c.yaml: tolerance: Input should be less than or equal to 1"),
        ("- a list\n", "c.yaml: must hold keys such as `experiment:` and `registry:`"),
        ("a: [", "c.yaml: line 2"),
        (f"{SMALL}gate: {{}}\ngate: {{}}\n", "the key 'gate' twice"),
        (
            SMALL.replace('load"', 'load", metrics: [roc_auc], metric: f1'),
            "evaluation.metric is 'f1', which is not among evaluation.metrics: roc_auc",
        ),
        (
            f"{SMALL}tracking: {{artifacts: /shared}}\n{AT_ANOTHER_MACHINES_SCHEDULER}",
            "c.yaml: cluster.address: tcp://10.0.0.1:8786 is neither encrypted",
        ),
        (
            SMALL.replace('load"', 'load", metrics: ["a:profit", "b:profit"]'),
            "evaluation: two of the metrics have one name: profit, profit",
        ),
        (
            SMALL.replace("{loader:", "{folds: 1, loader:"),
            "evaluation: folds must be at least 2, not 1",
        ),
        (f"{SMALL}limits: {{max_removed: 10}}\n", "max_removed must be at most 1, not 10"),
        (f"{SMALL}limits: {{max_trials: 0}}\n", "limits: max_trials must be at least 1, not 0"),
        (f"{SMALL}gate: {{threshold: .nan}}\n", "c.yaml: gate: threshold must be a finite number"),
        (
            f"{SMALL}gate: {{min_absolute_change: -0.1}}\n",
            "c.yaml: gate: min_absolute_change must be at least 0, not -0.1",
        ),
        (
            f"{SMALL}search: {{max_parallel: true}}\n",
            "search: max_parallel must be a finite number",
        ),
        (f"{SMALL}search: {{max_parallel: '2'}}\n", "search: max_parallel must be a finite number"),
        (f"{SMALL}search: {{timeout: .inf}}\n", "search: timeout must be a finite number"),
        (f"{SMALL}search: {{seconds: .inf}}\n", "search: seconds must be a finite number"),
        (f"{SMALL}limits: {{seconds: .inf}}\n", "limits: seconds must be a finite number"),
        (f"{SMALL}study_timeout: .inf\n", "c.yaml: study_timeout: Input should be a finite number"),
        (f"{SMALL}study_timeout: true\n", "c.yaml: study_timeout: Input should be a valid number"),
        (f"{SMALL}cluster: {{workers: 0}}\n", "c.yaml: cluster.workers: must be at least 1"),
        (
            f"{SMALL}{AT_A_SCHEDULER}",
            "c.yaml: tracking.artifacts must be written out where `cluster.kind` is remote",
        ),
    ],
)
def test_each_mistake_is_named_with_file_and_key(write, text, told):
    assert told in problem(write(text))


def test_several_mistakes_are_told_together(write):
    told = problem(write(f"{SMALL}tolerance: x\ngat: 1\n"))
    assert "2 problems" in told
    assert "tolerance: " in told
    assert "gat: " in told


def test_secrets_come_from_the_environment_and_are_not_shown(write, monkeypatch):
    monkeypatch.setenv("LEDGER_PASSWORD", "s3cret")
    text = f"{SMALL}ledger: postgresql://me:${{LEDGER_PASSWORD}}@host/db\n"
    assert config.load(write(text)).ledger == "postgresql://me:s3cret@host/db"
    told = problem(write(f"{text}tolerance: ${{LEDGER_PASSWORD}}\n"))
    assert "s3cret" not in told


def test_a_variable_that_is_not_set_is_named(write, monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    told = problem(write(f"{SMALL}ledger: ${{NO_SUCH}}\n"))
    assert told.endswith("c.yaml: ledger: the environment variable NO_SUCH is not set")


def test_the_file_is_found_by_option_environment_or_default(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(config.ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match="no configuration: name it with --config FILE"):
        config.find(None)
    Path("orchestrator.yaml").write_text(SMALL, encoding="utf-8")
    assert config.find(None) == Path("orchestrator.yaml")
    Path("other.yaml").write_text(SMALL, encoding="utf-8")
    monkeypatch.setenv(config.ENVIRONMENT_VARIABLE, "other.yaml")
    assert config.find(None) == Path("other.yaml")
    with pytest.raises(ConfigError, match=r"gone\.yaml: there is no such file"):
        config.find("gone.yaml")


def test_reading_a_configuration_waits_for_no_slow_library():
    """A second or two, of `status` and every other command that only reads the ledger."""
    slow = "{'mlflow', 'sklearn', 'optuna', 'distributed', 'alembic'}"
    code = f"import sys, orchestrator.config; print(*{slow} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
