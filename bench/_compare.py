"""What a change did: the same benchmark programs on another revision and on this one.

    python -m bench._compare BASE [program ...]

The other revision is checked out into a folder of its own, beside this one, and removed again; its
code runs with this environment's libraries. By default the job alone is run, as `--quick` does.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent.parent


def main(base: str, programs: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        other = Path(folder, "base")
        git("worktree", "add", "--detach", str(other), base)
        try:
            before, after = figures(other, programs), figures(HERE, programs)
        finally:
            git("worktree", "remove", "--force", str(other))
    show(base, before, after)
    return 0


def figures(root: Path, programs: list[str]) -> dict[str, float]:
    """Of a revision's own programs, in a process that sees its code and no other."""
    code = (
        "import importlib, json, sys\n"
        "found = {}\n"
        "for name in sys.argv[1:]:\n"
        "    module = importlib.import_module(f'bench.{name}')\n"
        "    quick = dict(rounds=3, peers_too=()) if name == 'job' else {}\n"
        "    found |= module.measure(**quick)\n"
        "print(json.dumps(found))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, *programs],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        check=True,
    )
    found: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return found


def show(base: str, before: dict[str, float], after: dict[str, float]) -> None:
    table = Table("figure", base, "now", "change")
    for column in table.columns[1:]:
        column.justify = "right"
    for name in sorted(before.keys() & after.keys()):
        change = after[name] / before[name] - 1 if before[name] else 0.0
        table.add_row(name, f"{before[name]:,.3f}", f"{after[name]:,.3f}", f"{change:+.0%}")
    Console().print(table)


def git(*arguments: str) -> None:
    subprocess.run(["git", "-C", str(HERE), *arguments], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: make bench-compare BASE=<git revision>")
    sys.exit(main(sys.argv[1], sys.argv[2:] or ["job"]))
