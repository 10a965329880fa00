"""The winner fitted on all rows and written as MLflow model files: the task `refit` on a worker.

Touches scikit-learn and MLflow through their rooms; takes `Refit`; gives `Refitted`, or the reason
why the candidate cannot be deployed.
"""

from dataclasses import replace

from orchestrator.errors import ConfigError, MachineryError, UsageError, chain_of
from orchestrator.mlflow.model_files.files import write_model
from orchestrator.mlflow.model_files.formats import Storable
from orchestrator.mlflow.model_files.readback import Proof
from orchestrator.promotion.refit_orders import Refit, Refitted, Undeployable, best_of
from orchestrator.records import Trial, WrittenModel
from orchestrator.training.data import DataError
from orchestrator.training.refit import Fitted, refit


def refit_and_write(what: Refit) -> Refitted | Undeployable:
    """Fit a decision's best trial on all rows, and write its files into the folder of its run.

    Raises:
        DataError: The customer's data cannot be used.
        ConfigError: The configured loader does not exist.
        MachineryError: The files cannot be written.
    """
    trial = best_of(what.promotion).trial
    fitted = _fitted(trial)
    if isinstance(fitted, Undeployable):
        return fitted
    model = Storable(
        estimator=fitted.estimator,
        sample=fitted.sample,
        predictions=fitted.predictions,
        allowed=trial.study.evaluation.allowed,
        allow_pickle=what.allow_pickle,
    )
    try:
        files = write_model(
            model, what.artifact_uri, tracking_uri=what.tracking_uri, replace=what.replace
        )
    except UsageError as error:
        return Undeployable(reason=str(error), whole_model=True)
    return Refitted(
        promotion=replace(
            what.promotion, model=WrittenModel(source=files.source, files=files.files)
        ),
        format=files.format,
        proof=Proof(sample=model.sample, predictions=model.predictions),
    )


def _fitted(trial: Trial) -> Fitted | Undeployable:
    try:
        return refit(trial)
    except (DataError, ConfigError, MachineryError):
        raise
    except Exception as error:  # noqa: BLE001 - a candidate's failure is a value (law 2)
        reason = f"it cannot be fitted on all rows: {type(error).__name__}: {chain_of(error)}"
        return Undeployable(reason=reason, whole_model=False)
