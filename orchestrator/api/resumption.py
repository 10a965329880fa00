"""A flow run that was interrupted, killed, or has failed, to be continued under its own id.

Touches no library itself; takes a flow run's id; gives the flow run, and a request or settings;
driver.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator import config
from orchestrator.api import flow_files, parameters
from orchestrator.api.file_runs import FileRequest
from orchestrator.api.flow_files import FlowFile
from orchestrator.api.reruns import chosen_instances
from orchestrator.errors import ConfigError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.mapping.driver.rerun import Chosen
from orchestrator.pipeline.config_snapshot import differences, with_secrets
from orchestrator.records import ErasureRun, ExperimentRun, FileRun, FlowRun
from orchestrator.settings import ExperimentSettings

Say = Callable[[str], None]


def unfinished(ledger: Ledger, flow_run: str | None, *, of: str | None = None) -> FlowRun:
    """Return the flow run to continue.

    Args:
        ledger: The ledger that has recorded the flow run.
        flow_run: Its id, a prefix of the id, or `latest`; None: the last that has not ended.
        of: The experiment that it must belong to; None also accepts flow runs of files.

    Raises:
        UsageError: There is no such flow run, or it cannot continue.
    """
    found = _find(ledger, flow_run)
    if found.state == "success":
        raise UsageError(f"flow run {found.id} ended successfully: there is nothing to resume")
    if not isinstance(found.origin, ExperimentRun | FileRun):
        raise UsageError(
            f"flow run {found.id} of {found.flow} was not started by a command: resume it in the "
            "program that started it, by `run(resumed=...)`"
        )
    of_experiment = isinstance(found.origin, ExperimentRun)
    if of is not None and not of_experiment:
        raise UsageError(f"flow run {found.id} is one of {found.flow}, not of experiment {of!r}")
    last = ledger.flow_runs.last_of(found.flow)
    if of_experiment and last is not None and last.id != found.id:
        raise UsageError(
            f"flow run {found.id} was followed by {last.id}, which has made its own "
            "decisions: start the next one with `orchestrator run`; recorded results are reused"
        )
    return found


def _find(ledger: Ledger, flow_run: str | None) -> FlowRun:
    if flow_run is not None:
        return ledger.flow_runs.get(flow_run)
    found = ledger.flow_runs.last_unfinished()
    if found is not None:
        return found
    # `forget` leaves a record of itself, which cannot be resumed.
    runs = ledger.flow_runs.list()
    latest = next((each for each in runs if not isinstance(each.origin, ErasureRun)), None)
    if latest is None:
        raise UsageError(
            f"no flow run is recorded in {ledger.address}{_other_ledgers()}; begin with: "
            "orchestrator run"
        )
    if latest.state in {"running", "interrupted"}:
        # Its driver seems to be alive, which only --force may ignore, or has just ended.
        return latest
    hint = f"; to try again what failed: orchestrator resume {latest.id}"
    raise UsageError(
        f"every flow run has ended: the last one, {latest.id}, has the state "
        f"{latest.state}{hint if latest.state == 'failed' else ''}"
    )


def _other_ledgers() -> str:
    """Return a hint at other ledgers, which exist if an experiment was renamed."""
    others = sorted(str(file) for file in Path("state").glob("*/ledger.db"))
    return f" (there are the ledgers {', '.join(others)})" if others else ""


# -- flows of files ----------------------------------------------------------------------------


def file_request(
    ledger: Ledger, old: FlowRun, origin: FileRun, *, use_current: bool, say: Say
) -> FileRequest:
    """Return the request to continue a flow run of the flow of a file.

    Args:
        ledger: The ledger that has recorded the flow run.
        old: The flow run.
        origin: The record of the file and its parameters.
        use_current: Use the file's current code if it has changed.
        say: Called with sentences about changes.

    Raises:
        UsageError: The file is gone, or has changed.
    """
    file = flow_files.load(f"{origin.file}:{origin.flow}")
    _require_same(file, old, origin, use_current=use_current, say=say)
    say(f"resuming flow run {old.id} of {old.flow}")
    return FileRequest(
        file=file,
        texts=parameters.kept(origin),
        on_cluster=origin.cluster,
        fresh=origin.fresh,
        again=_again(ledger, origin),
        choice=origin.choice,
        rerun_of=origin.rerun_of,
        resumed=old,
    )


def _require_same(
    file: FlowFile, old: FlowRun, origin: FileRun, *, use_current: bool, say: Say
) -> None:
    if file.digest == origin.digest:
        return
    if not use_current:
        raise UsageError(
            f"{file.file} has changed since flow run {old.id} began: resume with the current "
            f"file by --new-config, or start a new run: orchestrator run {file.file}:{file.name}"
        )
    say(f"{file.file} has changed since: tasks that do something else now run again")


def _again(ledger: Ledger, origin: FileRun) -> Chosen | None:
    """Return the predicate of the instances of a rerun, by the choice recorded with it."""
    if origin.rerun_of is None or origin.choice is None:
        return None
    chosen = chosen_instances(origin.choice, ledger, origin.rerun_of)
    return lambda node, key: (node, key) in chosen


# -- experiments -------------------------------------------------------------------------------


def settings_of(
    old: FlowRun, now: Mapping[str, Any], place: Path, *, use_current: bool, say: Say
) -> ExperimentSettings:
    """Return an experiment's settings: those recorded when a flow run began, or the current ones.

    Args:
        old: The flow run.
        now: The current configuration, which need not be valid unless it is used.
        place: Its file, or the folder of an experiment made of Python objects.
        use_current: Whether to use the current configuration.
        say: Called with sentences about changes.

    Raises:
        ConfigError: The configuration in use is wrong, or belongs to another experiment.
    """
    before = old.origin.settings if isinstance(old.origin, ExperimentRun) else None
    if before is not None:
        before = _at_the_same_root(before, now)
    changes = differences(before, now) if before is not None else []
    if use_current or before is None:
        _require_same_name(old, now, place)
        _report(changes, place, "the current one is used", say)
        return _parsed(now, place)
    _report(
        changes,
        place,
        "the recorded one is used; --new-config takes the current one",
        say,
    )
    return _parsed(with_secrets(before, now), place)


def _parsed(document: Mapping[str, Any], place: Path) -> ExperimentSettings:
    return config.build(document, place) if place.is_dir() else config.parse(document, place)


def _at_the_same_root(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the recorded settings with the current root, which is only the project's location."""
    without = {key: value for key, value in before.items() if key != "root"}
    return {**without, "root": now["root"]} if "root" in now else without


def _require_same_name(old: FlowRun, now: Mapping[str, Any], place: Path) -> None:
    if now.get("experiment") != old.flow:
        raise ConfigError(
            f"flow run {old.id} belongs to experiment {old.flow!r}, not {now.get('experiment')!r}: "
            "it can only continue under its own name; leave out --new-config, or rename it back",
            file=str(place),
            key="experiment",
        )


def _report(changes: list[str], place: Path, which: str, say: Say) -> None:
    if changes:
        lines = "\n".join(f"  {change}" for change in changes)
        say(f"{place} has changed since the flow run began; {which}:\n{lines}")
