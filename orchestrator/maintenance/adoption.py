"""The adoption of stores: by a copied project, or by a new ledger that takes over MLflow.

Touches MLflow's database through `mlflow`; takes an `ExperimentSettings`; gives `Adopted`; driver.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from orchestrator.errors import UsageError, as_machinery_error
from orchestrator.ledger import Ledger
from orchestrator.ledger.store_identity import Identity
from orchestrator.mlflow.addresses import is_server
from orchestrator.mlflow.ownership import PLACE, TAG, look_up, relocate, root_on_disk, write_marker
from orchestrator.promotion.store_ownership import (
    Trouble,
    address_of,
    artifacts_of,
    identity_of,
    trouble,
)
from orchestrator.settings import ExperimentSettings

_ADOPTABLE = {"copied", "ledger lost"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """The result of an adoption.

    Attributes:
        why: The problem that made the adoption necessary.
        token: The ledger's new token.
        copied: The number of model folders that were copied, since a copy must not use those of the
            original.
    """

    why: str
    token: str
    copied: int


def adopt_store(experiment: ExperimentSettings) -> Adopted:
    """Assign MLflow's experiment and the artifact root to this ledger.

    Raises:
        UsageError: There is nothing to adopt, or the copy shares a store with its original.
        HeldError: A driver is running the experiment.
        MachineryError: MLflow or a folder cannot be written.
    """
    with Ledger.open(experiment.ledger) as ledger, ledger.holding(experiment.name):
        ledger.require_owner(experiment.name)
        found = trouble(experiment, ledger)
        if found is None or found.kind not in _ADOPTABLE:
            raise _not_adoptable(found)
        known = ledger.identity.known()
        if known is None:
            return Adopted(why=found.problem, token=_take_over(experiment, ledger), copied=0)
        return _become_own(experiment, ledger, known, found)


def _not_adoptable(found: Trouble | None) -> UsageError:
    if found is None:
        return UsageError("there is nothing to adopt: the stores are this ledger's own")
    return UsageError(f"{found.problem}: that cannot be adopted. {found.cure}")


def _take_over(experiment: ExperimentSettings, ledger: Ledger) -> str:
    """Put a new ledger in the place of a lost one, whose champions new ones will replace."""
    own = identity_of(experiment, ledger, None)
    ledger.identity.write(own)
    _tag(experiment, own)
    ledger.identity.write(replace(own, bound=True))
    return own.token


def _become_own(
    experiment: ExperimentSettings, ledger: Ledger, known: Identity, found: Trouble
) -> Adopted:
    """Make a copied project use only its own copies."""
    _require_apart(experiment, known)
    own = identity_of(experiment, ledger, None)
    in_mlflow = look_up(experiment.tracking, experiment.name)
    before = known.artifacts if in_mlflow is None else in_mlflow.artifacts
    after = artifacts_of(experiment)
    copied = _copy_missing(ledger, before, after)
    ledger.promotions.relocate(before=before, after=after)
    with as_machinery_error(f"{after} cannot be written", OSError):
        write_marker(after, experiment.name, own.token)
    if in_mlflow is not None:
        relocate(experiment.tracking, in_mlflow.experiment_id, before=before, after=after)
        _tag(experiment, own)
    ledger.identity.write(replace(own, bound=in_mlflow is not None))
    return Adopted(why=found.problem, token=own.token, copied=copied)


def _require_apart(experiment: ExperimentSettings, known: Identity) -> None:
    """Refuse stores that the original also uses."""
    shared = [
        f"`tracking.uri` {address_of(experiment)}"
        if address_of(experiment) == known.tracking or is_server(experiment.tracking)
        else "",
        f"`tracking.artifacts` {known.artifacts or 'of the server'}"
        if artifacts_of(experiment) in {known.artifacts, ""}
        else "",
    ]
    named = " and ".join(filter(None, shared))
    if named:
        raise UsageError(
            f"this copy and its original share {named}: give the copy its own in its "
            "configuration, then adopt again. Nothing was changed"
        )


def _copy_missing(ledger: Ledger, before: str, after: str) -> int:
    """Copy the folders of champions that the copied project lacks."""
    sources = {
        promotion.written_model.source
        for chain in ledger.promotions.confirmed().values()
        for promotion in chain
        if promotion.written_model.source.startswith(f"{before}/")
    }
    copied = 0
    for source in sorted(sources):
        here, there = root_on_disk(f"{after}{source[len(before) :]}"), root_on_disk(source)
        if here is not None and there is not None and there.exists() and not here.exists():
            _copy(there, here)
            copied += 1
    return copied


def _copy(source: Path, target: Path) -> None:
    unfinished = target.with_name(f".{target.name}.copying")
    with as_machinery_error(f"{source} cannot be copied to {target}", OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(source, unfinished)
        unfinished.rename(target)


def _tag(experiment: ExperimentSettings, own: Identity) -> None:
    """Write the new owner into MLflow's experiment and its folder."""
    from orchestrator.mlflow.runs.opening import open_tracker  # late: it imports MLflow

    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    tracker.tag_experiment({TAG: own.token, PLACE: own.place})
