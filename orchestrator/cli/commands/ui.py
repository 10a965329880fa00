"""The command `ui`: serve MLflow's web page.

Touches typer; opens the page, prints the links to its views, and waits for Ctrl-C.
"""

import signal
from contextlib import suppress
from typing import Annotated

import typer

from orchestrator.cli.options import Config
from orchestrator.cli.rendering import output
from orchestrator.mlflow.views import UI_PORT, links, views


def ui(
    config: Config = None,
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="The port on this machine's loopback address.")
    ] = UI_PORT,
) -> None:
    """Serve MLflow's web page on this experiment, until Ctrl-C.

    Example: orchestrator ui --port 5001
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.mlflow.runs.opening import open_tracker
    from orchestrator.mlflow.ui import require_database, web_page

    experiment = configured(config)
    require_database(experiment.tracking)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends the page like Ctrl-C
    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    shown = views(experiment.evaluation, flow_run="")
    with (
        suppress(KeyboardInterrupt),  # the normal end
        web_page(experiment.tracking, artifact_root=tracker.artifact_root, port=port) as page,
    ):
        output.report(f"MLflow runs at {page.address} (Ctrl-C stops it)")
        for name, link in links(page.address, tracker.experiment_id, shown).items():
            output.report(f"  {name}: {link}")
        page.wait()
