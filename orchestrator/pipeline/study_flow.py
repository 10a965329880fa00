"""The search of a study: as a whole on one worker, or with its trials spread over all workers.

    evaluate [studies]    on workers: a whole study
    spread [studies]      trial by trial, see `distributed_study`
    gather [studies]      on the driver: the results of `spread`, under the whole study's name

Both ways make the same trials: the same strategy receives the same results in the same order.

Touches no library itself; takes `Study`; gives its `TrialResult`s; runs on the driver, except where
it says "on workers".
"""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orchestrator.mapping import Outcome, Outcomes, task
from orchestrator.mapping.authoring.nodes import Reference
from orchestrator.pipeline.carry_over import Carried, informed
from orchestrator.pipeline.distributed_study import require_time, spread, study_key
from orchestrator.records import Study, TrialResult
from orchestrator.search import open_strategy
from orchestrator.settings import ExperimentSettings

_MOST_LOST = 1
"""The dead workers that a whole study survives before it is run trial by trial."""


def _fingerprint(study: Study) -> str | None:
    return study.fingerprint or None


@task(key=study_key, cache=_fingerprint, kept_from=64 * 1024**2)
def evaluate(
    study: Study,
    gathered: tuple[TrialResult, ...] | None = None,
    known: tuple[TrialResult, ...] = (),
    until: float = math.inf,
) -> tuple[TrialResult, ...]:
    """Score every candidate of a study, on a worker; or return results scored trial by trial.

    Args:
        study: The study to search.
        gathered: The results of a study that was spread; None to search it here.
        known: Results of an earlier generation, which need not be fitted again.
        until: The time, in epoch seconds, after which the study may not start.
    """
    if gathered is not None:
        return gathered
    require_time(until)
    # scikit-learn is imported on the workers only
    from orchestrator.training.evaluate import evaluate_study

    return evaluate_study(study, open_strategy(study.search, study), known=known)


STUDIES = ("evaluate", "rescore", "gather")
"""Names of the nodes whose instances return all trials of a study."""


class Searching:
    """Runs each study as a whole or spread over the workers; awaited by coordinators.

    Args:
        experiment: The settings, with the time limits of studies and trials.
        to_spread: Keys of the studies whose trials are spread over the workers.
        carried: Results of earlier generations of the studies, by the study's key.
    """

    def __init__(
        self,
        experiment: ExperimentSettings,
        to_spread: Collection[str],
        carried: Carried | None = None,
    ) -> None:
        self._carried = carried or {}
        self._to_spread = to_spread
        of_study, of_trial = experiment.study_timeout, experiment.search.timeout
        limits = [limit for limit in (of_study, of_trial) if limit is not None]
        self._timeout = min(limits, default=None)
        self._trials_may_time_out = of_trial is not None and self._timeout != of_study
        self._whole = evaluate.options(timeout=self._timeout, max_lost=_MOST_LOST)
        self._filed = evaluate.options(name="gather", runs_on="driver", grows=True)
        seconds = experiment.limits.seconds
        self._until = math.inf if seconds is None else time.time() + seconds

    async def outcomes_of(self, studies: Sequence[Study]) -> list[tuple[Study, Outcome]]:
        """Run the studies, and return each with its outcome, in the order given.

        A whole study that died with its worker, or took longer than a trial may, is run again trial
        by trial, so that only the trial at fault fails. A study that took longer than a study may
        has failed.
        """
        parted = [study for study in studies if study.key in self._to_spread]
        whole = [study for study in studies if study.key not in self._to_spread]
        spreading = self._spread(parted, until=self._until)  # running while others are awaited
        ended: dict[str, Outcome] = {}
        if whole:
            ended = _by_study(whole, await self._begun(whole))
        died = [study for study in whole if self._may_be_one_trials_fault(ended[study.key])]
        # It began in time; if skipped now, it would begin, die and be skipped in every flow run.
        again = self._spread(died, until=math.inf)
        for some, reference in ((parted, spreading), (died, again)):
            if reference is not None:
                ended |= await self._gathered(_by_study(some, await reference), some)
        return [(study, ended[study.key]) for study in studies]

    async def rescored(self, study: Study) -> Outcome:
        """Run the study of one trial that scores the champion again, and return its outcome."""
        outcomes = await self._whole.options(name="rescore").expand(study=[study])
        ended: Outcome = next(iter(outcomes.items()))
        return ended

    def _begun(self, studies: Sequence[Study]) -> Reference:
        """Start studies as a whole; a map over studies alone is faster than one over arguments."""
        task = self._whole.partial(until=self._until)
        begun: Reference
        if any(study.key in self._carried for study in studies):
            begun = task.expand_kwargs(self._with_known(studies))
        else:
            begun = task.expand(study=studies)
        return begun

    def _with_known(self, studies: Sequence[Study]) -> list[dict[str, Any]]:
        return [
            {"study": informed(study, self._carried), "known": self._carried.get(study.key, ())}
            for study in studies
        ]

    def _spread(self, studies: Sequence[Study], until: float) -> Reference | None:
        """Start studies trial by trial; return None if there are none."""
        if not studies:
            return None
        task = spread.partial(timeout=self._timeout, until=until)
        begun: Reference = task.expand_kwargs(self._with_known(studies))
        return begun

    async def _gathered(
        self, spreads: Mapping[str, Outcome], studies: Sequence[Study]
    ) -> Mapping[str, Outcome]:
        """The outcomes of whole studies; one that could not be spread keeps its failed outcome."""
        good = [study for study in studies if spreads[study.key].value is not None]
        if not good:
            return spreads
        results = [{"study": s, "gathered": spreads[s.key].value} for s in good]
        outcomes = await self._filed.expand_kwargs(results)
        return {**spreads, **_by_study(good, outcomes)}

    def _may_be_one_trials_fault(self, ended: Outcome) -> bool:
        return ended.cause == "lost" or (ended.cause == "timed_out" and self._trials_may_time_out)


def _by_study(studies: Sequence[Study], outcomes: Outcomes) -> dict[str, Outcome]:
    return {s.key: outcome for s, outcome in zip(studies, outcomes.items(), strict=True)}
