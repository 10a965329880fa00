"""The command `report`: one HTML file about all customers, or about one.

Touches typer; takes a customer's id; writes a file; runs on the driver.
"""

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import Config
from orchestrator.cli.rendering import output
from orchestrator.errors import UsageError
from orchestrator.identity import slug


def report(
    customer: Annotated[
        str | None, typer.Argument(help="A customer's id; without one, all.", show_default=False)
    ] = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="The file to write; by default report.html or report-CUSTOMER.html here.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Write one HTML file with tables and charts; it can be viewed without a network.

    Example: orchestrator report

    Example: orchestrator report AA-LAX --out build/aa-lax.html
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger
    from orchestrator.reports.customer_page import customer_page
    from orchestrator.reports.overview_page import overview_page
    from orchestrator.reports.rendering import render

    named = out or Path("report.html" if customer is None else f"report-{slug(customer)}.html")
    file = named.absolute()  # before the command changes folders
    experiment = configured(config)
    with Ledger.find(experiment.ledger) as ledger:
        if customer is None:
            page = overview_page(ledger, experiment.name)
        else:
            page = customer_page(ledger, customer)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(render(page), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out {named} cannot be written: {error}") from error
    output.report(f"wrote {named} ({file.stat().st_size / 1e6:.1f} MB)")
