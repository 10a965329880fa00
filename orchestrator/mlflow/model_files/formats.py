"""The format of a stored estimator: a folder of MLflow's plain sklearn flavor.

Touches MLflow and skops; takes a fitted estimator and a sample of its data; gives a folder; runs
on workers. Such a folder loads with `mlflow.pyfunc.load_model` and does not need orchestrator.

`mlflow.sklearn.log_model` would start a Python process to find the requirements, and run the model
to find the signature. The requirements follow from the packages of the estimator's types, and the
signature from the data's; each is computed once and cached.
"""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import mlflow.sklearn
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from orchestrator.errors import UsageError, causes_of, chain_of
from orchestrator.mlflow.model_files.own_code import own_code
from orchestrator.mlflow.model_files.signatures import signature_of
from orchestrator.mlflow.model_files.trust import CURE, types_held

Format = Literal["skops", "cloudpickle"]

_TRUSTED: dict[tuple[tuple[type, ...], tuple[str, ...]], frozenset[str]] = {}
"""The types that earlier files of such models held, by classes and allowed packages.

A cache of this process: only the first model of a kind has to be searched for its types.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storable:
    """A fitted estimator and what its file may hold.

    Attributes:
        estimator: A fitted scikit-learn estimator.
        sample: Some rows of the customer's data, as the loader gave them.
        predictions: The estimator's predictions for these rows; None if it cannot predict.
        allowed: Packages whose types a file may hold.
        allow_pickle: Whether to pickle an estimator that skops cannot, or must not, store.
    """

    estimator: Any
    sample: Any
    predictions: Any
    allowed: tuple[str, ...]
    allow_pickle: bool = False


def save(model: Storable, path: Path) -> Format:
    """Store a model in a new folder.

    Raises:
        UsageError: Its types are not allowed, or it cannot be stored in any permitted format.
        MlflowException: MLflow cannot write the folder.
        OSError: The file system refuses to write the folder.
    """
    try:
        _save_skops(model, path)
    except UsageError:
        if not model.allow_pickle:
            raise
    else:
        return "skops"
    try:
        _save_as("cloudpickle", model, path)
    except Exception as error:  # pickling raises whatever the parts of an estimator raise
        raise _blamed(model, error, "be pickled", "choose another estimator") from error
    return "cloudpickle"


def format_of(path: Path) -> Format:
    """Return the format of the model in a folder."""
    format_: Format = Model.load(str(path)).flavors["sklearn"]["serialization_format"]
    return format_


def _save_skops(model: Storable, path: Path) -> None:
    """Trust the types that such models held before; search for more only if saving fails."""
    kind = (_classes(model.estimator), model.allowed)
    trusted = _TRUSTED.get(kind, frozenset())
    try:
        _save_as("skops", model, path, trusted)
    except MlflowException as error:
        _require_no_fault_of_the_disk(error)
        trusted |= types_held(model.estimator, model.allowed)
        try:
            _save_as("skops", model, path, trusted)
        except MlflowException as again:
            raise _blamed(model, again, "be stored by skops", CURE) from again
        _TRUSTED[kind] = trusted


def _blamed(model: Storable, error: Exception, what: str, cure: str) -> UsageError:
    """Return the error to raise when a model could not be saved.

    Raises:
        Exception: `error` itself, if the disk is to blame and not the model.
    """
    _require_no_fault_of_the_disk(error)
    name = type(model.estimator).__name__
    return UsageError(f"{name} cannot {what} ({chain_of(error)}): {cure}")


def _require_no_fault_of_the_disk(error: Exception) -> None:
    """Raise the error again if the disk caused it: MLflow blames the model for a full disk too."""
    if any(isinstance(cause, OSError) for cause in causes_of(error)):
        raise error


def _save_as(
    format_: Format, model: Storable, path: Path, trusted: frozenset[str] = frozenset()
) -> None:
    shutil.rmtree(path, ignore_errors=True)  # left by an attempt in another format
    mlflow.sklearn.save_model(
        model.estimator,
        str(path),
        serialization_format=format_,
        signature=signature_of(model.sample, model.predictions) or False,  # False: infer none
        code_paths=own_code(_classes(model.estimator)) or None,
        pip_requirements=list(_requirements(_modules(model, trusted) | {format_})),
        skops_trusted_types=sorted(trusted) or None,
    )


def _classes(estimator: Any) -> tuple[type, ...]:
    """Return the classes of an estimator and of all estimators inside it."""
    inside = (value for value in estimator.get_params().values() if hasattr(value, "get_params"))
    return tuple(sorted({type(each) for each in (estimator, *inside)}, key=str))


def _modules(model: Storable, held: Iterable[str]) -> frozenset[str]:
    """Return the import names of the packages that a model and its input consist of."""
    classes = (*_classes(model.estimator), type(model.sample))
    paths = (*held, *(each.__module__ for each in classes))
    return frozenset({"numpy", *(path.partition(".")[0] for path in paths)})


@lru_cache(maxsize=1024)
def _requirements(modules: frozenset[str]) -> tuple[str, ...]:
    """Return the requirements to load a model: the installed versions behind these modules."""
    distributions = {name for module in modules for name in _distributions().get(module, ())}
    return tuple(f"{name}=={version(name)}" for name in sorted(distributions))


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, Sequence[str]]:
    return packages_distributions()
