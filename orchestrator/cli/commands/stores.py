"""The command `adopt-store`: make this ledger the owner of MLflow and the artifact root.

Touches typer; takes arguments; prints what was adopted; driver.
"""

from dataclasses import asdict

from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output


def adopt_store(*, config: Config = None, as_json: Json = False) -> None:
    """Make a copied project independent, or make a new ledger the owner of MLflow's content.

    A copy gets its own identity and uses its own files from then on; the original is unchanged.
    A new ledger that replaces a lost one continues MLflow's experiment.

    Example: orchestrator adopt-store
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.maintenance.adoption import adopt_store as adopt

    with output.stdout_for_report_only(when=as_json):
        adopted = adopt(configured(config))
    if as_json:
        output.as_json(asdict(adopted))
        return
    output.report(f"adopted: {adopted.why}")
    if adopted.copied:
        output.report(f"{adopted.copied} model folders were copied from the original")
