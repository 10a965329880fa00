"""The small file by which a local artifact root tells whose it is.

Touches the file system; takes a root's address, an experiment's name and a ledger's token; driver.
"""

from pathlib import Path

from orchestrator.tracking.ownership import root_on_disk


def read_marker(root: str, experiment: str) -> str:
    """The token of the ledger that a local artifact root belongs to; "" where none is written."""
    file = _marker(root, experiment)
    try:
        return "" if file is None else file.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def write_marker(root: str, experiment: str, token: str) -> None:
    """Write down whose a local artifact root is; others are known by their address alone.

    Raises:
        OSError: The folder cannot be written.
    """
    file = _marker(root, experiment)
    if file is not None and read_marker(root, experiment) != token:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f"{file.name}.{token}")
        unfinished.write_text(f"{token}\n", encoding="utf-8")
        unfinished.replace(file)


def _marker(root: str, experiment: str) -> Path | None:
    """Several experiments may share a folder, since no two runs have one id."""
    folder = root_on_disk(root)
    return None if folder is None else folder / f".{experiment}.ledger"
