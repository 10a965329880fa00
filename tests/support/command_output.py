"""The output of a command, taken apart.

Touches no library; takes what a command printed.
"""

import json
from typing import Any


def as_json(out: str) -> Any:
    """The JSON that a command printed."""
    return json.loads(out)


def printed(out: str, *beginnings: str) -> list[str]:
    """The lines that begin with one of these, all of them if none is given."""
    return [line for line in out.splitlines() if line.startswith(beginnings or "")]


def said(err: str, *beginnings: str) -> list[str]:
    """The output of tasks, of the lines that `--logs` shows by the instance's name."""
    lines = [line.partition("] ")[2] for line in err.splitlines() if line.startswith("[")]
    return printed("\n".join(lines), *beginnings)
