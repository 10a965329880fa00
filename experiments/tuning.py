"""Tuning, end to end: three models with search spaces as in Optuna, for ten routes.

    python -m experiments.tuning

The script runs the commands that a user would type, one after the other, and shows their output.
The search is configured in configs/tuning.yaml: TPE suggests points, two objectives and a
constraint decide, and the project's own scorer is recorded beside them.
"""

from functools import partial
from pathlib import Path

from experiments import commands
from experiments.commands import tell

CONFIG = "configs/tuning.yaml"
orchestrator = partial(commands.orchestrator, config=CONFIG)

REPORTS = Path("state/tuning")
ROUTE = "AA-BOS"


def main() -> None:
    """Run the script; it ends with the exit code of the first command that fails."""
    tell("What would be searched, and why; nothing is written yet.")
    orchestrator("plan")
    tell("Every model is tuned for every route; all studies share the workers.")
    orchestrator("run")
    tell("The best trials of one route. The champion is the smallest of the nearly best.")
    orchestrator("trials", ROUTE, "--best", "5")
    orchestrator("why", ROUTE)
    tell("Another run searches nothing again: neither data nor search has changed.")
    orchestrator("run")
    tell("Everything as one HTML file, and one route with each of its searches.")
    orchestrator("report", "--out", str(REPORTS / "report.html"))
    orchestrator("report", ROUTE, "--out", str(REPORTS / f"{ROUTE}.html"))


if __name__ == "__main__":
    main()
