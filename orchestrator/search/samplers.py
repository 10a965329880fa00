"""Optuna's samplers by name: checks of their arguments, rehearsals, and instances with a seed.

Touches optuna; takes names, arguments and seeds; gives samplers; driver and workers.
"""

import inspect
import logging
import warnings
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from orchestrator.errors import ConfigError

NEEDS_ONE_SEED = frozenset({"QMCSampler"})
"""Samplers whose seed scrambles their sequence, so that all trials of a study need the same."""

ONE_OBJECTIVE = frozenset({"CmaEsSampler"})
"""Samplers that raise if there are several objectives."""

_NO_ARGUMENTS = frozenset({"seed", "constraints_func", "gamma", "weights"})
"""Arguments that the experiment sets itself, or that are functions, which a file cannot hold."""

_OF_A_SPACE = frozenset({"x0"})
"""Arguments that refer to the searched parameters, which a rehearsal does not have."""

_REHEARSED = 4

_NEEDS_PACKAGE = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
_UNFIT = frozenset({"GridSampler", "BruteForceSampler", "PartialFixedSampler"})  # use `grid`


def require_arguments(name: str, arguments: object) -> None:
    """Reject a sampler that cannot be constructed.

    Args:
        name: The name of its class in `optuna.samplers`.
        arguments: The arguments of its constructor, without `seed`.

    Raises:
        ConfigError: There is no such sampler, its package is missing, or it does not take the
            arguments.
    """
    made = _sampler_class(name)
    if not isinstance(arguments, Mapping):
        raise ConfigError("must be a mapping of names", key="search.sampler_args")
    takes = _parameters(name).keys() - _NO_ARGUMENTS
    for given in arguments:
        if given not in takes:
            hint = "seeds follow from the experiment's seed" if given == "seed" else ""
            raise ConfigError(
                hint or f"{name} takes {', '.join(sorted(takes))}",
                key=f"search.sampler_args.{given}",
            )
    try:
        made(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error), key="search.sampler_args") from error


def rehearse(name: str, arguments: Mapping[str, Any]) -> None:
    """Have a sampler suggest a few points of a two-parameter space, and receive their scores.

    Samplers use most of their arguments only while they suggest: first those of the random start-up
    phase, then the others. So the rehearsal is done twice, with the configured start-up phase and
    with a short one.

    Args:
        name: The name of its class in `optuna.samplers`.
        arguments: The arguments of its constructor, without `seed`.

    Raises:
        ConfigError: The sampler failed with these arguments.
    """
    used = {key: value for key, value in arguments.items() if key not in _OF_A_SPACE}
    short = {"n_startup_trials": 1} if "n_startup_trials" in _parameters(name) else {}
    try:
        with warnings.catch_warnings(action="ignore"):  # `require_arguments` shows them
            for variant in (used, used | short):
                _suggest_some(_make_sampler(name, variant, seed=0))
    except Exception as error:  # a library may raise anything for a wrong value
        raise ConfigError(
            f"{name} cannot work with it: {error}", key="search.sampler_args"
        ) from error


def _suggest_some(sampler: BaseSampler) -> None:
    logging.getLogger("optuna.storages").setLevel(logging.WARNING)  # it would log the study
    study = optuna.create_study(sampler=sampler)
    for score in range(_REHEARSED):
        trial = study.ask()
        trial.suggest_float("number", 0.0, 1.0)
        trial.suggest_int("whole", 0, 9)
        study.tell(trial, score)


class Seeded:
    """A sampler that behaves as if it were constructed with a new seed for each suggestion.

    A sampler whose only state is its random numbers is constructed once and then reseeded, because
    constructing it takes as long as a suggestion: it gathers entropy that the seed then replaces.

    Args:
        name: The name of its class in `optuna.samplers`.
        arguments: The arguments of its constructor, without `seed`.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._name, self._arguments = name, arguments
        self._kept: BaseSampler | None = None

    def by(self, seed: int) -> BaseSampler:
        """Return the sampler with this seed, if it takes one."""
        if self._kept is not None:
            _reseed(self._kept, seed)
            return self._kept
        sampler = _make_sampler(self._name, self._arguments, seed)
        if type(sampler) in {TPESampler, RandomSampler}:
            self._kept = sampler
        return sampler


def _reseed(sampler: Any, seed: int) -> None:
    """Seed a sampler in the way of its constructor; `reseed_rng` does not take a seed."""
    sampler._rng.rng.seed(seed)  # noqa: SLF001 - Optuna has no public way
    if isinstance(sampler, TPESampler):
        _reseed(sampler._random_sampler, seed)  # noqa: SLF001 - as above


def _make_sampler(name: str, arguments: Mapping[str, Any], seed: int) -> BaseSampler:
    takes = _parameters(name)
    settings: dict[str, Any] = {"seed": seed} if "seed" in takes else {}
    if "warn_independent_sampling" in takes and takes["warn_independent_sampling"].default:
        settings["warn_independent_sampling"] = False  # a line a suggestion for mixed grids
    sampler: BaseSampler = _sampler_class(name)(**{**settings, **arguments})
    return sampler


@cache
def _parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """The parameters of a sampler's constructor; cached, because every suggestion needs them."""
    return inspect.signature(_sampler_class(name)).parameters


def _sampler_class(name: str) -> Any:
    known = [
        known
        for known in optuna.samplers.__all__
        if inspect.isclass(found := getattr(optuna.samplers, known))
        and not inspect.isabstract(found)
        and known not in _UNFIT
    ]
    if name not in known:
        raise ConfigError(
            f"there is no sampler {name!r} that fits; known are {', '.join(sorted(known))}",
            key="search.sampler",
        )
    package = _NEEDS_PACKAGE.get(name)
    if package and find_spec(package) is None:
        raise ConfigError(
            f"{name} needs the package {package!r}: pip install {package}",
            key="search.sampler",
        )
    return getattr(optuna.samplers, name)
