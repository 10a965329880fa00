"""Runs the benchmark programs and keeps their figures.

    python -m bench                 all of them, about 40 minutes on two cores
    python -m bench mapping deploy  these
    python -m bench --quick         all of them, in fewer rounds and smaller

Prints one table, and merges the figures into build/bench.json: those of programs that were not run
stay as they were.
"""

import argparse
import importlib
import json
import pkgutil
import sys
import time
from pathlib import Path

import bench
from bench._turns import Figures, show

RESULTS = Path("build/bench.json")


def main(arguments: list[str]) -> int:
    known = [module.name for module in pkgutil.iter_modules(bench.__path__)]
    programs = [name for name in known if not name.startswith("_")]
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("programs", nargs="*", metavar="program", help=", ".join(programs))
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.programs) - set(programs))
    if unknown:
        print(f"no benchmark is named {unknown[0]!r}; there are {', '.join(programs)}")
        return 2
    figures: Figures = {}
    for name in given.programs or programs:
        figures |= measured(name, quick=given.quick)
        keep(figures)
    show(figures)
    return 0


def measured(name: str, *, quick: bool) -> Figures:
    print(f"{name} ...", file=sys.stderr, flush=True)
    began = time.perf_counter()
    figures: Figures = importlib.import_module(f"bench.{name}").measure(quick=quick)
    print(f"{name}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


def keep(figures: Figures) -> None:
    """Written after each program, so that a later one that fails takes nothing away."""
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(before | figures, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
