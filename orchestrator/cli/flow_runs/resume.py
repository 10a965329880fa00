"""The commands `resume` and `rerun`: continue a flow run, or run a part of it again.

Touches no library itself; takes a flow run's id; gives an exit code; driver.
"""

from orchestrator.api import resumption
from orchestrator.api.experiment import Experiment
from orchestrator.api.reruns import rerun_request
from orchestrator.api.run_settings import run_settings
from orchestrator.cli.commands.training import carry_out_experiment
from orchestrator.cli.flow_runs.run_file import carry_out
from orchestrator.cli.flow_runs.run_options import RunOptions
from orchestrator.cli.rendering import output
from orchestrator.ledger import Ledger
from orchestrator.records import FileRun, RerunChoice


def resume(flow_run: str | None, manner: RunOptions, *, use_current: bool) -> int:
    """Continue a flow run, and return the exit code.

    Args:
        flow_run: The flow run's id, a beginning of it, or `latest`; None is the last unfinished.
        manner: The options of the command.
        use_current: Whether to use the current configuration, or flow file, if it has changed
            since the flow run began.

    Raises:
        UsageError: There is no such flow run, or it cannot continue; nothing was changed.
        HeldError: The flow run's driver is still alive.
    """
    where = run_settings(manner.config, grace=manner.grace, keep_logs=manner.keep_logs)
    with Ledger.look(where.ledger) as ledger:
        found = resumption.unfinished(ledger, flow_run)
        if isinstance(found.origin, FileRun):
            where.require_valid()
            request = resumption.file_request(
                ledger, found, found.origin, use_current=use_current, say=output.say
            )
    if isinstance(found.origin, FileRun):
        return carry_out(request, manner, where)
    if use_current:
        experiment = Experiment.from_file(manner.config)
    else:
        experiment = Experiment.from_flow_run(found.id, path=manner.config, say=output.say)
    return carry_out_experiment(
        experiment,
        lambda watched: experiment.resume(found.id, new_config=use_current, **watched),
        manner,
    )


def rerun(
    flow_run: str, choice: RerunChoice, manner: RunOptions, *, on_cluster: bool | None
) -> int:
    """Run a part of a flow run again, and return the exit code.

    Args:
        flow_run: The flow run's id, a beginning of it, or `latest`.
        choice: The instances to run again.
        manner: The options of the command.
        on_cluster: Whether to run on the cluster, not inline; None means where it ran before.

    Raises:
        UsageError: There is nothing to run again, or the flow's file is gone.
    """
    where = run_settings(manner.config, grace=manner.grace, keep_logs=manner.keep_logs)
    where.require_valid()
    with Ledger.look(where.ledger) as ledger:
        request = rerun_request(ledger, flow_run, choice, on_cluster=on_cluster, say=output.say)
    return carry_out(request, manner, where)
