"""Commands that remove history on purpose: clean, forget.

Touches typer; each command asks before it acts; driver.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.commands.training import moment_of
from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output
from orchestrator.errors import UsageError

if TYPE_CHECKING:
    from orchestrator.maintenance.removal import Cleaning

_MOST_SHOWN = 20

Yes = Annotated[bool, typer.Option("--yes", help="Do it; nothing more is asked.")]


def clean(
    *,
    before: Annotated[
        str | None,
        typer.Option(metavar="MOMENT", help="Only what ran before, such as 2026-03-01."),
    ] = None,
    keep_last: Annotated[
        int,
        typer.Option(min=1, help="How many studies of each customer and model stay in any case."),
    ] = 1,
    archive: Annotated[
        Path | None,
        typer.Option(help="The folder whose Parquet files are written first; archive/MOMENT."),
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show it: the default.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove old trials from the ledger and MLflow, archived first; champions always stay.

    Without --yes it only shows what would go. What was ever deployed stays, and the last study
    of each customer and model, and whatever a run's tag `keep` in MLflow asks to be kept.

    Example: orchestrator clean --before 2026-03-01 --keep-last 3 --yes
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.maintenance import removal

    if yes and dry_run:
        raise UsageError("--dry-run only shows what --yes would do: give one of the two")
    archive = None if archive is None else archive.absolute()  # before the command changes folders
    experiment = configured(config)
    moment = None if before is None else moment_of(before, "--before").timestamp()
    if yes:
        folder = archive or Path("archive") / time.strftime("%Y%m%d-%H%M%S")
        found = removal.clean(experiment, folder, before=moment, keep_last=keep_last)
    else:
        found = removal.cleanable(experiment, before=moment, keep_last=keep_last)
    if as_json:
        output.as_json({**asdict(found), "trials": found.trials, "removed": yes})
    else:
        _show(found, removed=yes)


def _show(found: "Cleaning", *, removed: bool) -> None:
    rows = [(s.flow_run, s.customer, s.model, len(s.run_ids)) for s in found.studies]
    output.table(("flow run", "customer", "model", "trials"), rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        output.report(f"and {len(rows) - _MOST_SHOWN} more studies")
    output.report(
        f"{len(rows)} studies with {found.trials} trials, and {found.instances} instances that "
        f"ended again later, {'removed' if removed else 'would be removed'}"
    )
    for archive in found.archives:
        output.report(f"archived in {archive}")
    if not removed and (rows or found.instances):
        output.report("add --yes to archive and remove them")


def forget(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    *,
    yes: Yes = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove all of a customer for good: ledger, MLflow runs, files, registered model.

    One flow run named `forget` stays as the record of the removal, without the customer's name.
    Take the customer out of the registry first, or the next run starts with it again.

    Example: orchestrator forget AA-LAX --yes
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.maintenance import removal

    experiment = configured(config)
    if not yes and typer.prompt(f"Type {customer} to forget it", err=True) != customer:
        raise UsageError("that is another id: nothing was forgotten")
    found = removal.forget(experiment, customer)
    if as_json:
        output.as_json(asdict(found))
        return
    output.report(f"forgotten: {output.counts(found.removed)}")
    if found.model:
        output.report(f"the registered model {found.model} is deleted")
    if not found.for_good:
        output.report(
            "MLflow's server only marks runs as deleted; ask its administrator for `mlflow gc`"
        )
    output.report(f"recorded as flow run {found.record}")
