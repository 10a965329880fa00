"""Converts lists and mappings of a row to the values that an estimator's parameter takes.

JSON has no tuples, and its keys are texts. So a row writes, and every record keeps, a list or a
mapping, and only the estimator is given something else:

    hidden_layer_sizes: [50, 20]           a tuple where the default is one, or only one is allowed
    class_weight: {0: 1, 1: 5}             keys are the labels of the data that are written so
    window: {tuple: [3, 5]}                a tuple in any case
    codes: {items: [["0", 1], [2, 3]]}     a mapping with these very keys

Touches scikit-learn's constraints of parameters; takes an estimator and values; gives values;
driver and workers.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from orchestrator.errors import UsageError


def has_mapping(params: Mapping[str, Any]) -> bool:
    """Whether a value is a mapping, whose keys may be labels of the data."""
    return any(isinstance(value, Mapping) for value in params.values())


def taken(estimator: Any, params: Mapping[str, Any], labels: Sequence[Any] = ()) -> dict[str, Any]:
    """The parameters as an estimator takes them.

    Args:
        estimator: Unfitted, with its defaults.
        params: By scikit-learn's names, as a row has them.
        labels: The labels of the data; without them, a key written as a whole number is a number.
    """
    if not any(isinstance(value, list | tuple | Mapping) for value in params.values()):
        return dict(params)
    defaults = estimator.get_params()
    return {
        name: _taken(value, _Parameter(estimator, name, defaults), labels)
        for name, value in params.items()
    }


def require_taken(estimator: Any, params: Mapping[str, Any]) -> None:
    """Refuse lists and mappings that a parameter does not take.

    Raises:
        UsageError: Naming the parameter, in scikit-learn's words.
    """
    defaults = estimator.get_params()
    for name, value in params.items():
        if isinstance(value, list | tuple | Mapping):
            parameter = _Parameter(estimator, name, defaults)
            problem = parameter.problem_of(_taken(value, parameter, ()))
            if problem:
                raise UsageError(problem)


class _Parameter:
    """One parameter of an estimator or of a step of it.

    Args:
        estimator: The whole of it.
        name: The parameter's, as `step__name` in a pipeline.
        defaults: The estimator's parameters by name.
    """

    def __init__(self, estimator: Any, name: str, defaults: Mapping[str, Any]) -> None:
        owner, _, self._name = name.rpartition("__")
        self._owner = defaults.get(owner, estimator) if owner else estimator
        self.default = defaults.get(name)

    def problem_of(self, value: Any) -> str:
        """The reason why the parameter refuses a value; "" if it does not, or states nothing."""
        constraints = getattr(self._owner, "_parameter_constraints", {})
        if self._name not in constraints:
            return ""
        # Late: the command line's --help must not wait for scikit-learn.
        from sklearn.utils._param_validation import (
            InvalidParameterError,
            validate_parameter_constraints,
        )

        try:
            validate_parameter_constraints(
                {self._name: _of_mappings(constraints[self._name], value)},
                {self._name: value},
                caller_name=type(self._owner).__name__,
            )
        except InvalidParameterError as error:
            return " ".join(str(error).split())
        return ""


def _of_mappings(constraints: Any, value: Any) -> Any:
    """The constraints without "array-like", which in scikit-learn also accepts a mapping."""
    if not isinstance(value, Mapping) or not isinstance(constraints, list):
        return constraints
    return [each for each in constraints if not (isinstance(each, str) and each == "array-like")]


def _taken(value: Any, parameter: _Parameter, labels: Sequence[Any]) -> Any:
    if isinstance(value, Mapping):
        return _mapping(value, labels)
    if not isinstance(value, list | tuple):
        return value
    listed = [_inner(each, labels) for each in value]
    wants_tuple = isinstance(parameter.default, tuple) or (
        parameter.problem_of(listed) and not parameter.problem_of(tuple(listed))
    )
    return tuple(listed) if wants_tuple else listed


def _inner(value: Any, labels: Sequence[Any]) -> Any:
    """A copy, so that an estimator that changes its parameters changes no record."""
    if isinstance(value, Mapping):
        return _mapping(value, labels)
    return [_inner(each, labels) for each in value] if isinstance(value, list | tuple) else value


def _mapping(value: Mapping[str, Any], labels: Sequence[Any]) -> Any:
    if value.keys() == {"tuple"} and isinstance(value["tuple"], list):
        return tuple(_inner(each, labels) for each in value["tuple"])
    if value.keys() == {"items"} and _are_pairs(value["items"]):
        return {key: _inner(each, labels) for key, each in value["items"]}
    return {_key(key, labels): _inner(each, labels) for key, each in value.items()}


def _are_pairs(items: Any) -> bool:
    return isinstance(items, list) and all(
        isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[0], list | dict)
        for pair in items
    )


def _key(key: str, labels: Sequence[Any]) -> Any:
    for label in labels:
        if key in {str(label), str(label).lower() if isinstance(label, bool) else key[:0]}:
            return label
    with suppress(ValueError):
        if str(int(key)) == key:
            return int(key)
    return key
