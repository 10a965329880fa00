"""The output of a command, taken apart.

Touches no library; takes what a command printed.
"""

import json


def as_json(out):
    return json.loads(out)


def printed(out, *beginnings):
    return [line for line in out.splitlines() if line.startswith(beginnings or "")]


def said(err, *beginnings):
    """What tasks printed, of the lines that `--logs` shows by the instance's name."""
    lines = [line.partition("] ")[2] for line in err.splitlines() if line.startswith("[")]
    return printed("\n".join(lines), *beginnings)
