"""How long a person waits after pressing Enter: for help, for who is served by what, for a run.

    python -m bench.startup

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
from orchestrator.ledger import Ledger

ROUNDS = 5


def measure() -> dict[str, float]:
    """Seconds of each command, and until the first fit of a run."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder))
        figures = {"startup.first_fit_s": _median(lambda: _first_fit(config, Path(folder)))}
        figures["startup.status_s"] = _median(lambda: _seconds("status", "--config", str(config)))
        figures["startup.help_s"] = _median(lambda: _seconds("--help"))
    return figures


def _median(once: Callable[[], float]) -> float:
    once()
    return statistics.median(once() for _ in range(ROUNDS))


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


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name:42} {value:8.3f}")
