"""Whether models can be stored: found out on a few made-up rows, before any trial is made.

Touches no library itself; takes an `ExperimentSettings` and studies; raises or says nothing;
driver.
"""

from collections.abc import Iterable

from orchestrator.errors import ConfigError
from orchestrator.project_code import installed_versions
from orchestrator.records import Study
from orchestrator.settings import ExperimentSettings


def rules_of(experiment: ExperimentSettings) -> str:
    """What decides whether a model can be stored, in words; under other rules it is tried again."""
    pickled = "pickled if need be" if experiment.allow_pickle else "never pickled"
    allowed = experiment.evaluation.allowed
    versions = installed_versions({"sklearn", "skops", *allowed})
    installed = ", ".join(f"{name} {version}" for name, version in versions.items())
    return f"{installed}, {pickled}, of {', '.join(allowed)}"


def require_storable(experiment: ExperimentSettings, studies: Iterable[Study]) -> None:
    """Refuse models whose winner could not be written, before their trials are made.

    Args:
        experiment: Says what may be stored.
        studies: Those that are to be run; each of their models is looked at once.

    Raises:
        ConfigError: It names every such model, and why.
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
