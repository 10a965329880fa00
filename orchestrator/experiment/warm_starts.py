"""What studies try first: the parameters of champions, as far as they are points of the search.

Touches no library; pure; takes the present champions; gives parameters; runs on the driver.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from orchestrator.ledger import Champion
from orchestrator.records import Params, Study
from orchestrator.search.spaces import point_of

Group = tuple[str, str]
"""A segment and a model."""


class WarmStarts:
    """Gives studies what to try first.

    Args:
        champions: What serves now, by customer.
    """

    def __init__(self, champions: Mapping[str, Champion]) -> None:
        self._champions = champions
        self._best: dict[str, dict[Group, Champion]] = {}

    def of(self, study: Study) -> Study:
        """The study with what it tries first: what serves its customer, then its segment's best."""
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
        """The champions with the best scores, found once for all studies that compare alike."""
        metric = study.evaluation.metric
        if metric not in self._best:
            sign = 1 if study.evaluation.direction == "maximize" else -1
            comparable = [c for c in self._champions.values() if metric in c.result.scores]
            comparable.sort(key=lambda c: (sign * c.result.mean(metric), c.customer))
            self._best[metric] = {_group(champion): champion for champion in comparable}
        return self._best[metric]


def _group(champion: Champion) -> Group:
    return champion.result.trial.study.customer.segment, _model(champion)


def _model(champion: Champion) -> str:
    return champion.result.trial.study.model.id
