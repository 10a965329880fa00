"""The strategy `optuna`: any of Optuna's samplers suggests the points.

Touches optuna, as a library of suggestions: its storage is this process's memory, the record of
trials is our own. Takes a `Study` and results; gives rounds of trials; driver and workers.
"""

import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from orchestrator.errors import ConfigError
from orchestrator.identity import derive_seed
from orchestrator.records import Distribution, Grid, Params, Study, Trial, TrialResult
from orchestrator.search.grid import GridStrategy
from orchestrator.search.points import count_at_most
from orchestrator.search.spaces import Part, Values, in_order, is_searched, listed, point_of
from orchestrator.search.strategies import Rounds, window
from orchestrator.search.uniform import first_untried, require_n_trials

_NEEDS_PACKAGE = {"CmaEsSampler": "cmaes", "GPSampler": "torch"}
_NEEDS_ONE_SEED = frozenset({"QMCSampler"})  # its sequence is scrambled by the seed
_UNFIT = frozenset({"GridSampler", "BruteForceSampler", "PartialFixedSampler"})  # use `grid`


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
        return count_at_most(study, self.n_trials)

    def rounds(self, study: Study) -> Rounds:
        """A first round of as many trials as are under way at once; one more for each result."""
        if count_at_most(study, self.n_trials + 1) <= self.n_trials:
            yield from GridStrategy().rounds(study)
            return
        conversation, at_once = _Conversation(study, self), window(study, self.n_trials)
        result = yield tuple(conversation.ask(number) for number in range(at_once))
        for number in range(at_once, self.n_trials):
            conversation.tell(result)
            result = yield (conversation.ask(number),)


class _Conversation:
    """One Optuna study in memory: asked for untried points, told their scores."""

    def __init__(self, study: Study, strategy: OptunaStrategy) -> None:
        # One line for each of thousands of studies would hide every other message.
        logging.getLogger("optuna.storages").setLevel(logging.WARNING)
        self._study, self._strategy = study, strategy
        self._optuna = optuna.create_study(direction=study.evaluation.direction)
        self._asks = 0
        self._open: dict[str, optuna.Trial] = {}
        self._told: dict[str, TrialResult | None] = {}
        self._learn_what_is_known()
        for point in study.first:
            self._optuna.enqueue_trial(_suggested(point, study.grid))

    def _learn_what_is_known(self) -> None:
        """Points of an earlier generation; those to be tried first are tried all the same."""
        self._optuna.sampler = RandomSampler(seed=0)  # never asked: every value is given
        first = {repr(point) for point in self._study.first}
        for point, scores in self._study.known:
            self._optuna.enqueue_trial(_suggested(point, self._study.grid))
            trial = self._optuna.ask()
            _suggest_point(trial, self._study.grid)
            self._optuna.tell(trial, scores[self._study.evaluation.metric])
            if repr(point) not in first:
                self._told[repr(point)] = None

    def ask(self, number: int) -> Trial:
        """A point not tried before, as the trial of this number."""
        params = first_untried(self._study, self._suggest, self._told.keys())
        self._told[repr(params)] = None
        return Trial(study=self._study, number=number, params=params)

    def tell(self, result: TrialResult) -> None:
        """What became of a point asked for."""
        point = repr(result.trial.params)
        self._told[point] = result
        if point in self._open:
            self._answer(self._open.pop(point), result)

    def _suggest(self) -> Params:
        """A point; one that was tried before is answered at once, by what is known of it."""
        self._optuna.sampler = self._strategy_sampler()
        self._asks += 1
        trial = self._optuna.ask()
        params = _suggest_point(trial, self._study.grid)
        if repr(params) in self._told:
            self._answer(trial, self._told[repr(params)])
        else:
            self._open[repr(params)] = trial
        return params

    def _answer(self, trial: optuna.Trial, result: TrialResult | None) -> None:
        """Tell Optuna; what is not known yet, it had better not ask for again."""
        metric = self._study.evaluation.metric
        if result is None or result.is_failure:
            self._optuna.tell(trial, state=TrialState.FAIL)
        elif result.state == "pruned":
            trial.report(result.mean(metric), step=len(result.scores[metric]))
            self._optuna.tell(trial, state=TrialState.PRUNED)
        else:
            self._optuna.tell(trial, result.mean(metric))

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


def _suggest_point(trial: optuna.Trial, parts: Grid) -> Params:
    """A point of a union of grids; in Optuna's words a choice of the part, then its parameters."""
    if len(parts) == 1:
        return _suggest_params(trial, parts[0], prefix="")
    part = trial.suggest_categorical("part", range(len(parts)))
    return _suggest_params(trial, parts[part], prefix=f"{part}/")


def _suggest_params(trial: optuna.Trial, part: Part, *, prefix: str) -> Params:
    params: dict[str, Any] = {}
    for name, values in in_order(part):
        if is_searched(values, params):
            params[name] = _suggest_value(trial, f"{prefix}{name}", values)
    return dict(sorted(params.items()))


def _suggest_value(trial: optuna.Trial, name: str, values: Values) -> Any:
    every = listed(values)
    if every is not None and len(every) == 1:
        return every[0]  # nothing to suggest, and some samplers refuse a range of one
    if not isinstance(values, Distribution):
        return _ordered(values)[_suggest_index(trial, name, values)]
    if values.kind == "categorical":
        return values.choices[trial.suggest_categorical(name, range(len(values.choices)))]
    high = values.high if every is None else every[-1]  # Optuna warns of one beyond the last step
    if values.kind == "int":
        step = int(values.step or 1)
        return trial.suggest_int(name, int(values.low), int(high), step=step, log=values.log)
    return trial.suggest_float(name, values.low, high, step=values.step, log=values.log)


def _suggested(point: Params, parts: Grid) -> dict[str, Any]:
    """The suggestions that make a point of a grid: what `_suggest_point` would ask for it."""
    for number, part in enumerate(parts):
        if point_of([part], point) is not None:
            prefix = f"{number}/" if len(parts) > 1 else ""
            named = {f"{prefix}{name}": _index(part[name], value) for name, value in point.items()}
            return named | ({"part": number} if prefix else {})
    raise ValueError(f"{point!r} is no point of the grid")


def _index(values: Values, value: Any) -> Any:
    """What Optuna is told of a value: its position in a list, or the number itself of a range."""
    if isinstance(values, Distribution) and values.kind != "categorical":
        return value
    listed_values = values.choices if isinstance(values, Distribution) else _ordered(values)
    return [repr(each) for each in listed_values].index(repr(value))


def _ordered(values: tuple[Any, ...]) -> Sequence[Any]:
    return sorted(values) if _are_numbers(values) else values


def _suggest_index(trial: optuna.Trial, name: str, values: tuple[Any, ...]) -> int:
    """A value's position: Optuna takes only some types as choices, and confuses `1` and `True`."""
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
