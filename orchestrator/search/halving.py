"""The strategy `halving`: asynchronous successive halving, with Hyperband's brackets.

Touches no library; takes a `Study` and results; gives rounds of trials; driver and workers.
After Li et al., "A System for Massively Parallel Hyperparameter Tuning" (MLSys 2020).
"""

from bisect import insort
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import cycle
from statistics import fmean
from typing import Any, Literal, get_args

from orchestrator.errors import ConfigError
from orchestrator.records import Budget, Study, Trial, TrialResult
from orchestrator.search.candidate_source import Suggestions, check_suggesting, suggesting_strategy
from orchestrator.search.strategies import Rounds, window
from orchestrator.search.traits import Traits

_MOST_RUNGS = 3
"""The default number of rungs for iterations and rows; the lowest has a ninth of them."""

Resource = Literal["folds", "iterations", "rows"]


@dataclass(frozen=True, slots=True)
class HalvingStrategy:
    """Candidates begin with a little of a resource; one in `eta` is promoted to `eta` times that.

    Rungs are the amounts of the resource; the last rung is all of it. Whenever there is room for a
    trial, a new candidate begins. If no new candidates are left, one of the best 1/eta of a rung is
    promoted to the next rung, the highest rung first. A candidate never waits for others of its
    rung to end.

    Args:
        suggest: The strategy that gives the candidates, and its settings.
        resource: The resource that is rationed. `folds` are the cheapest in bias; `iterations` are
            those of the last step's `n_estimators` or `max_iter`; `rows` favour candidates that
            suit small samples.
        eta: One in `eta` candidates is promoted, to `eta` times the resource.
        rungs: The most rungs; None is as many as the folds allow, and 3 for iterations and rows.
        brackets: The number of brackets, as in Hyperband: candidates of the second begin on the
            second rung, and so on, so that late bloomers are seen.

    Raises:
        ConfigError: A setting is wrong.
    """

    suggest: Mapping[str, Any] = field(default_factory=lambda: {"strategy": "grid"})
    resource: Resource = "folds"
    eta: int = 3
    rungs: int | None = None
    brackets: int = 1

    def __post_init__(self) -> None:
        suggesting_strategy(self.suggest)
        if self.resource not in get_args(Resource):
            known = ", ".join(get_args(Resource))
            raise ConfigError(f"is {self.resource!r}; there are {known}", key="search.resource")
        _require_whole("eta", self.eta, 2)
        _require_whole("brackets", self.brackets, 1)
        if self.rungs is not None:
            _require_whole("rungs", self.rungs, 2)

    @property
    def traits(self) -> Traits:
        """The traits of a strategy that prunes candidates on the lower rungs."""
        return Traits(prunes=True, resource=self.resource, check=self._check)

    def _check(self) -> None:
        check_suggesting(self.suggest)

    def count(self, study: Study) -> int:
        """Return the number of suggested candidates."""
        return suggesting_strategy(self.suggest).count(study)

    def rounds(self, study: Study) -> Rounds:
        """Yield rounds of trials, each a candidate with the budget of one rung."""
        source = Suggestions(suggesting_strategy(self.suggest), study)
        ladder = _Ladder(study, self)
        at_once = window(study, self.count(study))
        first = [source.next() for _ in range(at_once)]
        step = tuple(ladder.begin(trial) for trial in first if trial is not None)
        under_way = len(step)
        while True:
            result = yield step
            under_way -= 1
            if ladder.enter(result):
                source.tell(result)
            step = tuple(_next_steps(ladder, source, at_once - under_way))
            last = None if step or under_way else ladder.last_promotion()
            step = step if last is None else (last,)
            under_way += len(step)


def _next_steps(ladder: "_Ladder", source: Suggestions, room: int) -> Iterator[Trial]:
    """New candidates first, so that a rung's best are known before one of them is promoted."""
    for _ in range(room):
        fresh = source.next()
        step = ladder.promotion() if fresh is None else ladder.begin(fresh)
        if step is None:
            return
        yield step


class _Ladder:
    """The table of rungs: the candidates on each, best first, and those promoted from it."""

    def __init__(self, study: Study, strategy: HalvingStrategy) -> None:
        self._study, self._strategy = study, strategy
        self._budgets = budgets(study, strategy)
        self._standing: list[list[tuple[float, int]]] = [[] for _ in self._budgets]
        self._gone_up: list[set[int]] = [set() for _ in self._budgets]
        self._results: dict[int, TrialResult] = {}
        self._rungs: dict[int, int] = {}
        lowest = min(strategy.brackets, len(self._budgets))
        self._brackets = cycle(_shares(lowest, strategy.eta))

    def begin(self, trial: Trial) -> Trial:
        """Return a new candidate with the budget of the lowest rung of its bracket."""
        rung = next(self._brackets)
        self._rungs[trial.number] = rung
        return replace(trial, budget=self._budgets[rung])

    def enter(self, result: TrialResult) -> bool:
        """Enter a result on its rung; return whether it is the candidate's first."""
        number = result.trial.number
        is_first = number not in self._results
        self._results[number] = result
        if not result.is_failure:
            rung = self._rungs[number]
            insort(self._standing[rung], (self._badness(result, self._budgets[rung]), number))
            if result.state == "success":  # complete already, in an earlier generation
                self._gone_up[rung].add(number)
        return is_first

    def _badness(self, result: TrialResult, budget: Budget | None) -> float:
        """The negated mean score, of the rung's folds only if more are known; less is better."""
        metric = self._study.evaluation.selecting
        scores = result.scores[metric.name]
        if budget is not None and budget.resource == "folds":
            scores = scores[: budget.amount]
        return -metric.goodness(fmean(scores))

    def promotion(self) -> Trial | None:
        """Return the next candidate to promote; None if there is none."""
        for rung in reversed(range(len(self._budgets) - 1)):
            quota = len(self._standing[rung]) // self._strategy.eta
            trial = self._promote(rung, quota)
            if trial is not None:
                return trial
        return None

    def last_promotion(self) -> Trial | None:
        """Return the best candidate of the highest rung, once all trials have ended incomplete.

        This promotion makes sure that there is a winner, however few candidates there were. It is
        None as soon as one trial is complete.
        """
        if any(result.state == "success" for result in self._results.values()):
            return None
        ways_up = reversed(range(len(self._budgets) - 1))
        promoted = (self._promote(rung, len(self._standing[rung])) for rung in ways_up)
        return next((trial for trial in promoted if trial is not None), None)

    def _promote(self, rung: int, quota: int) -> Trial | None:
        for _, number in self._standing[rung][:quota]:
            if number not in self._gone_up[rung]:
                self._gone_up[rung].add(number)
                self._rungs[number] = rung + 1
                return replace(self._results[number].trial, budget=self._budgets[rung + 1])
        return None


def budgets(study: Study, strategy: HalvingStrategy) -> list[Budget | None]:
    """Return the budget of each rung, lowest first; the last is None, for all of the resource."""
    eta, resource, most = strategy.eta, strategy.resource, strategy.rungs
    by_folds = resource == "folds"
    total = study.evaluation.folds if by_folds else eta ** ((most or _MOST_RUNGS) - 1)
    amounts = [1]
    while amounts[-1] * eta < total:
        amounts.append(amounts[-1] * eta)
    lower = amounts[: most - 1] if most else amounts
    return [*(Budget(resource=resource, amount=amount, of=total) for amount in lower), None]


def _shares(brackets: int, eta: int) -> Iterator[int]:
    """One cycle of brackets for new candidates; each bracket gets `eta` times fewer than the last.

    Candidates of later brackets cost more, because they begin on a higher rung.
    """
    turns = deque([0])
    for bracket in range(1, brackets):
        turns = deque([*list(turns) * eta, bracket])
    return iter(turns)


def _require_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(
            f"must be a whole number of at least {least}, not {value!r}", key=f"search.{name}"
        )
