"""How long a person waits after pressing Enter: for help, for who is served by what, for a run.

    python -m bench startup

Each command runs in a process of its own, as it is typed, medians of several after one that warms
the disk's cache. `first_fit_s` is from starting `orchestrator run` on a new ledger, a new MLflow
and a local cluster of two workers, until the first trial's fit begins, as that trial's record says.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from bench._routes import MODELS, largest
from bench._turns import QUICK_ROUNDS, ROUNDS, Figures, in_turn
from orchestrator.ledger import Ledger


def measure(*, quick: bool = False) -> Figures:
    """Seconds of each command, and until the first fit of a run."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder))
        ways: dict[str, Callable[[int], float]] = {
            "first_fit": lambda _: _first_fit(config, Path(folder)),
            "status": lambda _: _seconds("status", "--config", str(config)),
            "help": lambda _: _seconds("--help"),
        }
        seconds = in_turn("startup", ways, rounds=QUICK_ROUNDS if quick else ROUNDS)
    return {f"startup.{name}_s": statistics.median(each) for name, each in seconds.items()}


def _seconds(*arguments: str) -> float:
    began = time.perf_counter()
    _orchestrator(*arguments)
    return time.perf_counter() - began


def _first_fit(config: Path, folder: Path) -> float:
    for file in folder.glob("*.db*"):
        file.unlink()
    began = time.time()
    _orchestrator("run", "--config", str(config))
    with Ledger.open(f"sqlite:///{folder}/ledger.db") as ledger:
        (flow_run,) = ledger.flow_runs.list()
        return min(trial.result.started for trial in ledger.trials.of_run(flow_run.id)) - began


def _orchestrator(*arguments: str) -> None:
    command = [sys.executable, "-m", "orchestrator", *arguments]
    subprocess.run(command, check=True, capture_output=True)


def _config(folder: Path) -> Path:
    settings = {
        "experiment": "bench",
        "registry": {
            "source": "inline",
            "models": [
                {
                    "id": model.id,
                    "pipeline": [{"name": s.name, "estimator": s.estimator} for s in model.steps],
                    "grid": {name: list(values) for name, values in model.grid[0].items()},
                }
                for model in MODELS
            ],
            "customers": [{"id": c.id, "data": c.data} for c in largest(4)],
        },
        "evaluation": {"loader": "bench._routes:load"},
        "cluster": {"kind": "local", "workers": 2},
        "tracking": {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": f"{folder}/artifacts"},
        "ledger": f"sqlite:///{folder}/ledger.db",
    }
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file
