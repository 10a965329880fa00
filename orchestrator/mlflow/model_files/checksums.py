"""The files of a written model: their sizes and checksums, and later differences from these.

Touches MLflow's artifact stores for remote files; takes folders and addresses; gives `StoredFile`s
and problems in words; runs on workers and on the driver.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from orchestrator.errors import chain_of
from orchestrator.records import StoredFile

_CHUNK = 1 << 20


def files_in(folder: Path) -> tuple[StoredFile, ...]:
    """Return every file below a folder with its checksum, sorted by path."""
    return tuple(
        StoredFile(
            path=path.relative_to(folder).as_posix(), size=path.stat().st_size, digest=_digest(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    )


def damage(source: str, files: Sequence[StoredFile], tracking_uri: str | None = None) -> str | None:
    """Return how a model's files differ from those written, read completely; None if they do not.

    Args:
        source: The address of the model's folder.
        files: The files that were written; if empty, they are not known and only the folder has to
            exist.
        tracking_uri: MLflow's address; needed if files are accessed through its server.
    """
    try:
        with here(source, tracking_uri) as folder:
            return damage_in(folder, files)
    except Exception as error:  # noqa: BLE001 - an artifact store raises errors of its own library
        return f"they cannot be read: {chain_of(error)}"


@contextmanager
def here(source: str, tracking_uri: str | None = None) -> Iterator[Path]:
    """Yield a model's folder on this machine, downloaded first if it is remote."""
    path = local_path(source)
    if path is not None:
        yield path
        return
    # Late: MLflow takes more than a second to import.
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with tempfile.TemporaryDirectory() as folder:
        repository = get_artifact_repository(source, tracking_uri=tracking_uri)
        yield Path(repository.download_artifacts("", folder))


def damage_in(folder: Path, files: Sequence[StoredFile]) -> str | None:
    """Return how the files of a folder differ from those written; None if they do not."""
    if not folder.is_dir():
        return "they are gone"
    for file in files:
        path = folder / file.path
        if not path.is_file():
            return f"{file.path} is gone"
        if path.stat().st_size != file.size:
            return f"{file.path} has {path.stat().st_size} of its {file.size} bytes"
        if _digest(path) != file.digest:
            return f"{file.path} is not what was written"
    return None


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def local_path(source: str) -> Path | None:
    """Return the folder of a model on this machine; None if the address is remote."""
    parts = urlsplit(source)
    return Path(unquote(parts.path)) if parts.scheme in {"", "file"} else None


def is_lost(source: str, files: Sequence[StoredFile]) -> bool:
    """Whether files of a model on this machine are missing or have another size.

    A remote model would have to be requested, so it never counts as lost.
    """
    folder = local_path(source)
    if folder is None:
        return False
    if not files:  # written by an earlier version, which kept no checksums
        return not folder.exists()
    return any(_size(folder, file.path) != file.size for file in files)


def _size(folder: Path, path: str) -> int:
    try:
        return os.stat(f"{folder}/{path}").st_size  # noqa: PTH116 - tens of thousands of them
    except OSError:
        return -1
