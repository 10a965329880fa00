"""The strategy `optuna`: any of Optuna's samplers suggests the points, one a round.

Touches optuna, as a library of suggestions: its storage is this process's memory, the record of
trials is our own. Takes a `Study` and results; gives rounds of one trial; driver and workers.
"""

import inspect
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import BaseSampler

from orchestrator.errors import ConfigError
from orchestrator.identity import derive_seed
from orchestrator.records import Study, Trial, TrialResult
from orchestrator.search.grid import GridStrategy
from orchestrator.search.points import GridPoints
from orchestrator.search.strategies import Rounds
from orchestrator.search.uniform import require_n_trials

_NEEDS_PACKAGE = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
_NEEDS_ONE_SEED = frozenset({"QMCSampler"})  # its sequence is scrambled by the seed
_UNFIT = frozenset({"GridSampler", "BruteForceSampler", "PartialFixedSampler"})  # use `grid`
_REPEATS = 8  # suggestions of points already tried before the next untried one is taken


@dataclass(frozen=True, slots=True)
class OptunaStrategy:
    """Points suggested by one of Optuna's samplers from the scores so far, none tried twice.

    Parameters listed as numbers are searched in their order (an index), others as categories.
    Before each suggestion the sampler is made anew with the trial's own seed: Optuna does not
    store the state of its samplers, so this is what makes a resumed search equal.

    Args:
        n_trials: How many; a grid with no more points than this is tried as a whole.
        sampler: The name of a class in `optuna.samplers`.
        sampler_args: Its arguments, without `seed`.

    Raises:
        ConfigError: A setting is wrong, or the sampler needs a package that is not installed.
    """

    n_trials: int
    sampler: str = "TPESampler"
    sampler_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_n_trials(self.n_trials)
        _require_arguments(_sampler_class(self.sampler), self.sampler_args)

    def count(self, study: Study) -> int:
        """`n_trials`, or as many points as there are."""
        return min(self.n_trials, len(GridPoints(study)))

    def rounds(self, study: Study) -> Rounds:
        """Rounds of one trial, each suggested from all scores before it."""
        if len(GridPoints(study)) <= self.n_trials:
            yield from GridStrategy().rounds(study)
            return
        conversation = _Conversation(study, self)
        for number in range(self.n_trials):
            params = conversation.ask()
            (result,) = yield (Trial(study=study, number=number, params=params),)
            conversation.tell(result)


class _Conversation:
    """One Optuna study in memory: asked for untried points, told their scores."""

    def __init__(self, study: Study, strategy: OptunaStrategy) -> None:
        # One line for each of thousands of studies would hide every other message.
        logging.getLogger("optuna.storages").setLevel(logging.WARNING)
        self._study, self._strategy = study, strategy
        self._optuna = optuna.create_study(direction=study.evaluation.direction)
        self._points = GridPoints(study)
        self._asks = 0
        self._open: optuna.Trial | None = None
        self._told: dict[str, float | None] = {}

    def ask(self) -> Mapping[str, Any]:
        """A point not tried before."""
        for _ in range(_REPEATS):
            params = self._suggest()
            if repr(params) not in self._told:
                return params
            self._answer(self._told[repr(params)])
        return next(params for params in self._points if repr(params) not in self._told)

    def tell(self, result: TrialResult) -> None:
        """The result of the point asked last."""
        metric = self._study.evaluation.metric
        score = result.mean(metric) if result.state == "success" else None
        self._told[repr(result.trial.params)] = score
        self._answer(score)

    def _suggest(self) -> Mapping[str, Any]:
        self._optuna.sampler = self._strategy_sampler()
        self._asks += 1
        self._open = self._optuna.ask()
        return _suggest_point(self._open, self._points.parts)

    def _strategy_sampler(self) -> BaseSampler:
        """The sampler with this suggestion's own seed (law 9)."""
        made = _sampler_class(self._strategy.sampler)
        turn = 0 if self._strategy.sampler in _NEEDS_ONE_SEED else self._asks
        takes = inspect.signature(made).parameters
        settings: dict[str, Any] = {}
        if "seed" in takes:
            seed = derive_seed(self._study.evaluation.seed, self._study.key, turn)
            settings["seed"] = seed
        if "warn_independent_sampling" in takes and takes["warn_independent_sampling"].default:
            settings["warn_independent_sampling"] = False  # a line a suggestion for mixed grids
        sampler: BaseSampler = made(**{**settings, **self._strategy.sampler_args})
        return sampler

    def _answer(self, score: float | None) -> None:
        if self._open is None:
            return
        if score is None:
            self._optuna.tell(self._open, state=optuna.trial.TrialState.FAIL)
        else:
            self._optuna.tell(self._open, score)
        self._open = None


def _suggest_point(trial: optuna.Trial, parts: tuple[Mapping[str, Any], ...]) -> Mapping[str, Any]:
    """A point of a union of grids; in Optuna's words a choice of the part, then its parameters."""
    if len(parts) == 1:
        return _suggest_params(trial, parts[0], prefix="")
    part = trial.suggest_categorical("part", range(len(parts)))
    return _suggest_params(trial, parts[part], prefix=f"{part}/")


def _suggest_params(
    trial: optuna.Trial, part: Mapping[str, tuple[Any, ...]], *, prefix: str
) -> Mapping[str, Any]:
    params = {}
    for name, values in part.items():
        ordered = sorted(values) if _are_numbers(values) else values
        params[name] = ordered[_suggest_index(trial, f"{prefix}{name}", values)]
    return params


def _suggest_index(trial: optuna.Trial, name: str, values: tuple[Any, ...]) -> int:
    """A value's position: Optuna takes only some types as choices, and confuses `1` and `True`."""
    if len(values) == 1:
        return 0  # nothing to suggest, and some samplers refuse a range of one
    if _are_numbers(values):
        return trial.suggest_int(name, 0, len(values) - 1)
    return trial.suggest_categorical(name, range(len(values)))


def _are_numbers(values: tuple[Any, ...]) -> bool:
    return all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)


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


def _require_arguments(sampler: Any, arguments: object) -> None:
    if not isinstance(arguments, Mapping):
        raise ConfigError("must be a mapping of names", key="search.sampler_args")
    takes = set(inspect.signature(sampler).parameters) - {"seed"}
    for name in arguments:
        if name not in takes:
            hint = "seeds follow from the experiment's seed" if name == "seed" else ""
            raise ConfigError(
                hint or f"{sampler.__name__} takes {', '.join(sorted(takes))}",
                key=f"search.sampler_args.{name}",
            )
    try:
        sampler(**arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(str(error), key="search.sampler_args") from error
