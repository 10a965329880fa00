"""The files of a written model: sizes and checksums, and what differs from them later.

Touches MLflow's artifact stores for files that are elsewhere; takes folders and addresses; gives
`StoredFile`s and problems in words; runs on workers and on the driver.
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
    """Every file below a folder, with its checksum, in the order of paths."""
    return tuple(
        StoredFile(
            path=path.relative_to(folder).as_posix(), size=path.stat().st_size, digest=_digest(path)
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    )


def damage(source: str, files: Sequence[StoredFile], tracking_uri: str | None = None) -> str | None:
    """How a model's files differ from what was written, read as a whole; None if they do not.

    Args:
        source: The address of the model's folder.
        files: What was written; empty where that is not known, and the folder only has to be there.
        tracking_uri: MLflow's address; needed where files go through its server.
    """
    try:
        with here(source, tracking_uri) as folder:
            return damage_in(folder, files)
    except Exception as error:  # noqa: BLE001 - an artifact store raises errors of its own library
        return f"they cannot be read: {chain_of(error)}"


@contextmanager
def here(source: str, tracking_uri: str | None = None) -> Iterator[Path]:
    """A model's folder on this machine, fetched where it is elsewhere."""
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
    """How the files of a folder differ from what was written; None if they do not."""
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
    """The folder of a model on this machine; None of an address that is elsewhere."""
    parts = urlsplit(source)
    return Path(unquote(parts.path)) if parts.scheme in {"", "file"} else None


def is_lost(source: str, files: Sequence[StoredFile]) -> bool:
    """Whether files of a model on this machine are gone or have another size.

    Of a model that is elsewhere nothing is known without asking for it, and nothing is said.
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
