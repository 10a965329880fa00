"""How a fitted estimator is stored: a folder of MLflow's plain sklearn flavor.

Touches MLflow and skops; takes a fitted estimator and a sample of its data; gives a folder; runs
on workers. Such a folder loads with `mlflow.pyfunc.load_model` and needs nothing of ours.

`mlflow.sklearn.log_model` would start a Python process to find the requirements, and run the model
to find the signature; both follow from the estimator's classes, and are worked out once for each.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from typing import Any, Literal

import mlflow.sklearn
import skops.io
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from orchestrator.deployment.signatures import signature_of
from orchestrator.errors import UsageError

Format = Literal["skops", "cloudpickle"]

_NUMERIC = ("numpy", "scipy")
"""Packages trusted beside the allowed ones: scikit-learn's estimators hold functions of theirs."""

_TRUSTED: dict[tuple[tuple[type, ...], tuple[str, ...]], frozenset[str]] = {}
"""By an estimator's classes and the allowed packages: the types earlier files of such models held.

A memo of this process that saves every model after the first one the search for them.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storable:
    """A fitted estimator and what its file may hold.

    Attributes:
        estimator: A fitted scikit-learn estimator.
        sample: Some rows of what it was fitted on.
        allowed: Packages whose types a file may hold.
        allow_pickle: Whether to pickle what skops cannot store, or may not.
    """

    estimator: Any
    sample: Any
    allowed: tuple[str, ...]
    allow_pickle: bool = False


def save(model: Storable, path: Path) -> Format:
    """Store a model in a new folder.

    Raises:
        UsageError: Its types are not allowed, or skops cannot store it, and no more may pickle.
        MlflowException: The folder cannot be written.
    """
    try:
        _save_skops(model, path)
    except UsageError:
        if not model.allow_pickle:
            raise
    else:
        return "skops"
    _save_as("cloudpickle", model, path)
    return "cloudpickle"


def format_of(path: Path) -> Format:
    """How the model in a folder is stored."""
    format_: Format = Model.load(str(path)).flavors["sklearn"]["serialization_format"]
    return format_


def _save_skops(model: Storable, path: Path) -> None:
    """Trust what models of these classes held before; look closer only if that is too little."""
    kind = (_classes(model.estimator), model.allowed)
    trusted = _TRUSTED.get(kind, frozenset())
    try:
        _save_as("skops", model, path, trusted)
    except MlflowException:
        held = _types_held(model)
        if held <= trusted:
            raise
        _TRUSTED[kind] = trusted | held
        _save_as("skops", model, path, trusted | held)


def _types_held(model: Storable) -> frozenset[str]:
    """The types in a model that skops asks about, all of them from allowed packages.

    Raises:
        UsageError: One is not, or skops cannot store the model at all.
    """
    name = type(model.estimator).__name__
    cure = "choose another estimator, or set `allow_pickle: true` if all who load it trust it"
    try:
        held = skops.io.get_untrusted_types(data=skops.io.dumps(model.estimator))
    except Exception as error:
        raise UsageError(f"{name} cannot be stored by skops ({error}): {cure}") from error
    for path in held:
        if not path.startswith(tuple(f"{package}." for package in (*model.allowed, *_NUMERIC))):
            raise UsageError(
                f"{name} holds a {path}, which is outside the allowed packages "
                f"({', '.join(model.allowed)}): {cure}"
            )
    return frozenset(held)


def _save_as(
    format_: Format, model: Storable, path: Path, trusted: frozenset[str] = frozenset()
) -> None:
    shutil.rmtree(path, ignore_errors=True)  # of an attempt in another format
    mlflow.sklearn.save_model(
        model.estimator,
        str(path),
        serialization_format=format_,
        signature=signature_of(model.estimator, model.sample) or False,  # False: infer none
        pip_requirements=list(_requirements(_modules(model) | {format_})),
        skops_trusted_types=sorted(trusted) or None,
    )


def _classes(estimator: Any) -> tuple[type, ...]:
    """The classes of an estimator and of all estimators inside it."""
    inside = (value for value in estimator.get_params().values() if hasattr(value, "get_params"))
    return tuple(sorted({type(each) for each in (estimator, *inside)}, key=str))


def _modules(model: Storable) -> frozenset[str]:
    """The packages a model is made of and fed with, as they are imported."""
    classes = (*_classes(model.estimator), type(model.sample))
    return frozenset({"numpy", *(each.__module__.partition(".")[0] for each in classes)})


@lru_cache(maxsize=1024)
def _requirements(modules: frozenset[str]) -> tuple[str, ...]:
    """What to install to load a model: the installed versions of what these modules come from."""
    distributions = {name for module in modules for name in _distributions().get(module, ())}
    return tuple(f"{name}=={version(name)}" for name in sorted(distributions))


@lru_cache(maxsize=1)
def _distributions() -> Mapping[str, Sequence[str]]:
    return packages_distributions()
