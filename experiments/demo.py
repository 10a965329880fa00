"""The demo: train per-route models of late flights, change the registry, and train again.

    make demo

The script runs the commands that a user would type, one after the other, and shows their output.
The second run trains only what is new: the added route, and nothing for the two removed ones.
"""

from functools import partial
from pathlib import Path

import yaml

from experiments import commands
from experiments.commands import tell

CONFIG = "configs/flights.yaml"
orchestrator = partial(commands.orchestrator, config=CONFIG)

LISTS = Path("configs/registry/flights.yaml")
CHANGED = Path("state/flights/changed.yaml")

ADDED = {"id": "9E-BOS", "data": {"carrier": "9E", "dest": "BOS"}, "segment": "Endeavor Air Inc."}
REMOVED_CUSTOMERS = ("AA-LAX", "B6-MCO")
REMOVED_MODEL = "forest"


def main() -> None:
    """Run the demo; it ends with the exit code of the first command that fails."""
    tell("Lists of models and routes go into the registry, an SQLite database.")
    orchestrator("registry", "import", str(LISTS))
    tell("The first run: every model for every route, every trial in MLflow.")
    orchestrator("run")
    tell("Meanwhile the lists change: two routes and a model leave, a route comes.")
    CHANGED.write_text(yaml.safe_dump(changed(), sort_keys=False), encoding="utf-8")
    orchestrator("registry", "import", str(CHANGED))
    tell("A plan shows what that means, and writes nothing.")
    orchestrator("plan")
    tell("The second run trains what is new, and uses again what is recorded.")
    orchestrator("run")
    tell("A route that has left keeps its history, and its model.")
    orchestrator("history", REMOVED_CUSTOMERS[0])
    tell(f"Next: `orchestrator status -c {CONFIG}` tells what serves whom; `make ui` shows trials.")


def changed() -> dict[str, list[dict[str, object]]]:
    """Return the lists without the removed rows and with the added ones."""
    lists = yaml.safe_load(LISTS.read_text(encoding="utf-8"))
    customers = [c for c in lists["customers"] if c["id"] not in REMOVED_CUSTOMERS]
    models = [model for model in lists["models"] if model["id"] != REMOVED_MODEL]
    return {"models": models, "customers": [*customers, ADDED]}


if __name__ == "__main__":
    main()
