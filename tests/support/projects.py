"""A project's folder: its configuration and lists, written and changed.

Touches YAML; takes plain values, gives files.
"""

from pathlib import Path
from typing import Any

import yaml

FLIGHTS = {"loader": "experiments.flights:load"}


def write(file: str | Path, content: Any) -> None:
    """Write a file of YAML."""
    Path(file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def change(file: str | Path, **changes: Any) -> None:
    """Replace keys of a file of YAML."""
    content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    write(file, {**content, **changes})
