"""Optuna's samplers by name: which there are, what they take, and one made with a seed.

Touches optuna; takes names, arguments and seeds; gives samplers; driver and workers.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from orchestrator.errors import ConfigError

NEEDS_ONE_SEED = frozenset({"QMCSampler"})
"""Samplers whose sequence is scrambled by the seed: it is the same for all of a study."""

_NEEDS_PACKAGE = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
_UNFIT = frozenset({"GridSampler", "BruteForceSampler", "PartialFixedSampler"})  # use `grid`


def require_arguments(name: str, arguments: object) -> None:
    """Refuse a sampler that cannot be made.

    Args:
        name: Its class in `optuna.samplers`.
        arguments: What it is to be made with, without `seed`.

    Raises:
        ConfigError: There is none, its package is missing, or it does not take the arguments.
    """
    made = _sampler_class(name)
    if not isinstance(arguments, Mapping):
        raise ConfigError("must be a mapping of names", key="search.sampler_args")
    takes = _parameters(name).keys() - {"seed"}
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


def make_sampler(name: str, arguments: Mapping[str, Any], seed: int) -> BaseSampler:
    """A sampler with a seed, if it takes one."""
    takes = _parameters(name)
    settings: dict[str, Any] = {"seed": seed} if "seed" in takes else {}
    if "warn_independent_sampling" in takes and takes["warn_independent_sampling"].default:
        settings["warn_independent_sampling"] = False  # a line a suggestion for mixed grids
    sampler: BaseSampler = _sampler_class(name)(**{**settings, **arguments})
    return sampler


@cache
def _parameters(name: str) -> Mapping[str, inspect.Parameter]:
    """What a sampler takes; asked for at every suggestion."""
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
