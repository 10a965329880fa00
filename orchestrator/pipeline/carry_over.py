"""Recorded trials that a study can reuse after its search has changed.

If only the grid, the space or the search settings changed, the same points would get the same
scores. Such trials are not fitted again, and Optuna's samplers receive them as known results.

Touches no library itself; reads the ledger; takes the studies to be run; gives results; driver.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from orchestrator.ledger import Champion, Ledger
from orchestrator.records import Params, Study, TrialResult
from orchestrator.search.spaces import point_of
from orchestrator.selection import best_result
from orchestrator.training.fingerprint import PARTS

Carried = Mapping[str, tuple[TrialResult, ...]]
"""The known results of each study, best first, by the study's key."""

_MOST_TOLD = 50
"""The maximum number of known results that a sampler receives, best first. They are sent and
recorded with the study."""

_FEW = 100
"""Customers; for more than this, one query for the last studies of all customers is faster."""

_DECIDE_SCORES = frozenset(PARTS) - {"grid", "search", "environment"}


def carried_over(ledger: Ledger, new: Sequence[Study]) -> Carried:
    """The recorded trials of earlier generations of these studies.

    Args:
        ledger: The ledger with the recorded trials.
        new: The studies to be run; those without a fingerprint get no earlier results.
    """
    last = _last_parts(ledger, {study.customer.id for study in new})
    changed = [s for s in new if s.fingerprint and _scores_alike(s, last.get(s.key, {}))]
    found = {study.key: _known(ledger, study) for study in changed}
    return {key: known for key, known in found.items() if known}


def _last_parts(ledger: Ledger, customers: Collection[str]) -> Mapping[str, Mapping[str, str]]:
    """The parts the last studies followed from, by key; a few customers are queried one by one."""
    if len(customers) > _FEW:
        return ledger.studies.parts()
    found = (ledger.studies.parts(customer) for customer in customers)
    return {key: parts for of_customer in found for key, parts in of_customer.items()}


def informed(study: Study, carried: Carried) -> Study:
    """The study with known results for its sampler, and the best of them among its first points.

    A sampler does not suggest a known point again, but the best one has to be a candidate.
    """
    known = carried.get(study.key, ())
    points = tuple(
        (r.trial.params, {name: r.measured(name) for name in r.has_measured})
        for r in known[:_MOST_TOLD]
    )
    best = best_result(known, study.evaluation)
    first = {repr(point): point for point in study.first}
    if best is not None:
        first[repr(best.trial.params)] = best.trial.params
    return replace(study, known=points, first=tuple(first.values())) if points else study


def _known(ledger: Ledger, study: Study) -> tuple[TrialResult, ...]:
    """The latest recorded success at each point of the study's grid."""
    by_point: dict[str, TrialResult] = {}
    for recorded in ledger.trials.of_study(
        study.customer.id, study.model.id, champion=study.champion
    ):
        result = recorded.result
        if result.trial.study.flow_run == study.flow_run:
            continue  # resumed: its sampler receives the same results as before
        point = point_of(study.grid, result.trial.params)
        alike = _scores_alike(study, result.trial.study.follows_from)
        if point is not None and alike and result.state == "success":
            by_point[repr(point)] = replace(result, trial=replace(result.trial, params=point))
    metric = study.evaluation.selecting
    return tuple(
        sorted(by_point.values(), key=lambda r: metric.goodness(r.mean(metric.name)), reverse=True)
    )


def _scores_alike(study: Study, parts: Mapping[str, str]) -> bool:
    return all(study.follows_from.get(part) == parts.get(part) for part in _DECIDE_SCORES)


Group = tuple[str, str]
"""A segment and a model."""


class WarmStarts:
    """Gives studies the points to try first.

    Args:
        champions: The current champions, by customer.
    """

    def __init__(self, champions: Mapping[str, Champion]) -> None:
        self._champions = champions
        self._best: dict[str, dict[Group, Champion]] = {}

    def of(self, study: Study) -> Study:
        """The study with its first points: its customer's champion, then its segment's best."""
        points = [point_of(study.grid, params) for params in self._params(study)]
        different = {repr(point): point for point in points if point is not None}
        return replace(study, first=tuple(different.values())) if different else study

    def _params(self, study: Study) -> Iterator[Params]:
        if study.search.warm_start == "never":
            return
        own = self._champions.get(study.customer.id)
        if own is not None and _model(own) == study.model.id:
            yield own.result.trial.params
        group = (study.customer.segment, study.model.id)
        if study.search.warm_start == "segment" and study.customer.segment:
            best = self._best_of_segments(study).get(group)
            if best is not None:
                yield best.result.trial.params

    def _best_of_segments(self, study: Study) -> dict[Group, Champion]:
        """The best champion of each group, found once per selecting metric."""
        metric = study.evaluation.selecting
        name = metric.name
        if name not in self._best:
            comparable = [c for c in self._champions.values() if name in c.result.scores]
            comparable.sort(key=lambda c: (metric.goodness(c.result.mean(name)), c.customer))
            self._best[name] = {_group(champion): champion for champion in comparable}
        return self._best[name]


def _group(champion: Champion) -> Group:
    return champion.result.trial.study.customer.segment, _model(champion)


def _model(champion: Champion) -> str:
    return champion.result.trial.study.model.id
