"""Goes on with a flow run that was interrupted, killed, or has failed, under its own id.

Touches no library itself; takes a flow run's id; gives an exit code; driver.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from orchestrator import config
from orchestrator.cli.commands.training import carry_out_experiment
from orchestrator.cli.flow_runs import flow_files, parameters
from orchestrator.cli.flow_runs.flow_files import FlowFile
from orchestrator.cli.flow_runs.rerun import chosen_instances
from orchestrator.cli.flow_runs.run_file import Request, carry_out
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering import output
from orchestrator.cli.settings import RunSettings, place, stand_in_root
from orchestrator.errors import ConfigError, UsageError
from orchestrator.ledger import Ledger
from orchestrator.mapping.driver.rerun import Chosen
from orchestrator.pipeline.config_snapshot import differences, with_secrets
from orchestrator.records import ErasureRun, ExperimentRun, FileRun, FlowRun
from orchestrator.settings import Experiment


def resume(flow_run: str | None, manner: RunOptions, *, as_it_is_now: bool) -> int:
    """Go on with a flow run; gives the exit code.

    Args:
        flow_run: Its id, a beginning of it, or `latest`; None: the last that has not ended.
        manner: How.
        as_it_is_now: With the configuration, or the flow's file, as it is now, where it has
            changed since the flow run began.

    Raises:
        UsageError: There is no such flow run, or it cannot go on; nothing was changed.
        HeldError: Its driver lives.
    """
    where = place(manner.config, grace=manner.grace, keep_logs=manner.keep_logs)
    with Ledger.look(where.ledger) as ledger:
        found = _find(ledger, flow_run)
        last = ledger.flow_runs.last_of(found.flow)
    if found.state == "success":
        raise UsageError(f"flow run {found.id} has ended well: there is nothing to go on with")
    if isinstance(found.origin, ExperimentRun):
        if last is not None and last.id != found.id:
            raise UsageError(
                f"flow run {found.id} was followed by {last.id}, which has decided anew: start the "
                "next one with `orchestrator run`; what was recorded is used again"
            )
        return _resume_experiment(found, found.origin, where, manner, as_it_is_now=as_it_is_now)
    if isinstance(found.origin, FileRun):
        return _resume_file(found, found.origin, where, manner, as_it_is_now=as_it_is_now)
    raise UsageError(
        f"flow run {found.id} of {found.flow} was started by no command of this program: whoever "
        "started it can go on with it, by `run(resumed=...)`"
    )


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
        # Its driver seems to live, which only --force may ignore, or ended just now.
        return latest
    hint = f"; to try again what failed: orchestrator resume {latest.id}"
    raise UsageError(
        f"every flow run has ended: the last one, {latest.id}, has the state "
        f"{latest.state}{hint if latest.state == 'failed' else ''}"
    )


def _other_ledgers() -> str:
    """Where else flow runs may be, when an experiment was renamed."""
    others = sorted(str(file) for file in Path("state").glob("*/ledger.db"))
    return f" (there are the ledgers {', '.join(others)})" if others else ""


# -- flows of files ----------------------------------------------------------------------------


def _resume_file(
    old: FlowRun, origin: FileRun, where: RunSettings, manner: RunOptions, *, as_it_is_now: bool
) -> int:
    file = flow_files.load(f"{origin.file}:{origin.flow}")
    _require_same(file, old, origin, as_it_is_now=as_it_is_now)
    output.say(f"going on with flow run {old.id} of {old.flow}")
    request = Request(
        file=file,
        texts=parameters.kept(origin),
        on_cluster=origin.cluster,
        fresh=origin.fresh,
        again=_again(origin, where),
        choice=origin.choice,
        rerun_of=origin.rerun_of,
        resumed=old,
    )
    return carry_out(request, manner)


def _require_same(file: FlowFile, old: FlowRun, origin: FileRun, *, as_it_is_now: bool) -> None:
    if file.digest == origin.digest:
        return
    if not as_it_is_now:
        raise UsageError(
            f"{file.file} has changed since flow run {old.id} began: go on with it as it is now by "
            f"--new-config, or begin anew: orchestrator run {file.file}:{file.name}"
        )
    output.say(f"{file.file} has changed since: tasks that do something else now run again")


def _again(origin: FileRun, where: RunSettings) -> Chosen | None:
    """Return the instances that a rerun was to run again, found by the choice made then."""
    if origin.rerun_of is None or origin.choice is None:
        return None
    with Ledger.look(where.ledger) as ledger:
        chosen = chosen_instances(origin.choice, ledger, origin.rerun_of)
    return lambda node, key: (node, key) in chosen


# -- the experiment ----------------------------------------------------------------------------


def _resume_experiment(
    old: FlowRun,
    origin: ExperimentRun,
    where: RunSettings,
    manner: RunOptions,
    *,
    as_it_is_now: bool,
) -> int:
    from orchestrator.pipeline.pipeline import resume as go_on  # late: the rest of the program

    then_or_now = _settings(old, origin, manner.config, as_it_is_now=as_it_is_now)
    experiment = replace(then_or_now, ledger=where.ledger, grace=where.grace, logs=where.logs)
    stand_in_root(experiment)
    output.say(f"going on with flow run {old.id} of {old.flow}")
    return carry_out_experiment(
        experiment,
        lambda watched: go_on(experiment, old, **watched),
        manner,
    )


def _settings(
    old: FlowRun, origin: ExperimentRun, configured: str | None, *, as_it_is_now: bool
) -> Experiment:
    """The experiment as it was configured then, or is now if that is wanted."""
    file = config.find(configured)
    before, now = origin.settings, config.read(file)
    if before is not None:
        before = _at_the_same_root(before, now)
    changes = differences(before, now) if before is not None else []
    if as_it_is_now or before is None:
        _require_same_name(old, now, file)
        _tell(changes, file, "as it is now")
        return config.parse(now, file)
    _tell(changes, file, "as it was then; --new-config takes it as it is now")
    return config.parse(with_secrets(before, now), file)


def _at_the_same_root(before: Mapping[str, Any], now: Mapping[str, Any]) -> Mapping[str, Any]:
    """The settings of then with the root of now: it says where the project is, not what it does."""
    without = {key: value for key, value in before.items() if key != "root"}
    return {**without, "root": now["root"]} if "root" in now else without


def _require_same_name(old: FlowRun, now: Mapping[str, Any], file: Path) -> None:
    if now.get("experiment") != old.flow:
        raise ConfigError(
            f"flow run {old.id} belongs to experiment {old.flow!r}, not {now.get('experiment')!r}: "
            "it can go on only under its name; leave out --new-config, or rename it back",
            file=str(file),
            key="experiment",
        )


def _tell(changes: list[str], file: Path, which: str) -> None:
    if changes:
        lines = "\n".join(f"  {change}" for change in changes)
        output.say(f"{file} has changed since the flow run began; it is used {which}:\n{lines}")
