"""The objects that an experiment names, found once, before anything is started.

Workers look up loader, scorers and strategy by the same names, since objects of the project's own
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
        experiment: The settings of the experiment.
        loader: Loads a customer's data.
        strategy: Chooses the trials of a study.
        estimators: The estimators that models may name.
        fingerprints: Gives studies the hashes that identify their results.
        clearance: Knows whether metrics and lists were checked before.
    """

    experiment: ExperimentSettings
    loader: Loader
    strategy: Strategy
    estimators: Estimators
    fingerprints: Fingerprints
    clearance: Clearance


def resolve(experiment: ExperimentSettings, clearance: Clearance) -> Resolved:
    """Find the objects that an experiment names, and refuse settings that cannot work.

    Args:
        experiment: The settings of the experiment.
        clearance: Knows whether its metrics were checked before.

    Raises:
        ConfigError: A setting cannot work; the error names its key.
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
    """Add the configuration file to errors that do not name it yet."""
    try:
        yield
    except ConfigError as error:
        if error.file is not None:
            raise
        raise ConfigError(error.problem, file=config, key=error.key) from error
