"""Candidates for strategies that set their budgets, suggested by another strategy.

Touches no library; takes the setting `suggest` and a `Study`; gives trials; driver and workers.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from orchestrator.errors import ConfigError
from orchestrator.records import Budget, Search, Study, Trial, TrialResult
from orchestrator.search.strategies import Strategy, find_strategy


class Suggestions:
    """The trials that another strategy asks for, one at a time, and the results it is sent.

    Args:
        strategy: The strategy that suggests the trials.
        study: The study to search.
    """

    def __init__(self, strategy: Strategy, study: Study) -> None:
        self._rounds = strategy.rounds(study)
        self._waiting = deque(next(self._rounds))

    def next(self) -> Trial | None:
        """Return the next candidate; None if the strategy needs more results first."""
        return self._waiting.popleft() if self._waiting else None

    def tell(self, result: TrialResult) -> None:
        """Send the strategy a candidate's result, as far as the candidate was evaluated."""
        with suppress(StopIteration):  # the search has ended
            self._waiting += self._rounds.send(result)


def suggesting_strategy(suggest: Mapping[str, Any]) -> Strategy:
    """Return the strategy that `suggest` names, as in `{strategy: random, n_trials: 50}`.

    Without `strategy`, a `sampler` means Optuna: `{sampler: TPESampler, n_trials: 50}`.

    Raises:
        ConfigError: `suggest` does not name a strategy, or its settings are wrong.
    """
    if not isinstance(suggest, Mapping):
        raise ConfigError(
            "must be a strategy and its settings, such as {strategy: random, n_trials: 50}",
            key="search.suggest",
        )
    named = suggest.get("strategy", "optuna" if "sampler" in suggest else "grid")
    settings = {name: value for name, value in suggest.items() if name != "strategy"}
    with _under_suggest():
        strategy = find_strategy(Search(strategy=named, settings=settings))
    if strategy.traits.prunes:
        raise ConfigError(
            f"strategy {named!r} gives candidates up itself; take them from one that does not, "
            "such as grid, random or optuna",
            key="search.suggest.strategy",
        )
    return strategy


def check_suggesting(suggest: Mapping[str, Any]) -> None:
    """Reject settings with which the strategy named by `suggest` would fail in use.

    Raises:
        ConfigError: The check of that strategy rejects them.
    """
    traits = suggesting_strategy(suggest).traits
    with _under_suggest():
        traits.check()


@contextmanager
def _under_suggest() -> Iterator[None]:
    """Replace `search` by `search.suggest` in the key of a `ConfigError`."""
    try:
        yield
    except ConfigError as error:
        key = (error.key or "search").replace("search", "search.suggest", 1)
        raise ConfigError(error.problem, key=key) from error


def folds_of(trial: Trial, amount: int) -> Trial:
    """Return the trial with a budget of this many folds, or without a budget for all folds."""
    total = trial.study.evaluation.folds
    budget = Budget(resource="folds", amount=amount, of=total) if amount < total else None
    return replace(trial, budget=budget)
