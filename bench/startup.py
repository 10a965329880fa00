"""How long a person waits after pressing Enter: for help, for who is served by what, for a run.

    python -m bench startup

Each command runs in a process of its own, as it is typed, medians of several after one that warms
the disk's cache. `first_fit_s` is from starting `orchestrator run` on a new ledger, a new MLflow
and a local cluster of two workers, until the first trial's fit begins, as that trial's record says.
`noop_s` is `orchestrator run` with 80 customers that have not changed; `noop_ratio` divides it by
the time of `python -c "import mlflow"`, taken in turn with it, and `noop_cpu_ratio` does the same
with the CPU time of both processes.
"""

import resource
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

_UNCHANGED = 80
"""Customers of the run without news."""


def measure(*, quick: bool = False) -> Figures:
    """Seconds of each command, and until the first fit of a run."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), customers=4)
        ways: dict[str, Callable[[int], float]] = {
            "first_fit": lambda _: _first_fit(config, Path(folder)),
            "status": lambda _: _wall_and_cpu("status", "--config", str(config))[0],
            "help": lambda _: _wall_and_cpu("--help")[0],
        }
        seconds = in_turn("startup", ways, rounds=rounds)
    figures: Figures = {
        f"startup.{name}_s": statistics.median(each) for name, each in seconds.items()
    }
    return figures | _without_news(rounds)


def _without_news(rounds: int) -> Figures:
    """A run of unchanged customers against the import of MLflow alone."""
    with tempfile.TemporaryDirectory() as folder:
        config = _config(Path(folder), customers=_UNCHANGED)
        _orchestrator("run", "--config", str(config))
        ways: dict[str, Callable[[int], tuple[float, float]]] = {
            "noop": lambda _: _wall_and_cpu("run", "--config", str(config)),
            "import_mlflow": lambda _: _of(sys.executable, "-c", "import mlflow"),
        }
        given = in_turn("startup", ways, rounds=rounds)
    wall, cpu = (
        {name: statistics.median(pair[which] for pair in pairs) for name, pairs in given.items()}
        for which in (0, 1)
    )
    return {
        **{f"startup.{name}_s": value for name, value in wall.items()},
        **{f"startup.{name}_cpu_s": value for name, value in cpu.items()},
        "startup.noop_ratio": wall["noop"] / wall["import_mlflow"],
        "startup.noop_cpu_ratio": cpu["noop"] / cpu["import_mlflow"],
    }


def _wall_and_cpu(*arguments: str) -> tuple[float, float]:
    return _of(sys.executable, "-m", "orchestrator", *arguments)


def _of(*command: str) -> tuple[float, float]:
    """Seconds on the clock and of CPU that a command takes, its children included."""
    began, used = time.perf_counter(), _used()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - began, _used() - used


def _used() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


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


def _config(folder: Path, *, customers: int) -> Path:
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
            "customers": [{"id": c.id, "data": c.data} for c in largest(customers)],
        },
        "evaluation": {"loader": "bench._routes:load"},
        "cluster": {"kind": "local", "workers": 2},
        "tracking": {"uri": f"sqlite:///{folder}/mlflow.db", "artifacts": f"{folder}/artifacts"},
        "ledger": f"sqlite:///{folder}/ledger.db",
    }
    file = folder / "bench.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return file
