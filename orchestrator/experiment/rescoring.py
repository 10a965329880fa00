"""Which champions may have to be scored again: those that today's candidates do not include.

The flow decides it when the results are there (`flow.scored_already`); this tells beforehand what
it may come to, at most.

Touches no library; pure; takes `Work`; gives studies of one trial; runs on the driver.
"""

from orchestrator.experiment.work import Work, champion_study
from orchestrator.records import Study, TrialResult
from orchestrator.search.spaces import point_of
from orchestrator.training.fingerprint import Fingerprints


def rescoring(work: Work, fingerprints: Fingerprints) -> Study | None:
    """The study that scores the customer's champion on today's folds; None if none is needed."""
    if work.champion is None or not work.studies:
        return None
    champion = work.champion.result
    if _is_comparable(champion, work.studies[0]):
        return None
    if any(_will_try(study, champion) for study in work.studies):
        return None
    return champion_study(work.studies, work.champion, fingerprints)


def _is_comparable(champion: TrialResult, study: Study) -> bool:
    """Whether neither the data nor the way of comparing has changed since it was scored."""
    same_data = study.data_version and study.data_version == champion.data_version
    return bool(same_data) and study.evaluation == champion.trial.study.evaluation


def _will_try(study: Study, champion: TrialResult) -> bool:
    """Whether the study is certain to try the very parameters of the champion.

    Too few rows leave a model out, and a strategy that draws may not draw this point.
    """
    listed, served = study.model, champion.trial.study.model
    if (listed.steps, listed.params) != (served.steps, served.params) or listed.when.min_rows:
        return False
    params = dict(champion.trial.params)
    if any(dict(first) == params for first in study.first):
        return True
    return study.search.strategy == "grid" and point_of(study.grid, params) is not None
