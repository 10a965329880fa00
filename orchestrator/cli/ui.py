"""The command that serves MLflow's web page.

Touches typer; opens the page, prints the links to its views, and waits for Ctrl-C.
"""

import threading
from contextlib import suppress
from typing import Annotated

import typer

from orchestrator.cli import output
from orchestrator.cli.options import Config

_PORT = 5000


def ui(
    config: Config = None,
    port: Annotated[int, typer.Option(help="On this machine's loopback address.")] = _PORT,
) -> None:
    """Serve MLflow's web page on this experiment, until Ctrl-C.

    Example: orchestrator ui --port 5001
    """
    from orchestrator.config import find, load  # late: the rest of the program
    from orchestrator.tracking.opening import open_tracker
    from orchestrator.tracking.ui import web_page
    from orchestrator.tracking.views import links, views

    experiment = load(find(config))
    tracker = open_tracker(experiment.tracking, experiment.name, experiment.artifacts)
    shown = views(experiment.evaluation, flow_run="")
    with web_page(experiment.tracking, artifact_root=tracker.artifact_root, port=port) as address:
        output.report(f"MLflow is served at {address} (Ctrl-C ends it)")
        for name, link in links(address, tracker.experiment_id, shown).items():
            output.report(f"  {name}: {link}")
        with suppress(KeyboardInterrupt):  # how it is meant to end
            threading.Event().wait()
