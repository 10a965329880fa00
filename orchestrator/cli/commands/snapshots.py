"""Commands about snapshots of the registry: snapshot list, snapshot show, snapshot diff.

Touches typer; each command reads the ledger and prints; driver.
"""

from dataclasses import asdict
from typing import Annotated

import typer

from orchestrator.cli.commands.registry import show_snapshot
from orchestrator.cli.options import Config, Json, Limit
from orchestrator.cli.rendering import output
from orchestrator.cli.rendering.differences import show_changes

snapshot_app = typer.Typer(help="Snapshots of the registry's lists.", no_args_is_help=True)

_ID = typer.Argument(help="A snapshot's id, or an unambiguous beginning of it.")


@snapshot_app.command("list")
def list_fetches(*, config: Config = None, limit: Limit = 20, as_json: Json = False) -> None:
    """List the snapshots that runs fetched from the registry, latest first.

    Example: orchestrator snapshot list --limit 5
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger

    with Ledger.find(configured(config).ledger) as ledger:
        found = ledger.snapshots.list(limit)
    if as_json:
        output.as_json([asdict(fetch) for fetch in found])
        return
    columns = ("at", "snapshot", "models", "customers", "set aside", "etag", "source")
    output.table(
        columns,
        [
            (
                output.moment(fetch.at),
                fetch.snapshot[:12],
                fetch.models,
                fetch.customers,
                fetch.rejected,
                fetch.etag,
                fetch.source,
            )
            for fetch in found
        ],
    )


@snapshot_app.command("show")
def show(snapshot: Annotated[str, _ID], *, config: Config = None, as_json: Json = False) -> None:
    """Print the models and customers of a snapshot.

    Example: orchestrator snapshot show 3f2a
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger

    with Ledger.find(configured(config).ledger) as ledger:
        found = ledger.snapshots.get(snapshot)
    if as_json:
        output.as_json(asdict(found))
    else:
        show_snapshot(found)


@snapshot_app.command("diff")
def diff(
    before: Annotated[str, _ID],
    after: Annotated[str, _ID],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print the differences between two snapshots, field by field.

    Example: orchestrator snapshot diff 3f2a 9c01
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.ledger import Ledger, compare

    with Ledger.find(configured(config).ledger) as ledger:
        changes = compare(ledger.snapshots.get(before), ledger.snapshots.get(after))
    if as_json:
        output.as_json(asdict(changes))
    else:
        show_changes(changes)
