"""Whether MLflow and the artifact root are those that the ledger has worked with.

A copied or moved project, a changed address, a store that was lost or replaced: each is recognised
before anything is written. What is safe is repaired; anything else is refused with the cure.

Touches MLflow's database through tracking; takes an `ExperimentSettings` and its ledger; driver.
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
"""A new ledger's first run waits so long for a server that may know an earlier ledger."""

Kind = Literal["copied", "ledger lost", "foreign", "changed", "files lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Why the stores cannot be used as they are.

    Attributes:
        kind: Which trouble it is.
        problem: What is wrong.
        cure: What to do about it.
    """

    kind: Kind
    problem: str
    cure: str

    def error(self) -> OrchestratorError:
        """The same as an error: a lost store is the machinery's, another one the caller's."""
        lost = self.kind in {"ledger lost", "files lost"}
        text = f"{self.problem}. {self.cure}. Nothing was changed"
        return MachineryError(text) if lost else UsageError(text)


def trouble(experiment: ExperimentSettings, ledger: Ledger) -> Trouble | None:
    """What keeps the ledger from using the configured stores; nothing is written.

    A ledger that knows no MLflow yet waits only some seconds for a server's answers; after that,
    opening it reports what is wrong.

    Raises:
        MachineryError: MLflow's address has changed, and the new one does not answer.
    """
    known = ledger.identity.known()
    if known is None:
        with suppress(MachineryError):  # opening it tells what is wrong with it
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
    """Refuse stores that are not the ledger's; follow a project that was moved.

    Args:
        experiment: What is configured.
        ledger: Its ledger.
        say: Receives what was repaired.
        to_repair: Whether lost model files are about to be written again.

    Raises:
        UsageError: It is a copy, or an address was changed.
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
    """Whether MLflow, at the address it had, has nothing any more of what this ledger sent it."""
    known = ledger.identity.known()
    if known is None or is_server(experiment.tracking):
        return False
    with suppress(MachineryError):  # one that does not answer has lost nothing yet
        found = look_up(experiment.tracking, experiment.name)
        gone = found is None or (known.bound and found.token != known.token and found.is_empty)
        return gone and bool(ledger.trials.sent())
    return False


def bind(experiment: ExperimentSettings, ledger: Ledger, tracker: Tracker) -> None:
    """Write into MLflow, the artifact root and the ledger that they belong together.

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
    with suppress(OSError):  # writing a model there tells what is wrong with the folder
        write_marker(tracker.artifact_root, experiment.name, own.token)
    if not own.bound:
        ledger.identity.write(replace(own, bound=True))


def require_configured_root(experiment: ExperimentSettings, tracker: Tracker) -> None:
    """Refuse to delete files from a folder that the configuration does not name.

    Raises:
        UsageError: MLflow's experiment keeps its files elsewhere.
    """
    configured, used = artifacts_of(experiment), tracker.artifact_root.removeprefix("file://")
    if configured and used.rstrip("/") != configured.rstrip("/"):
        raise UsageError(
            f"MLflow keeps the files of {experiment.name!r} in {used}, the configuration says "
            f"{configured}: write `artifacts: {used}` below `tracking` if they are this project's. "
            "Nothing was deleted"
        )


def identity_of(experiment: ExperimentSettings, ledger: Ledger, known: Identity | None) -> Identity:
    """The identity with the addresses of now; a new one, not yet bound, where none is known."""
    place, tracking, artifacts = ledger.place, address_of(experiment), artifacts_of(experiment)
    if known is None:
        return Identity(place=place, tracking=tracking, artifacts=artifacts, bound=False)
    return replace(known, place=place, tracking=tracking, artifacts=artifacts)


def follow(experiment: ExperimentSettings, ledger: Ledger, known: Identity) -> None:
    """Have MLflow and the ledger point to the files where they are now.

    Raises:
        MachineryError: MLflow's database refused.
    """
    before, after = known.artifacts, artifacts_of(experiment)
    found = look_up(experiment.tracking, experiment.name)
    if found is not None and found.artifacts.removeprefix("file://") == before:
        relocate(experiment.tracking, found.experiment_id, before=found.artifacts, after=after)
        ledger.promotions.relocate(before=found.artifacts, after=after)
    ledger.identity.write(identity_of(experiment, ledger, known))


def address_of(experiment: ExperimentSettings) -> str:
    """MLflow's address, whole and without a password."""
    scheme, separator, path = experiment.tracking.partition(":///")
    if scheme.startswith("sqlite") and separator:
        return f"{scheme}:///{Path(path).absolute()}"
    return without_password(experiment.tracking)


def artifacts_of(experiment: ExperimentSettings) -> str:
    """The configured artifact root, whole; "" where MLflow's server decides."""
    if experiment.artifacts is None:
        return ""
    folder = root_on_disk(experiment.artifacts)
    return experiment.artifacts if folder is None else str(folder.absolute())


# -- what may be wrong ------------------------------------------------------------------------


def _unknown(
    experiment: ExperimentSettings, ledger: Ledger, found: Ownership | None
) -> Trouble | None:
    """MLflow has what this ledger, which has sent nothing yet, does not know."""
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
    """Whether a ledger of an earlier version, which wrote no tokens, knows what is there."""
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
    """The file of a ledger's place; None on a database server."""
    return file_of(url_of(place))


def _tracking(experiment: ExperimentSettings, known: Identity) -> Trouble | None:
    """MLflow is another one than before; of a server with the same address, opening it tells."""
    same = address_of(experiment) == known.tracking
    if same and is_server(experiment.tracking):
        return None
    try:
        found = look_up(experiment.tracking, experiment.name)
    except MachineryError:
        if same:
            return None  # what does not answer now may do so when it is needed
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
    """The experiment is there, and not this ledger's."""
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
    """Whether the artifact root is where the configuration now says, and no longer where it was."""
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
