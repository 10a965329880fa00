"""Optuna's samplers by name: which there are, what they take, and one made with a seed.

Touches optuna; takes names, arguments and seeds; gives samplers; driver and workers.
"""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from orchestrator.errors import ConfigError

NEEDS_ONE_SEED = frozenset({"QMCSampler"})
"""Samplers whose sequence is scrambled by the seed: it is the same for all of a study."""

ONE_OBJECTIVE = frozenset({"CmaEsSampler"})
"""Samplers that raise where there are several."""

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


class Seeded:
    """A sampler, as if it were made anew with a seed of its own for each suggestion.

    One that remembers nothing but random numbers is made once, and seeded anew: making it takes as
    long as a suggestion, to gather randomness that the seed then replaces.

    Args:
        name: Its class in `optuna.samplers`.
        arguments: What it is made with, without `seed`.
    """

    def __init__(self, name: str, arguments: Mapping[str, Any]) -> None:
        self._name, self._arguments = name, arguments
        self._kept: BaseSampler | None = None

    def by(self, seed: int) -> BaseSampler:
        """The sampler with a seed, if it takes one."""
        if self._kept is not None:
            _seed_anew(self._kept, seed)
            return self._kept
        sampler = _make_sampler(self._name, self._arguments, seed)
        if type(sampler) in {TPESampler, RandomSampler}:
            self._kept = sampler
        return sampler


def _seed_anew(sampler: Any, seed: int) -> None:
    """As both classes seed themselves when they are made; `reseed_rng` takes no seed."""
    sampler._rng.rng.seed(seed)  # noqa: SLF001 - Optuna has no public way
    if isinstance(sampler, TPESampler):
        _seed_anew(sampler._random_sampler, seed)  # noqa: SLF001 - as above


def _make_sampler(name: str, arguments: Mapping[str, Any], seed: int) -> BaseSampler:
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
