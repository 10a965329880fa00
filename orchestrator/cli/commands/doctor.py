"""The command `doctor`: check the ledger, MLflow and the machine, and repair them.

Touches typer; takes arguments; gives a table or JSON, and an exit code; driver.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output

if TYPE_CHECKING:
    from orchestrator.maintenance.findings import Diagnosis


def doctor(
    *,
    fix: Annotated[
        bool, typer.Option("--fix", help="Repair what can be: MLflow is made to show the ledger.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Check the ledger, MLflow against it, disks, versions and cluster; exit 1 if one is ill.

    Without --fix nothing is written.

    Example: orchestrator doctor

    Example: orchestrator doctor --fix
    """
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    with output.stdout_for_report_only(when=as_json):
        diagnosis = Experiment.from_file(config).doctor(fix=fix)
    if as_json:
        output.as_json({"healthy": diagnosis.healthy, **asdict(diagnosis)})
    else:
        _show(diagnosis)
    if not diagnosis.healthy:
        raise typer.Exit(1)


def _show(diagnosis: "Diagnosis") -> None:
    if not diagnosis.findings and not diagnosis.repaired:
        output.report("all is well: ledger, MLflow, disks, versions, cluster")
        return
    rows = [(each.check, "repaired", each.problem, "") for each in diagnosis.repaired]
    rows += [(each.check, each.level, each.problem, each.cure) for each in diagnosis.findings]
    output.table(("check", "state", "problem", "cure"), rows)
