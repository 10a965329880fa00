"""Tuning, end to end: three models with spaces in Optuna's words, for ten routes of the flights.

    python -m experiments.tuning

It types the commands a person would, one after the other, and shows what they print. What it does
is in configs/tuning.yaml: TPE suggests, two objectives and a constraint decide, an own scorer
is recorded beside them.
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
    """Run it; ends with the exit code of the first command that fails."""
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
