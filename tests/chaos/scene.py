"""One flow run in which something goes wrong: its folder, its driver process, and how it ended.

Touches the command line, as a person does; takes places; gives what ledger and MLflow say.
"""

import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from sqlalchemy import NullPool, create_engine, text

from orchestrator.ledger import Ledger
from orchestrator.mlflow.model_files.checksums import damage
from orchestrator.records import Promotion
from tests.chaos.work import CUSTOMERS, FOLDS, MODELS, POINTS
from tests.support.places import HOME, kill_tree

MLFLOW = "mlflow"
"""The name of the database that MLflow begins with."""

SECONDS_TO_END = 300.0
THRESHOLDS = [round(-0.9 + 0.2 * point, 1) for point in range(POINTS)]


@dataclass(kw_only=True)
class Scene:
    """A place to run in, and what it may be made of.

    Attributes:
        folder: Everything the flow run writes.
        ledger: The ledger's address.
        store: The address of MLflow's database.
        tracking: What the driver is told of MLflow: the store, or a server before it.
        cluster: The driver's `cluster:` settings.
        make_store: Makes an empty database for MLflow, by name, in place of the one there may be;
            gives its address.
        environment: Of every process.
        places: The servers there are, by name; faults find there what they kill.
        customers: How many it trains for.
    """

    folder: Path
    ledger: str
    store: str
    tracking: str
    cluster: Mapping[str, Any]
    make_store: Callable[[str], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Any] = field(default_factory=dict)
    customers: int = CUSTOMERS

    @property
    def trials(self) -> int:
        """How many trials an undisturbed flow run makes."""
        return self.customers * MODELS * POINTS

    @property
    def config(self) -> Path:
        """The configuration of every driver here."""
        return self.folder / "orchestrator.yaml"

    @property
    def artifacts(self) -> Path:
        """The folder of all model files."""
        return self.folder / "artifacts"

    @property
    def log(self) -> Path:
        """What all drivers said; beside the folder, whose disk may be full."""
        return self.folder.with_suffix(".log")

    def write_config(self, **changes: Any) -> None:
        """As a person would; a change lasts until the next one."""
        content = {
            "experiment": "chaos",
            "registry": {
                "source": "inline",
                "models": models(),
                "customers": customers(self.customers),
            },
            "evaluation": {
                "loader": "tests.chaos.work:load",
                "folds": FOLDS,
                "allowed": ["sklearn", "tests.chaos.work"],
            },
            "cluster": dict(self.cluster),
            "tracking": {"uri": self.tracking, "artifacts": str(self.artifacts)},
            "ledger": self.ledger,
        }
        self.config.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")

    def drive(self, *command: str) -> "Driver":
        """Start a driver: `run`, `resume`, whatever a person would type."""
        program = "tests.chaos.clock" if "clock" in self.places else "orchestrator"
        arguments = [sys.executable, "-m", program, *command, "--config", str(self.config)]
        log = self.log.open("ab")
        process = subprocess.Popen(
            arguments, cwd=HOME, env=dict(self.environment), stdout=log, stderr=log
        )
        log.close()
        return Driver(process, self.log)

    def cure(self) -> tuple[str, ...]:
        """What a person would type after a driver that did not succeed."""
        with Ledger.look(self.ledger) as ledger:
            if ledger.flow_runs.last_unfinished() is not None:
                return ("resume",)
            latest = next(iter(ledger.flow_runs.list(1)), None)
        return ("run",) if latest is None or latest.state == "success" else ("resume", latest.id)

    def fits(self) -> int:
        """How many fits on folds there have been, in all processes together."""
        file = Path(self.environment["CHAOS_FITS"])
        return file.stat().st_size if file.exists() else 0

    def trials_done(self) -> int:
        """How many trials have been computed, recorded or not; a part of one counts."""
        return math.ceil(self.fits() / FOLDS)

    def trials_recorded(self) -> int:
        """How many trials the ledger has."""
        return int(self._ask(self.ledger, "SELECT count(*) FROM ledger_trials")[0][0])

    def runs_in_mlflow(self) -> int:
        """How many trials MLflow has."""
        return len(self._ask(self.store, _RUNS))

    def confirmed(self) -> list[Promotion]:
        """The champions that are served, by the ledger's account."""
        with Ledger.look(self.ledger) as ledger:
            return [chain[-1] for chain in ledger.promotions.confirmed().values()]

    def damaged(self) -> list[str]:
        """Customers with champions whose files are gone, or are not those that were written."""
        return [
            champion.decision.customer.id
            for champion in self.confirmed()
            if damage(champion.model.source, champion.model.files, self.tracking) is not None
        ]

    def move_to(self, store: str) -> None:
        """Name another database of MLflow's in the configuration."""
        self.store = self.tracking = store
        self.write_config()

    def end(self) -> "End":
        """What there is now."""
        with Ledger.look(self.ledger) as ledger:
            recorded = [
                trial
                for flow_run in ledger.flow_runs.list(1_000)
                for trial in ledger.trials.of_run(flow_run.id)
            ]
            champions = {
                customer: (champion.result.trial.key, champion.run_id, champion.deployed.version)
                for customer, champion in ledger.promotions.champions().items()
            }
            pending = len(ledger.trials.pending()) + len(ledger.promotions.pending())
        return End(
            ledger=Counter(t.result.trial.key for t in recorded if t.result.state == "success"),
            failed=sum(trial.result.state != "success" for trial in recorded),
            mlflow=Counter(name for (name,) in self._ask(self.store, _RUNS)),
            champions=champions,
            aliases={row[0]: (row[1], str(row[2])) for row in self._ask(self.store, _ALIASES)},
            pending=pending,
            fits=self.fits(),
        )

    def _ask(self, address: str, query: str) -> Sequence[Any]:
        address = address.replace("postgresql://", "postgresql+psycopg://")
        engine = create_engine(address, poolclass=NullPool)
        with engine.connect() as connection:
            return list(connection.execute(text(query)))


_RUNS = "SELECT name FROM runs WHERE lifecycle_stage = 'active' AND status = 'FINISHED'"
_ALIASES = """
    SELECT tags.value, versions.run_id, versions.version
    FROM registered_model_aliases AS aliases
    JOIN model_versions AS versions
      ON versions.name = aliases.name AND versions.version = aliases.version
    JOIN registered_model_tags AS tags ON tags.name = aliases.name AND tags.key = 'customer'
    WHERE aliases.alias = 'champion'
"""


def models() -> list[dict[str, Any]]:
    """One a column."""
    return [
        {
            "id": f"column-{column}",
            "estimator": "tests.chaos.work:Threshold",
            "params": {"column": column},
            "grid": {"threshold": THRESHOLDS},
        }
        for column in range(MODELS)
    ]


def customers(count: int) -> list[dict[str, Any]]:
    """One a seed."""
    return [{"id": f"customer-{n:03}", "data": {"seed": n}} for n in range(count)]


def prepare(folder: Path, **changes: Any) -> Scene:
    """A scene on SQLite with a cluster of its own, unless changed, ready to be driven.

    Args:
        folder: Its own; where MLflow is on SQLite, with an empty `mlflow.db` in it.
        **changes: Fields of the scene.
    """
    store = f"sqlite:///{folder}/mlflow.db"
    settings = {
        "folder": folder,
        "ledger": f"sqlite:///{folder}/ledger.db",
        "store": store,
        "tracking": changes.get("store", store),
        "cluster": {"kind": "local", "workers": 2, "dashboard": False},
        "environment": environment(folder),
    }
    scene = Scene(**{**settings, **changes})
    scene.write_config()
    return scene


def environment(folder: Path) -> dict[str, str]:
    """What every process of a scene is told."""
    return {
        **os.environ,
        "PYTHONPATH": str(HOME),
        "CHAOS_FOLDER": str(folder),
        "CHAOS_FITS": str(folder / "fits"),
        # MLflow's client tries for minutes; ours has an outbox.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    }


class Driver:
    """A driver's process."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process, self._log = process, log

    @property
    def ended(self) -> bool:
        """Whether it has ended, one way or another."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """Kill the driver alone, as the kernel does: what it started must see to itself."""
        self.process.kill()
        self.process.wait()

    def wait(self, seconds: float = SECONDS_TO_END) -> int:
        """Its exit code.

        Raises:
            TimeoutError: It hangs; with the end of what it said.
        """
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            kill_tree(self.process.pid)
            raise TimeoutError(f"the driver hangs; it said:\n{self.said()}") from None

    def said(self) -> str:
        """The end of what all drivers of the scene printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")[-3_000:]


@dataclass(frozen=True, kw_only=True)
class End:
    """What ledger and MLflow hold when all is over.

    Attributes:
        ledger: How often the ledger has each trial's success, by the trial's key.
        failed: Trials that are recorded as failed.
        mlflow: How often MLflow has each, by the same key.
        champions: By customer: the trial's key, MLflow's run and the version, as the ledger knows.
        aliases: By customer: run and version of the alias `champion`, as MLflow knows.
        pending: What MLflow lacks by the ledger's account.
        fits: How many fits on folds it took.
    """

    ledger: Counter[str]
    failed: int
    mlflow: Counter[str]
    champions: Mapping[str, tuple[str, str, str]]
    aliases: Mapping[str, tuple[str, str]]
    pending: int
    fits: int
