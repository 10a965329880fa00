"""A written model read back: loaded in MLflow's way, and asked for a few predictions.

Touches MLflow; takes an address and a `Proof`; gives the problem in words, or None; runs on the
driver, in a separate process if the driver itself wrote the model (`readers`), and on workers.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from orchestrator.errors import chain_of
from orchestrator.mlflow.model_files.checksums import damage_in, here
from orchestrator.records import StoredFile
from orchestrator.user_code import RaisedError, user_code

_RELATIVE = 1e-5
"""The tolerated relative difference: another processor, or another number of rows at once, rounds
differently, and some libraries compute in 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The predictions that a model has to make for a few rows.

    Attributes:
        sample: Rows as the loader gave them.
        predictions: The predictions of the fitted estimator; None if it cannot predict.
    """

    sample: Any
    predictions: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A model to be read back.

    Attributes:
        source: The address of its folder.
        files: The files that were written there.
        proof: The predictions that it has to make.
        tracking_uri: MLflow's address; needed if files are accessed through its server.
    """

    source: str
    files: tuple[StoredFile, ...]
    proof: Proof
    tracking_uri: str | None = None


Culprit = Literal["model", "files", "store"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadbackProblem:
    """The reason why a model could not be read back.

    Attributes:
        reason: The problem, in words.
        culprit: The model itself; its files, which are not those that were written; or the store,
            which did not deliver them in time. The latter two say nothing about the model.
    """

    reason: str
    culprit: Culprit


def read_back(
    reading: Reading, fetched: Callable[[], object] = lambda: None
) -> ReadbackProblem | None:
    """Read a model back; None if it is there, loads, and predicts what it should.

    Args:
        reading: The model to read.
        fetched: Called once the files are here and compared; from then on the model's time counts.
    """
    try:
        with here(reading.source, reading.tracking_uri) as folder:
            lacking = damage_in(folder, reading.files)
            if lacking is None:
                fetched()
                problem = problem_in(folder, reading.proof)
                return None if problem is None else ReadbackProblem(reason=problem, culprit="model")
    except Exception as error:  # noqa: BLE001 - an artifact store raises errors of its own library
        lacking = f"they cannot be read: {chain_of(error)}"
    reason = f"its files in {reading.source} are not those that were written: {lacking}"
    return ReadbackProblem(reason=reason, culprit="files")


def problem_in(folder: Path, proof: Proof) -> str | None:
    """Return how a stored model differs from the fitted one; None if it does not."""
    try:
        with _own_modules_dropped(folder), user_code():
            return _compared(folder, proof)
    except RaisedError as raised:
        error = raised.error
        return f"it cannot be loaded or asked: {type(error).__name__}: {chain_of(error)}"


def _compared(folder: Path, proof: Proof) -> str | None:
    import mlflow.pyfunc  # late: it takes more than a second
    import mlflow.sklearn

    if proof.predictions is None:
        mlflow.sklearn.load_model(str(folder))
        return None
    model = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
    found = np.asarray(model.predict(deepcopy(proof.sample)))
    expected = np.asarray(proof.predictions)
    if _are_equal(found, expected):
        return None
    return f"it predicts {_shown(found)} where the fitted estimator predicted {_shown(expected)}"


def _are_equal(found: Any, expected: Any) -> bool:
    if found.shape != expected.shape:
        return False
    if found.dtype.kind in "fc" and expected.dtype.kind in "fc":
        return bool(np.allclose(found, expected, rtol=_RELATIVE, atol=1e-9, equal_nan=True))
    return bool(np.array_equal(found, expected))


def _shown(values: Any) -> str:
    return np.array2string(values, threshold=5, edgeitems=2, precision=6).replace("\n", "")


@contextmanager
def _own_modules_dropped(folder: Path) -> Iterator[None]:
    """Remove the model's own code from `sys.path` and from the loaded modules afterwards.

    MLflow puts it in front of `sys.path` permanently, where the next model would find it.
    """
    path = list(sys.path)
    before = set(sys.modules)
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).is_relative_to(folder):
                del sys.modules[name]
