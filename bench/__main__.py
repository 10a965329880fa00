"""Runs the benchmark programs and keeps their figures.

    python -m bench                 all of them
    python -m bench mapping deploy  these

Prints one table, and merges the figures into build/bench.json: those of programs that were not run
stay as they were.
"""

import importlib
import json
import pkgutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

import bench

RESULTS = Path("build/bench.json")


def main(chosen: list[str]) -> int:
    known = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    programs = [name for name in known if not name.startswith("_")]
    unknown = sorted(set(chosen) - set(programs))
    if unknown:
        print(f"no benchmark is named {unknown[0]!r}; there are {', '.join(programs)}")
        return 2
    figures: dict[str, float] = {}
    for name in chosen or programs:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures |= importlib.import_module(f"bench.{name}").measure()
        keep(figures)
    show(figures)
    return 0


def keep(figures: dict[str, float]) -> None:
    """Written after each program, so that a later one that fails takes nothing away."""
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(before | figures, indent=2, sort_keys=True) + "\n")


def show(figures: dict[str, float]) -> None:
    table = Table("figure", "value")
    table.columns[1].justify = "right"
    for name, value in figures.items():
        table.add_row(name, f"{value:,.3f}")
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
