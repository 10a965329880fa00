"""Commands about the lists of models and customers: registry import, registry show.

Touches typer; each command opens its sources and prints; driver.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output
from orchestrator.cli.rendering.differences import show_set_aside
from orchestrator.errors import ConfigError
from orchestrator.records import Customer, ModelSpec, Snapshot, grid_content

registry_app = typer.Typer(help="The lists of models and customers.", no_args_is_help=True)


@registry_app.command("import")
def import_file(
    file: Annotated[str, typer.Argument(help="YAML, JSON, CSV or Parquet with both lists.")],
    *,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Replace the lists of the configured SQL registry by those of a file.

    A file with a wrong row is refused as a whole; skipping the row would remove its customer.

    Example: orchestrator registry import configs/registry/flights.yaml
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.estimators import Estimators
    from orchestrator.registry.importing import import_rows
    from orchestrator.registry.snapshots import fetch
    from orchestrator.registry.sources import open_source

    file = file if ":" in file else str(Path(file).absolute())  # before the command changes folders
    experiment = configured(config)
    url = _sql_url(experiment.registry, experiment.config)
    source = open_source("file", {"path": file})
    # An empty list is refused below: `--accept` is for runs.
    lists = fetch(
        source,
        estimators=Estimators(experiment.evaluation.allowed),
        addresses=experiment.addresses,
        accept=["empty"],
    )
    _require_usable(lists, file)
    imported = import_rows(url, lists.models, lists.customers)
    if as_json:
        output.as_json([asdict(part) for part in imported])
        return
    for part in imported:
        output.report(
            f"{part.kind}: {len(part.added)} added, {len(part.changed)} changed, "
            f"{len(part.removed)} removed, {part.unchanged} unchanged"
        )


@registry_app.command("show")
def show_lists(*, config: Config = None, as_json: Json = False) -> None:
    """Fetch both lists and print them.

    Example: orchestrator registry show --json
    """
    from orchestrator.cli.settings import configured  # late: the rest of the program
    from orchestrator.pipeline.preparation import fetch_snapshot

    snapshot = fetch_snapshot(configured(config), accept=["empty"])
    if as_json:
        output.as_json(asdict(snapshot))
    else:
        show_snapshot(snapshot)


def show_snapshot(snapshot: Snapshot) -> None:
    """Print both lists as tables, and the rejected rows."""
    output.report(f"{snapshot.source}, snapshot {snapshot.id}")
    models = [_model_row(model) for model in snapshot.models]
    output.table(("model", "estimators", "fixed", "grid", "cost", "when"), models)
    output.report()
    customers = [_customer_row(customer) for customer in snapshot.customers]
    output.table(("customer", "data", "segment", "tags", "state", "own grids"), customers)
    show_set_aside(snapshot.rejected)


def _model_row(model: ModelSpec) -> tuple[str, ...]:
    rows = [f"rows >= {model.when.min_rows}"] if model.when.min_rows else []
    return (
        model.id,
        " > ".join(step.estimator.partition(":")[2] for step in model.steps),
        _short(dict(model.params)),
        _short(grid_content(model.grid)),
        f"{model.cost:g}",
        ", ".join([*model.when.tags, *rows]),
    )


def _customer_row(customer: Customer) -> tuple[str, ...]:
    return (
        customer.id,
        _short(customer.data),
        customer.segment,
        ", ".join(customer.tags),
        "active" if customer.active else "paused",
        ", ".join(customer.grids),
    )


def _sql_url(registry: Any, file: str | None) -> str:
    if registry.get("source") != "sql" or not isinstance(registry.get("url"), str):
        raise ConfigError(
            "only a registry with `source: sql` can be imported into; others are edited where "
            "they are",
            file=file,
            key="registry",
        )
    for kind in ("models", "customers"):
        if registry.get(kind, kind) != kind:
            problem = (
                f"this registry reads {registry[kind]!r}, but import writes the table {kind!r} "
                f"alone: leave out `{kind}`, or change that table where it is made"
            )
            raise ConfigError(problem, file=file, key=f"registry.{kind}")
    return str(registry["url"])


def _require_usable(lists: Snapshot, file: str) -> None:
    """Refuse an import that would empty a list or remove the customers of wrong rows."""
    for kind, listed in (("models", lists.models), ("customers", lists.customers)):
        if not listed:
            raise ConfigError(f"nothing was imported: the file has no {kind}", file=file)
    wrong = [
        f"  customers[{row.row}]{f' ({row.id})' if row.id else ''}: {row.reason}"
        for row in lists.rejected
    ]
    if wrong:
        problem = f"nothing was imported: {len(wrong)} rows are wrong:\n" + "\n".join(wrong)
        raise ConfigError(problem, file=file)


def _short(value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        return _short(value[0])
    if isinstance(value, dict):
        return ", ".join(f"{name}: {part}" for name, part in value.items())
    return "" if value in (None, []) else str(value)
