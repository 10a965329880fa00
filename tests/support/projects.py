"""A project's folder: its configuration and lists, written and changed.

Touches YAML; takes plain values, gives files.
"""

from pathlib import Path

import yaml

FLIGHTS = {"loader": "experiments.flights:load"}


def write(file, content):
    Path(file).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def change(file, **changes):
    content = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    write(file, {**content, **changes})
