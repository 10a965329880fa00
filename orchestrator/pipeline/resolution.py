"""What an experiment names by path or by name, as objects: found once, before anything is started.

Workers find loader, scorers and strategy again by the same names: objects of the project's own
code are not sent to them.

Touches no library itself; takes an `ExperimentSettings`; gives `Resolved`; runs on the driver.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.errors import ConfigError
from orchestrator.estimators import Estimators
from orchestrator.mapping.driver.fingerprints import code_digest
from orchestrator.pipeline.clearance import Clearance
from orchestrator.pipeline.study_flow import evaluate
from orchestrator.search import (
    Strategy,
    find_strategy,
    require_one_objective,
    require_reproducible,
    require_usable,
    told,
)
from orchestrator.settings import ExperimentSettings
from orchestrator.training.data import Loader, find_loader
from orchestrator.training.fingerprint import Fingerprints

CODE = code_digest(evaluate.function) or b""
"""A hash of the code of the task that evaluates a study."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """An experiment with everything that it names, ready to be used.

    Attributes:
        experiment: Its settings.
        loader: What loads a customer's data.
        strategy: What chooses trials.
        estimators: The estimators that models may name.
        fingerprints: What gives studies the hashes that their results are known by.
        clearance: Tells whether metrics and lists were checked before.
    """

    experiment: ExperimentSettings
    loader: Loader
    strategy: Strategy
    estimators: Estimators
    fingerprints: Fingerprints
    clearance: Clearance


def resolve(experiment: ExperimentSettings, clearance: Clearance) -> Resolved:
    """Find what an experiment names, and refuse settings that could not work.

    Args:
        experiment: Has the settings.
        clearance: Tells whether its metrics were checked before.

    Raises:
        ConfigError: Naming the key.
    """
    evaluation, search = experiment.evaluation, experiment.search
    with named_in(experiment.config):
        require_usable(search)
        require_one_objective(search, evaluation)
        require_reproducible(search, evaluation)
        loader = find_loader(evaluation.loader)
        if not clearance.covers_metrics():
            from orchestrator.training.scorers import Scorers  # late: scikit-learn

            Scorers.of(evaluation).require_usable()
        return Resolved(
            experiment=experiment,
            loader=loader,
            strategy=find_strategy(search),
            estimators=Estimators(evaluation.allowed),
            fingerprints=Fingerprints(
                evaluation,
                search,
                loader,
                task=CODE.hex(),
                goals=told(search, evaluation),
                with_environment=experiment.retrain_on == "environment",
            ),
            clearance=clearance,
        )


@contextmanager
def named_in(config: str | None) -> Iterator[None]:
    """Name the configuration file in errors of settings that do not know it."""
    try:
        yield
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.problem, file=config, key=error.key) from error
