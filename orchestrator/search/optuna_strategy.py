"""The strategy `optuna`: any of Optuna's samplers suggests the points.

Touches optuna, as a library of suggestions: its storage is in memory, and trials are recorded in
orchestrator's ledger. Takes a `Study` and results; gives rounds of trials; driver and workers.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from orchestrator.identity import derive_seed
from orchestrator.records import Params, Study, Trial, TrialResult
from orchestrator.search.grid import GridStrategy
from orchestrator.search.objectives import goals
from orchestrator.search.optuna_points import suggest_point, suggestions_of
from orchestrator.search.points import count_at_most
from orchestrator.search.samplers import (
    NEEDS_ONE_SEED,
    ONE_OBJECTIVE,
    Seeded,
    rehearse,
    require_arguments,
)
from orchestrator.search.strategies import Rounds, window
from orchestrator.search.traits import Traits
from orchestrator.search.uniform import first_untried, require_n_trials


@dataclass(frozen=True, slots=True)
class OptunaStrategy:
    """Points suggested by one of Optuna's samplers from the results so far, none tried twice.

    The sampler receives all objectives, and by how much constraints are violated; it may ignore
    some of these.

    Parameters listed as numbers are searched in their order (as an index), others as categories.
    Each suggestion is made with the trial's own seed, as by a new sampler. Optuna does not store
    the state of its samplers, so only this makes a resumed search equal to an uninterrupted one.

    Args:
        n_trials: The number of trials; a grid with no more points than this is tried as a whole.
        sampler: The name of a class in `optuna.samplers`.
        sampler_args: The arguments of that class, without `seed`.

    Raises:
        ConfigError: A setting is wrong, or the sampler needs a package that is not installed.
    """

    n_trials: int
    sampler: str = "TPESampler"
    sampler_args: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_n_trials(self.n_trials)
        require_arguments(self.sampler, self.sampler_args)

    @property
    def traits(self) -> Traits:
        """The traits of a strategy that learns; some samplers take one objective only."""
        one_objective = self.sampler if self.sampler in ONE_OBJECTIVE else ""
        return Traits(one_objective=one_objective, check=self._check)

    def _check(self) -> None:
        """Have the sampler suggest a few points if it has arguments."""
        if self.sampler_args:
            rehearse(self.sampler, self.sampler_args)

    def count(self, study: Study) -> int:
        """Return `n_trials`, or the number of points if there are fewer."""
        return count_at_most(study, self.n_trials)

    def rounds(self, study: Study) -> Rounds:
        """Yield a first round of as many trials as may run at once, then one for each result."""
        if count_at_most(study, self.n_trials + 1) <= self.n_trials:
            yield from GridStrategy().rounds(study)
            return
        conversation, at_once = _Conversation(study, self), window(study, self.n_trials)
        result = yield tuple(conversation.ask(number) for number in range(at_once))
        for number in range(at_once, self.n_trials):
            conversation.tell(result)
            result = yield (conversation.ask(number),)


class _Conversation:
    """One Optuna study in memory, which suggests untried points and receives their scores."""

    def __init__(self, study: Study, strategy: OptunaStrategy) -> None:
        # One line for each of thousands of studies would hide every other message.
        logging.getLogger("optuna.storages").setLevel(logging.WARNING)
        self._study, self._strategy = study, strategy
        self._goals = goals(study.search, study.evaluation)
        self._optuna = optuna.create_study(directions=[*self._goals.objectives.values()])
        self._sampler = Seeded(strategy.sampler, strategy.sampler_args)
        self._asks = 0
        self._open: dict[str, optuna.Trial] = {}
        self._told: dict[str, TrialResult | None] = {}
        self._known: deque[Params] = deque()
        self._learn_what_is_known()
        for point in study.first:
            self._optuna.enqueue_trial(suggestions_of(point, study.grid))

    def _learn_what_is_known(self) -> None:
        """Add the points of an earlier generation; those to be tried first are still tried."""
        self._optuna.sampler = RandomSampler(seed=0)  # never used: every value is enqueued
        first = {repr(point) for point in self._study.first}
        for point, scores in self._study.known:
            self._optuna.enqueue_trial(suggestions_of(point, self._study.grid))
            trial = self._optuna.ask()
            suggest_point(trial, self._study.grid)
            self._complete(trial, scores.__getitem__)
            if repr(point) not in first:
                self._told[repr(point)] = None
                self._known.append(point)

    def ask(self, number: int) -> Trial:
        """Return an untried point as the trial of this number; a known one if all were tried."""
        params = first_untried(self._study, self._suggest, self._told.keys())
        params = self._known.popleft() if params is None else params
        self._told[repr(params)] = None
        return Trial(study=self._study, number=number, params=params)

    def tell(self, result: TrialResult) -> None:
        """Receive the result of a point that `ask` returned."""
        point = repr(result.trial.params)
        self._told[point] = result
        if point in self._open:
            self._answer(self._open.pop(point), result)

    def _suggest(self) -> Params:
        """Suggest a point; for one that was tried before, Optuna gets the known result at once."""
        self._optuna.sampler = self._sampler.by(self._seed())
        self._asks += 1
        trial = self._optuna.ask()
        params = suggest_point(trial, self._study.grid)
        if repr(params) in self._told:
            self._answer(trial, self._told[repr(params)])
        else:
            self._open[repr(params)] = trial
        return params

    def _answer(self, trial: optuna.Trial, result: TrialResult | None) -> None:
        """Report a result to Optuna; an unknown one counts as a failure, to avoid repeats."""
        metric = self._study.evaluation.metric
        if result is None or result.is_failure:
            self._optuna.tell(trial, state=TrialState.FAIL)
        elif result.state == "pruned":
            trial.report(result.mean(metric), step=len(result.scores[metric]))
            self._optuna.tell(trial, state=TrialState.PRUNED)
        else:
            self._complete(trial, result.measured)

    def _complete(self, trial: optuna.Trial, measured: Callable[[str], float]) -> None:
        for constraint, excess in self._goals.violations(measured).items():
            trial.set_constraint(constraint, excess)
        self._optuna.tell(trial, self._goals.values(measured))

    def _seed(self) -> int:
        """The seed of this suggestion (law 9)."""
        turn = 0 if self._strategy.sampler in NEEDS_ONE_SEED else self._asks
        return derive_seed(self._study.evaluation.seed, self._study.seed_name, turn)
