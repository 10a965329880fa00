"""A check on a few made-up rows, before any trial is made, that models can be stored.

Touches no library itself; takes an `ExperimentSettings` and studies; raises or returns nothing;
driver.
"""

from collections.abc import Iterable

from orchestrator.errors import ConfigError
from orchestrator.project_code import installed_versions
from orchestrator.records import Study
from orchestrator.settings import ExperimentSettings


def rules_of(experiment: ExperimentSettings) -> str:
    """Return the rules for storing models, in words; a change lets rejected models be retried."""
    pickled = "pickled if need be" if experiment.allow_pickle else "never pickled"
    allowed = experiment.evaluation.allowed
    versions = installed_versions({"sklearn", "skops", *allowed})
    installed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{installed}, {pickled}, of {', '.join(allowed)}"


def require_storable(experiment: ExperimentSettings, studies: Iterable[Study]) -> None:
    """Refuse models whose winner could not be written, before their trials are made.

    Args:
        experiment: The settings, which define the models that may be stored.
        studies: The studies that are about to run; each of their models is checked once.

    Raises:
        ConfigError: Some models cannot be stored; the message names each with the reason.
    """
    models = {study.model.id: study.model for study in studies}
    if experiment.allow_pickle or not models:
        return
    from orchestrator.mlflow.model_files.trust import problem_of  # late: they import scikit-learn
    from orchestrator.training.smoke_data import fitted_on_ordinary_rows

    problems = []
    for name, model in sorted(models.items()):
        fitted = fitted_on_ordinary_rows(model, experiment.evaluation)
        problem = None if fitted is None else problem_of(fitted, experiment.evaluation.allowed)
        if problem is not None:
            problems.append(f"model {name!r} could not be deployed: {problem}")
    if problems:
        raise ConfigError("\n".join(problems), file=experiment.config)
