"""Candidates for strategies that decide how far each is evaluated: another strategy suggests them.

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
    """The trials another strategy asks for, one at a time, and what it is told of them.

    Args:
        strategy: The other one.
        study: What is searched.
    """

    def __init__(self, strategy: Strategy, study: Study) -> None:
        self._rounds = strategy.rounds(study)
        self._waiting = deque(next(self._rounds))

    def next(self) -> Trial | None:
        """The next candidate; None when there is none before it is told more."""
        return self._waiting.popleft() if self._waiting else None

    def tell(self, result: TrialResult) -> None:
        """What became of a candidate, as far as it was evaluated."""
        with suppress(StopIteration):  # it is over
            self._waiting += self._rounds.send(result)


def suggesting_strategy(suggest: Mapping[str, Any]) -> Strategy:
    """The strategy that `suggest` names: `{strategy: random, n_trials: 50}`, for example.

    A `sampler` alone is Optuna's: `{sampler: TPESampler, n_trials: 50}`.

    Raises:
        ConfigError: It names none, or its settings are wrong.
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
    """Refuse settings that the strategy named by `suggest` would stumble over in use.

    Raises:
        ConfigError: That strategy's check refuses them.
    """
    traits = suggesting_strategy(suggest).traits
    with _under_suggest():
        traits.check()


@contextmanager
def _under_suggest() -> Iterator[None]:
    """Name keys as they are written below `search.suggest`."""
    try:
        yield
    except ConfigError as error:
        key = (error.key or "search").replace("search", "search.suggest", 1)
        raise ConfigError(error.problem, key=key) from error


def folds_of(trial: Trial, amount: int) -> Trial:
    """The trial with so many folds; all of them are no budget."""
    total = trial.study.evaluation.folds
    budget = Budget(resource="folds", amount=amount, of=total) if amount < total else None
    return replace(trial, budget=budget)
