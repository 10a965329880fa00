"""The public names of the package: complete, importable, quick to import, said alike everywhere."""

import ast
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import orchestrator

PUBLIC = {
    "Cluster",
    "ClusterKind",
    "ClusterTraits",
    "ConfigError",
    "Customer",
    "CustomerStatus",
    "CustomerTrials",
    "Data",
    "DataError",
    "Diagnosis",
    "Evaluation",
    "EventObserver",
    "Experiment",
    "ExperimentSettings",
    "Fail",
    "Finding",
    "FirstEnded",
    "Flow",
    "FlowError",
    "FlowRun",
    "FlowRunBegan",
    "FlowRunEnded",
    "GuardRefused",
    "HeldError",
    "InstanceLog",
    "InstanceRecord",
    "Ledger",
    "Life",
    "Listing",
    "MachineryError",
    "Measure",
    "MemoryRecorder",
    "MlflowBehind",
    "ModelSpec",
    "NodeProgress",
    "OrchestratorError",
    "Outcome",
    "Outcomes",
    "Plan",
    "Pool",
    "Promoted",
    "Promotion",
    "RecordedTrial",
    "Recorder",
    "RegistryError",
    "Report",
    "Run",
    "Search",
    "Sent",
    "Skip",
    "Source",
    "State",
    "Status",
    "StoppedError",
    "Strategy",
    "Study",
    "Task",
    "TaskFailedError",
    "Traits",
    "Trial",
    "TrialResult",
    "Unreadable",
    "UsageError",
    "Why",
    "__version__",
    "context",
    "flow",
    "task",
}
"""A name leaves this list only with a note in the changelog."""


def test_the_public_names_are_these():
    assert set(orchestrator.__all__) == PUBLIC
    assert list(orchestrator.__all__) == sorted(orchestrator.__all__)
    assert set(dir(orchestrator)) >= PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_each_can_be_imported(name):
    assert getattr(orchestrator, name) is not None


def test_what_type_checkers_import_is_what_programs_import():
    tree = ast.parse(Path(orchestrator.__file__).read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    said = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert said == orchestrator._HOME_OF


def test_another_name_is_an_error_as_in_any_module():
    with pytest.raises(AttributeError, match="no attribute 'Experimant'"):
        _ = orchestrator.Experimant


def test_importing_the_package_imports_nothing_slow():
    code = "import sys, orchestrator; print(*{'pandas', 'numpy', 'sqlalchemy', 'mlflow', 'dask', "
    code += "'pydantic', 'orchestrator.mapping'} & sys.modules.keys())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == []


def test_the_version_is_that_of_the_distribution(typed):
    assert orchestrator.__version__ == importlib.metadata.version("orchestrator")
    assert typed("--version") == (0, f"orchestrator {orchestrator.__version__}\n", "")
