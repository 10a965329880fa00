"""What a change did: the same benchmark programs on another revision and on this one, in turn.

    python -m bench._compare BASE [program ...]

The other revision is checked out into a folder of its own, beside this one, and removed again; its
code runs with this environment's libraries. By default the job alone is run, as `--quick` does.
"""

import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench._turns import say

HERE = Path(__file__).parent.parent
TURNS = 3

Numbers = dict[str, float]


def main(base: str, programs: Sequence[str]) -> int:
    problem = _problem(base, programs)
    if problem:
        print(problem, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left behind
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder, "base")
        _git("worktree", "add", "--detach", str(other), base)
        try:
            before, after = _in_turn(other, programs)
        finally:
            _git("worktree", "remove", "--force", str(other))
    _show(base, before, after)
    return 0


def _problem(base: str, programs: Sequence[str]) -> str:
    """Why there is nothing to compare with; "" if there is."""
    if not _has(f"{base}^{{commit}}"):
        return f"{base!r} is no revision of this repository"
    for program in programs:
        for revision in (base, "HEAD"):
            if not _has(f"{revision}:bench/{program}.py"):
                return f"revision {revision} has no bench/{program}.py, so there is no figure of it"
    return ""


def _in_turn(other: Path, programs: Sequence[str]) -> tuple[Numbers, Numbers]:
    found: dict[Path, list[Numbers]] = {other: [], HERE: []}
    for turn in range(TURNS):
        for root, numbers in found.items():
            say(f"turn {turn + 1} of {TURNS}: {'now' if root is HERE else 'base'}")
            numbers.append(_figures(root, programs))
    return _medians(found[other]), _medians(found[HERE])


def _figures(root: Path, programs: Sequence[str]) -> Numbers:
    """Of a revision's own programs, in a process that sees its code and no other.

    Programs of earlier revisions know other options; each is given those it knows.
    """
    code = (
        "import importlib, inspect, json, sys\n"
        "found, options = {}, dict(quick=True, rounds=3, peers_too=())\n"
        "for name in sys.argv[1:]:\n"
        "    measure = importlib.import_module(f'bench.{name}').measure\n"
        "    known = inspect.signature(measure).parameters\n"
        "    found |= measure(**{name: options[name] for name in options if name in known})\n"
        "print(json.dumps(found))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *programs],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(ran.stdout.splitlines()[-1])
    return {name: value for name, value in found.items() if not isinstance(value, str)}


def _medians(turns: Sequence[Numbers]) -> Numbers:
    return {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}


def _show(base: str, before: Numbers, after: Numbers) -> None:
    table = Table("figure", base, "now", "change")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in sorted(before.keys() & after.keys()):
        change = after[name] / before[name] - 1 if before[name] else 0.0
        table.add_row(name, f"{before[name]:,.3f}", f"{after[name]:,.3f}", f"{change:+.0%}")
    Console().print(table)


def _has(name: str) -> bool:
    look = ["git", "-C", str(HERE), "cat-file", "-e", name]
    return subprocess.run(look, check=False, capture_output=True).returncode == 0


def _git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(HERE), *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: make bench-compare BASE=<git revision>")
    sys.exit(main(sys.argv[1], sys.argv[2:] or ["job"]))
