"""Commands about the configuration itself: config schema, config docs.

Touches typer; each command prints the keys that the room `config` defines; driver.
"""

import typer

from orchestrator.cli.rendering import output

config_app = typer.Typer(help="The keys of the configuration.", no_args_is_help=True)


@config_app.command("schema")
def show_schema() -> None:
    """Print the JSON Schema of the configuration, by which editors check and complete a file.

    Example: orchestrator config schema > configuration.schema.json
    """
    from orchestrator.config.schema import schema  # late: the rest of the program

    output.as_json(schema())


@config_app.command("docs")
def show_docs() -> None:
    """Print a page in Markdown with every key of the configuration: type, default, example.

    Example: orchestrator config docs > configuration.md
    """
    from orchestrator.config.reference import reference  # late: the rest of the program

    output.report(reference().rstrip("\n"))
