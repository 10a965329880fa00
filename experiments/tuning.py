"""Tuning, end to end: three models with spaces in Optuna's words, for ten routes of the flights.

    python -m experiments.tuning

It types the commands a person would, one after the other, and shows what they print. What it does
is in configs/tuning.yaml: TPE suggests, two objectives and a constraint decide, an own scorer
is recorded beside them.
"""

import subprocess
import sys
from pathlib import Path

CONFIG = "configs/tuning.yaml"
"""Named in every command, so that a configuration of the user's own is never touched."""

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


def tell(text: str) -> None:
    """Say what comes next."""
    print(f"\n# {text}", flush=True)


def orchestrator(*arguments: str) -> None:
    """Type a command, as a person would."""
    arguments = (*arguments, "--config", CONFIG)
    print(f"$ orchestrator {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "orchestrator", *arguments]
    ended = subprocess.run(command, check=False)  # noqa: S603 - our own command line
    if ended.returncode:
        sys.exit(ended.returncode)


if __name__ == "__main__":
    main()
