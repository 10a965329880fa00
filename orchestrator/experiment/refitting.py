"""The winner fitted on all rows and written as MLflow model files: what `refit` does on a worker.

Touches scikit-learn and MLflow through their rooms; takes `Refit`; gives `Refitted`.
"""

from dataclasses import replace

from orchestrator.deployment.files import write_model
from orchestrator.deployment.formats import Storable
from orchestrator.experiment.orders import Refit, Refitted, best_of
from orchestrator.training.refit import refit


def refit_and_write(what: Refit) -> Refitted:
    """Fit a decision's best trial on all rows, and write its files where its run is kept.

    Raises:
        DataError: The customer's data cannot be used.
        UsageError: The model holds what its file may not.
        MachineryError: The files cannot be written.
        Exception: Whatever the estimator raises.
    """
    best = best_of(what.promotion)
    fitted = refit(best.trial)
    model = Storable(
        estimator=fitted.estimator,
        sample=fitted.sample,
        allowed=best.trial.study.evaluation.allowed,
        allow_pickle=what.allow_pickle,
    )
    files = write_model(model, what.artifact_uri, tracking_uri=what.tracking_uri)
    written = replace(what.promotion, source=files.source)
    return Refitted(promotion=written, format=files.format)
