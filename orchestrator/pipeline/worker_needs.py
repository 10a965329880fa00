"""The modules and packages that an experiment's workers need.

Touches installed packages to find them; takes an `ExperimentSettings` and models; gives `Needs`;
driver.
"""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from orchestrator.clusters import Needs
from orchestrator.records import ModelSpec
from orchestrator.settings import ExperimentSettings
from orchestrator.training.fingerprint import versions_of

EVALUATING = "orchestrator.training.evaluate"
"""The module that workers need first; it takes them a second or two to import."""


def needs_of(experiment: ExperimentSettings, models: Iterable[ModelSpec]) -> Needs:
    """The modules and packages that workers need to train these models."""
    models = tuple(models)
    modules = dict.fromkeys([EVALUATING, *_modules(experiment, models)])
    return Needs(modules=tuple(modules), decisive=versions_of(models))


def _modules(experiment: ExperimentSettings, models: Iterable[ModelSpec]) -> Iterator[str]:
    evaluation = experiment.evaluation
    for path in (evaluation.loader, *evaluation.own_scorers.values()):
        yield path.partition(":")[0]
    for model in models:
        yield from (step.estimator.partition(":")[0] for step in model.steps)
    yield from filter(_is_here, evaluation.allowed)


def _is_here(package: str) -> bool:
    """Whether the driver has an allowed package: one that it lacks cannot be used either."""
    try:
        return find_spec(package) is not None
    except (ImportError, ValueError):  # `a.b` without `a`, or the path of a parameter
        return False
