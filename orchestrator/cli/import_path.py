"""Where modules of a project are found, beside what is installed.

Touches sys; takes folders; workers of a local cluster inherit the path; driver. What is installed
comes first, so that no file of a project passes for a module of the standard library.
"""

import sys
from pathlib import Path


def add(folder: Path) -> None:
    """Find modules in a folder, before the one the command was typed in but after all others."""
    name, typed_in = str(folder), str(Path.cwd())
    if name not in sys.path:
        sys.path.insert(len(sys.path) - (sys.path[-1] == typed_in), name)
