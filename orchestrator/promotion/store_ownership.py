"""A check that MLflow and the artifact root are those that the ledger has worked with.

A copied or moved project, a changed address, a lost or replaced store: each is recognised before
anything is written. A problem that is safe to repair is repaired; any other is refused with a
message that says how to solve it.

Touches MLflow's database through `mlflow.ownership`; takes an `ExperimentSettings` and its ledger;
driver.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from orchestrator.errors import MachineryError, OrchestratorError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.ledger.store_identity import Identity, token_at
from orchestrator.mlflow.addresses import is_server, without_password
from orchestrator.mlflow.ownership import (
    PLACE,
    TAG,
    Ownership,
    look_up,
    read_marker,
    relocate,
    root_on_disk,
    write_marker,
)
from orchestrator.mlflow.runs.tracker import Tracker
from orchestrator.settings import ExperimentSettings
from orchestrator.sql.addresses import file_of, url_of

ADOPT = "`orchestrator adopt-store`"
TO_NEW = "`orchestrator sync --to-new-mlflow`"

_SECONDS_FOR_A_SERVER = 3.0
"""The time that a new ledger's first run waits for a server that may know an earlier ledger."""

Kind = Literal["copied", "ledger lost", "foreign", "changed", "files lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """The reason why the stores cannot be used.

    Attributes:
        kind: The kind of the trouble.
        problem: A description of the problem.
        cure: The steps that solve it.
    """

    kind: Kind
    problem: str
    cure: str

    def error(self) -> OrchestratorError:
        """Return the trouble as an error: the machinery's for lost stores, else the caller's."""
        lost = self.kind in {"ledger lost", "files lost"}
        text = f"{self.problem}. {self.cure}. Nothing was changed"
        return MachineryError(text) if lost else UsageError(text)


def trouble(experiment: ExperimentSettings, ledger: Ledger) -> Trouble | None:
    """Return the reason why the ledger cannot use the configured stores, if any; write nothing.

    A ledger that has not worked with an MLflow yet waits only some seconds for a server's answers;
    if there are none, opening MLflow reports the problem later.

    Raises:
        MachineryError: MLflow's address has changed, and the new one does not answer.
    """
    known = ledger.identity.known()
    if known is None:
        with suppress(MachineryError):  # opening it reports what is wrong
            found = look_up(experiment.tracking, experiment.name, seconds=_SECONDS_FOR_A_SERVER)
            return _unknown(experiment, ledger, found)
        return None
    return (
        _copied(known, ledger)
        or _tracking(experiment, known)
        or _artifacts(experiment, known, ledger)
    )


def require_own(
    experiment: ExperimentSettings,
    ledger: Ledger,
    say: Callable[[str], None] = lambda _: None,
    *,
    to_repair: bool = False,
) -> None:
    """Refuse stores that do not belong to the ledger; follow a project that was moved.

    Args:
        experiment: The configured settings.
        ledger: The experiment's ledger.
        say: Receives a sentence about each repair.
        to_repair: Whether lost model files are about to be written again.

    Raises:
        UsageError: The project is a copy, or an address was changed.
        MachineryError: The ledger, or the artifact root, was lost.
    """
    found = trouble(experiment, ledger)
    if found is not None and not (to_repair and found.kind == "files lost"):
        raise found.error()
    known = ledger.identity.known()
    if known is not None and _has_moved(experiment, known):
        follow(experiment, ledger, known)
        say(f"{known.artifacts} was moved to {artifacts_of(experiment)}: MLflow now points there")


def is_lost(experiment: ExperimentSettings, ledger: Ledger) -> bool:
    """Whether MLflow, at its unchanged address, has lost everything that this ledger sent it."""
    known = ledger.identity.known()
    if known is None or is_server(experiment.tracking):
        return False
    with suppress(MachineryError):  # an MLflow that does not answer need not have lost anything
        found = look_up(experiment.tracking, experiment.name)
        gone = found is None or (known.bound and found.token != known.token and found.is_empty)
        return gone and bool(ledger.trials.sent())
    return False


def bind(experiment: ExperimentSettings, ledger: Ledger, tracker: Tracker) -> None:
    """Record in MLflow, the artifact root and the ledger that they belong together.

    Raises:
        UsageError: MLflow's experiment belongs to another ledger.
        MachineryError: The ledger was lost, or MLflow refused.
    """
    known, found = ledger.identity.known(), look_up(experiment.tracking, experiment.name)
    wrong = (
        _unknown(experiment, ledger, found) if known is None else _foreign(experiment, known, found)
    )
    if wrong is not None:
        raise wrong.error()
    own = identity_of(experiment, ledger, known)
    if own != known:
        ledger.identity.write(own)
    if found is None or found.token != own.token or found.place != own.place:
        tracker.tag_experiment({TAG: own.token, PLACE: own.place})
    with suppress(OSError):  # writing a model there reports what is wrong
        write_marker(tracker.artifact_root, experiment.name, own.token)
    if not own.bound:
        ledger.identity.write(replace(own, bound=True))


def require_configured_root(experiment: ExperimentSettings, tracker: Tracker) -> None:
    """Refuse to delete files from a folder that the configuration does not name.

    Raises:
        UsageError: MLflow's experiment keeps its files in another folder.
    """
    configured, used = artifacts_of(experiment), tracker.artifact_root.removeprefix("file://")
    if configured and used.rstrip("/") != configured.rstrip("/"):
        raise UsageError(
            f"MLflow keeps the files of {experiment.name!r} in {used}, the configuration says "
            f"{configured}: write `artifacts: {used}` below `tracking` if they are this project's. "
            "Nothing was deleted"
        )


def identity_of(experiment: ExperimentSettings, ledger: Ledger, known: Identity | None) -> Identity:
    """Return the identity with the current addresses; a new, unbound one if none is known."""
    place, tracking, artifacts = ledger.place, address_of(experiment), artifacts_of(experiment)
    if known is None:
        return Identity(place=place, tracking=tracking, artifacts=artifacts, bound=False)
    return replace(known, place=place, tracking=tracking, artifacts=artifacts)


def follow(experiment: ExperimentSettings, ledger: Ledger, known: Identity) -> None:
    """Make MLflow and the ledger point to the current folder of the files.

    Raises:
        MachineryError: MLflow's database refused the change.
    """
    before, after = known.artifacts, artifacts_of(experiment)
    found = look_up(experiment.tracking, experiment.name)
    if found is not None and found.artifacts.removeprefix("file://") == before:
        relocate(experiment.tracking, found.experiment_id, before=found.artifacts, after=after)
        ledger.promotions.relocate(before=found.artifacts, after=after)
    ledger.identity.write(identity_of(experiment, ledger, known))


def address_of(experiment: ExperimentSettings) -> str:
    """Return MLflow's address, absolute and without a password."""
    scheme, separator, path = experiment.tracking.partition(":///")
    if scheme.startswith("sqlite") and separator:
        return f"{scheme}:///{Path(path).absolute()}"
    return without_password(experiment.tracking)


def artifacts_of(experiment: ExperimentSettings) -> str:
    """Return the configured artifact root, absolute; "" if MLflow's server decides."""
    if experiment.artifacts is None:
        return ""
    folder = root_on_disk(experiment.artifacts)
    return experiment.artifacts if folder is None else str(folder.absolute())


# -- the kinds of trouble ---------------------------------------------------------------------


def _unknown(
    experiment: ExperimentSettings, ledger: Ledger, found: Ownership | None
) -> Trouble | None:
    """Return the trouble if MLflow has data that this ledger, which is new to it, does not know."""
    if found is None or not (found.token or found.has_champions) or _has_history(ledger, found):
        return None
    at = f", which was at {found.place}" if found.place else ""
    return Trouble(
        kind="ledger lost",
        problem=(
            f"the ledger is lost: MLflow at {address_of(experiment)} has runs and champions of "
            f"{experiment.name!r} from another ledger{at}; the one at {ledger.place} knows nothing "
            "of them"
        ),
        cure=(
            "Restore that ledger (orchestrator backup --restore FILE), name it in the "
            f"configuration, or begin again with this one by {ADOPT}"
        ),
    )


def _has_history(ledger: Ledger, found: Ownership) -> bool:
    """Whether the data is from this ledger, in an earlier version that wrote no tokens."""
    return not found.token and bool(ledger.trials.sent())


def _copied(known: Identity, ledger: Ledger) -> Trouble | None:
    original = _file(known.place)
    if known.place == ledger.place or original is None or not original.exists():
        return None
    here = _file(ledger.place)
    if here is not None and original.samefile(here):
        return None
    if token_at(original) not in {known.token, ""}:
        return None
    return Trouble(
        kind="copied",
        problem=f"this project is a copy: its ledger is also at {original}",
        cure=f"Make this copy a project of its own by {ADOPT}, which leaves the original alone",
    )


def _file(place: str) -> Path | None:
    """Return the file of a ledger's place; None on a database server."""
    return file_of(url_of(place))


def _tracking(experiment: ExperimentSettings, known: Identity) -> Trouble | None:
    """Return the trouble if MLflow was replaced; `bind` checks a server that kept its address."""
    same = address_of(experiment) == known.tracking
    if same and is_server(experiment.tracking):
        return None
    try:
        found = look_up(experiment.tracking, experiment.name)
    except MachineryError:
        if same:
            return None  # MLflow may answer later, when it is needed
        raise
    if found is not None and found.token == known.token:
        return None  # the same store, perhaps by another address
    if same or not known.bound:
        return _foreign(experiment, known, found)
    return Trouble(
        kind="changed",
        problem=(
            f"MLflow's address has changed from {known.tracking} to {address_of(experiment)}, "
            "which has nothing of what this ledger has sent"
        ),
        cure=f"Send everything there by {TO_NEW}, or change `tracking.uri` back",
    )


def _foreign(
    experiment: ExperimentSettings, known: Identity, found: Ownership | None
) -> Trouble | None:
    """Return the trouble if the experiment exists but does not belong to this ledger."""
    if found is None or known.token in {found.token, found.receiving}:
        return None
    if not found.token and (found.is_empty or not known.bound):
        return None
    owner = f" of the ledger at {found.place}" if found.place else ""
    return Trouble(
        kind="foreign",
        problem=(
            f"MLflow at {address_of(experiment)} is another one than before: its experiment "
            f"{experiment.name!r} holds runs{owner or ' that this ledger has not sent'}"
        ),
        cure=(
            f"Restore MLflow, or name one of this ledger's own by `tracking.uri` and use {TO_NEW}"
        ),
    )


def _has_moved(experiment: ExperimentSettings, known: Identity) -> bool:
    """Whether the artifact root has moved from its recorded folder to the configured one."""
    now = artifacts_of(experiment)
    if now in {known.artifacts, ""} or not known.artifacts:
        return False
    return (
        read_marker(now, experiment.name) == known.token
        and read_marker(known.artifacts, experiment.name) != known.token
    )


def _artifacts(experiment: ExperimentSettings, known: Identity, ledger: Ledger) -> Trouble | None:
    now = artifacts_of(experiment)
    if now == known.artifacts:
        return _files_lost(now, ledger)
    if _has_moved(experiment, known) and not is_server(experiment.tracking):
        return None
    return Trouble(
        kind="changed",
        problem=(
            f"`tracking.artifacts` has changed from {known.artifacts or 'the server'} to "
            f"{now or 'the server'}, which has no model files of this ledger"
        ),
        cure=f"Write them there by {TO_NEW}, or change it back",
    )


def _files_lost(root: str, ledger: Ledger) -> Trouble | None:
    folder = root_on_disk(root) if root else None
    if folder is None or folder.exists():
        return None
    lost = sum(
        chain[-1].written_model.source.removeprefix("file://").startswith(f"{folder}/")
        for chain in ledger.promotions.confirmed().values()
    )
    if not lost:
        return None
    return Trouble(
        kind="files lost",
        problem=f"the folder {folder} is gone, and with it the model files of {lost} champions",
        cure="Restore it from a backup, or fit and write them again by `orchestrator doctor --fix`",
    )
