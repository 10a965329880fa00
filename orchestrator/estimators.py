"""Import paths of a registry made into scikit-learn estimators, from allowed packages only (law 8).

Touches scikit-learn; takes `ModelSpec` and parameters; gives unfitted estimators. The registry
validates with it on the driver, training builds with it on workers.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

from orchestrator.containers import taken
from orchestrator.errors import UsageError
from orchestrator.permissions import parameters
from orchestrator.records import ModelSpec, Params, Step
from orchestrator.user_code import RaisedError, user_code

_NEARLY = 0.85
"""The similarity to a listed name from which another name counts as a typing error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """The parameters that `params` and `grid` of a model may set, e.g. `C`, or `clf__C` of a step.

    A pipeline's own (`steps`, `memory`) are left out: a registry tunes steps, it does not replace
    them, nor does it name places to write to.

    Attributes:
        names: The listed names; a class with `**kwargs` may take others.
        estimator: The model with its defaults.
    """

    names: frozenset[str]
    estimator: Any

    def __contains__(self, name: str) -> bool:
        """Whether a row may set this parameter."""
        return name in self.names or self._is_taken(name)

    def _is_taken(self, name: str) -> bool:
        """Whether a class with `**kwargs` takes a name it does not list.

        A name similar to a listed one is a mistake. Other names are tried; the class may refuse.
        """
        owner, _, short = name.rpartition("__")
        estimator = self.estimator.get_params().get(owner) if owner else self.estimator
        kind = type(estimator)
        if not hasattr(estimator, "set_params") or not _takes_any(kind):
            return False
        listed = {each.rpartition("__")[2] for each in self.names if each.startswith(owner)}
        if get_close_matches(short, listed, n=1, cutoff=_NEARLY):
            return False
        try:
            return short in kind().set_params(**{short: None}).get_params()
        except Exception:  # noqa: BLE001 - a class of any library may refuse in its own way
            return False


@dataclass(frozen=True, slots=True)
class Estimators:
    """The estimators that a registry may name: those of allowed packages.

    Args:
        allowed: Packages whose classes may be used, and parameters that rows may set to anything.
    """

    allowed: tuple[str, ...]

    def build(self, spec: ModelSpec, params: Params, labels: Sequence[Any] = ()) -> Any:
        """Return the unfitted estimator of a model, its fixed and then the given parameters set.

        Args:
            spec: A single step gives a bare estimator, several give a `Pipeline`.
            params: Searched values; they win over the fixed ones.
            labels: The labels of the data, for parameters that are mappings by label.

        Raises:
            UsageError: A step is not an allowed estimator, or a parameter is unknown or one that
                rows may not set.
        """
        estimator = _assemble(spec, self.allowed)
        every = {**spec.params, **params}
        for name, value in every.items():
            reason = self.refusal(spec, name, value)
            if reason:
                raise UsageError(f"model {spec.id!r}: {name}: {reason}")
        try:
            return estimator.set_params(**taken(estimator, every, labels))
        except (ValueError, AttributeError) as error:  # AttributeError: `__` below no estimator
            raise UsageError(f"model {spec.id!r}: {error}") from error

    def parameters_of(self, spec: ModelSpec) -> Parameters:
        """Return the parameters of a model.

        Raises:
            UsageError: A step is not an allowed estimator.
        """
        estimator = _assemble(spec, self.allowed)
        if len(spec.steps) == 1:
            names = {*estimator.get_params(), *_written_out(type(estimator))}
        else:
            names = {name for name in estimator.get_params() if "__" in name}
            names |= {
                f"{name}__{each}"
                for name, step in estimator.steps
                for each in _written_out(type(step))
            }
        return Parameters(names=frozenset(names), estimator=estimator)

    def refusal(self, spec: ModelSpec, name: str, value: Any) -> str:
        """Return the reason why a row may not set a parameter to a value; "" where it may.

        Args:
            spec: The model.
            name: As scikit-learn names it, e.g. `C`, or `clf__estimator__C`.
            value: The value in a row.

        Raises:
            UsageError: A step is not an allowed estimator.
        """
        owners = _owners(spec.steps, self.allowed)
        prefix, _, own = name.rpartition("__")
        # A prefix without an owner is refused by `set_params`; until then it is judged by its name.
        return parameters.refusal(owners.get(prefix, object), own, value, self.allowed)

    def resolve(self, path: str) -> type:
        """Return the estimator class at `package.module:Class`.

        Nothing outside the allowed packages is imported, and a class that an allowed module merely
        re-exports from elsewhere is refused.

        Raises:
            UsageError: The path is malformed, not allowed, missing, or not an estimator class.
        """
        return _resolve(path, self.allowed)


def _written_out(kind: type) -> set[str]:
    """The parameters that a class names itself: CatBoost's `get_params` has only those set."""
    return {
        name
        for name, parameter in _signature(kind).items()
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    } | (_of_lightgbm() if kind.__module__.startswith("lightgbm.") else frozenset())


@cache
def _of_lightgbm() -> frozenset[str]:
    """Every parameter of LightGBM and its aliases, which its signatures leave to `**kwargs`."""
    # late: LightGBM is installed only where its classes are used. The list has no public name;
    # without it, parameters are tried by `set_params`.
    basic = import_module("lightgbm.basic")
    aliases = getattr(basic, "_ConfigAliases", None)
    every: dict[str, list[str]] = getattr(aliases, "_get_all_param_aliases", dict)()
    return frozenset(every) | {alias for names in every.values() for alias in names}


def _takes_any(kind: type) -> bool:
    return any(each.kind is each.VAR_KEYWORD for each in _signature(kind).values())


def _signature(kind: type) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(kind).parameters
    except (TypeError, ValueError):  # a class in C has no signature
        return {}


@lru_cache(maxsize=1024)
def _owners(steps: tuple[Step, ...], allowed: tuple[str, ...]) -> Mapping[str, type]:
    """The classes of a model and of all estimators inside it, by what precedes their parameters."""
    estimator = _assemble(ModelSpec(id="", steps=steps), allowed)
    inner = estimator.get_params(deep=True).items()
    return {"": type(estimator)} | {
        path: type(each) for path, each in inner if hasattr(each, "get_params")
    }


@lru_cache(maxsize=1024)
def _resolve(path: str, allowed: tuple[str, ...]) -> type:
    module_name, _, class_name = path.partition(":")
    if not _is_dotted_name(module_name) or not class_name.isidentifier():
        raise UsageError(
            f"{path!r} is not an import path of an estimator; write 'package.module:Class'"
        )
    _require_allowed(module_name, path, allowed)
    found = _import(module_name, class_name, path)
    if not isinstance(found, type):
        raise UsageError(f"{path!r} is not a class; name an estimator class")
    _require_allowed(found.__module__, path, allowed)
    for method in ("fit", "get_params", "set_params"):
        if not callable(getattr(found, method, None)):
            raise UsageError(f"{path!r} has no `{method}`; name a scikit-learn estimator class")
    if not hasattr(found, "__sklearn_tags__"):
        raise UsageError(
            f"{path!r} has no `__sklearn_tags__`, which scikit-learn asks every estimator for; "
            "derive the class from sklearn.base.BaseEstimator, after ClassifierMixin or "
            "RegressorMixin"
        )
    return found


def _is_dotted_name(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))


def _require_allowed(module_name: str, path: str, allowed: tuple[str, ...]) -> None:
    if not any(module_name == name or module_name.startswith(f"{name}.") for name in allowed):
        raise UsageError(
            f"{path!r} comes from {module_name!r}, which is outside the allowed packages "
            f"({', '.join(allowed)}); allow its package in the configuration if you trust it"
        )


def _import(module_name: str, class_name: str, path: str) -> Any:
    try:
        with user_code():
            module = import_module(module_name)
    except RaisedError as error:
        raise UsageError(f"{path!r} cannot be imported: {error}") from error.error
    try:
        return getattr(module, class_name)
    except AttributeError as error:
        raise UsageError(f"{path!r}: module {module_name!r} has no {class_name!r}") from error
    except (
        ImportError
    ) as error:  # such as an experimental estimator of scikit-learn that is not enabled
        raise UsageError(f"{path!r} cannot be imported: {' '.join(str(error).split())}") from error


def _assemble(spec: ModelSpec, allowed: tuple[str, ...]) -> Any:
    """The estimator with its default parameters."""
    if not spec.steps:
        raise UsageError(f"model {spec.id!r} has no steps; name an estimator or a pipeline")
    estimators = [_instantiate(step.estimator, allowed) for step in spec.steps]
    if len(estimators) == 1:
        return estimators[0]
    for step, estimator in zip(spec.steps[:-1], estimators[:-1], strict=True):
        if not hasattr(estimator, "transform"):
            raise UsageError(
                f"model {spec.id!r}: step {step.name!r} ({step.estimator}) has no `transform`; "
                "only a pipeline's last step may be without"
            )
    # Late: the command line's --help must not wait for scikit-learn.
    from sklearn.pipeline import Pipeline

    return Pipeline(list(zip((step.name for step in spec.steps), estimators, strict=True)))


def _instantiate(path: str, allowed: tuple[str, ...]) -> Any:
    try:
        return _resolve(path, allowed)()
    except TypeError as error:
        raise UsageError(
            f"{path!r} cannot be made without arguments ({error}); "
            "give each parameter of the class a default"
        ) from error
