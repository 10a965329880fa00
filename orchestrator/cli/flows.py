"""The command `run`: a flow of a file, or the configured experiment.

Touches typer; takes arguments; runs a flow; driver.
"""

from typing import Annotated

import typer

from orchestrator.cli.options import Accept, Config, Fresh, Json, OnCluster, Param


def run(
    file: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE.py[:flow]",
            help="The file that defines the flow, and which one if it defines several.",
            show_default=False,
        ),
    ] = None,
    *,
    param: Param = None,
    on_cluster: OnCluster = False,
    fresh: Fresh = False,
    accept: Accept = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run a flow from a file, or without one the configured experiment.

    What earlier runs have recorded is not computed again; --fresh computes all of it.

    Example: orchestrator run

    Example: orchestrator run experiments/sample_repeated_mapping.py
    """
    # Both bring what --help need not wait for.
    if file is not None:
        from orchestrator.cli.running import run_file

        if accept:
            raise typer.BadParameter("--accept is for the configured experiment, not for a FILE")
        code = run_file(
            file, param or [], config=config, on_cluster=on_cluster, fresh=fresh, as_json=json
        )
    else:
        from orchestrator.cli.training import run_experiment

        if param or on_cluster:
            raise typer.BadParameter("--param and --cluster are for the flow of a FILE")
        code = run_experiment(config, as_json=json, fresh=fresh, accept=accept or [])
    raise typer.Exit(code)
