"""The command `trials`: the trials of one customer, as a table, JSON or CSV.

Touches typer; takes a customer's id; prints; runs on the driver.
"""

import csv
import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from orchestrator.cli.options import Config, Json
from orchestrator.cli.rendering import output
from orchestrator.errors import UsageError
from orchestrator.escapes import csv_cell
from orchestrator.records import TrialState

_DIGITS = 4
_LATEST = 20


def trials(
    customer: Annotated[str, typer.Argument(help="A customer's id.")],
    *,
    model: Annotated[
        str | None, typer.Option("--model", help="Only this model's.", show_default=False)
    ] = None,
    best: Annotated[
        int | None,
        typer.Option(
            "--best",
            metavar="N",
            min=1,
            help="The N best by the metric the customer was last compared by, best first.",
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        TrialState | None, typer.Option("--state", help="Only in this state.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            help=f"Show at most so many of the latest; {_LATEST} by default, all with --json and "
            "--csv.",
            show_default=False,
        ),
    ] = None,
    config: Config = None,
    as_json: Json = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV on stdout, a column a parameter and a metric.")
    ] = False,
) -> None:
    """List a customer's trials, latest first, or the best of all flow runs.

    Example: orchestrator trials AA-LAX --best 10

    Example: orchestrator trials AA-LAX --model forest --csv > trials.csv
    """
    from orchestrator.api.experiment import Experiment  # late: the rest of the program

    if as_json and as_csv:
        raise UsageError("--json or --csv: give one of the two")
    if best is not None and limit is not None:
        raise UsageError("--best N says how many there are to be: leave out --limit")
    most = limit or (None if best is not None or as_json or as_csv else _LATEST)
    found = Experiment.from_file(config).trials(
        customer, model=model, best=best, state=state, limit=most
    )
    rows = [{**row, "started": output.moment(row["started"])} for row in found.rows()]
    if as_json:
        output.as_json(rows)
    elif as_csv:
        _print_csv(rows)
    else:
        _show(rows)
        if best is None and len(rows) == (limit or _LATEST):
            output.say(f"the last {len(rows):,}; see more with --limit")


def _show(rows: Sequence[dict[str, Any]]) -> None:
    from orchestrator.reports.formatting import in_short  # late: the rest of the program

    if not rows:
        output.report("no such trials; `orchestrator history CUSTOMER` tells what there was")
        return
    metrics = _names(row["scores"] for row in rows)
    table = [
        (
            row["trial"],
            f"{row['state']}, serves" if row["serves"] else row["state"],
            *(_rounded(row["scores"].get(metric)) for metric in metrics),
            output.duration(row["fit_seconds"]),
            in_short(row["params"]),
            row["flow_run"],
            row["error"],
        )
        for row in rows
    ]
    output.table(("trial", "state", *metrics, "fits", "params", "flow run", "error"), table)


def _print_csv(found: Sequence[dict[str, Any]]) -> None:
    """Print one line per trial; parameters are columns `params.NAME`, metrics `scores.NAME`."""
    rows = [_flat(row) for row in found]
    writer = csv.DictWriter(sys.stdout, _names(rows), lineterminator="\n")
    writer.writerow({name: csv_cell(name) for name in writer.fieldnames})
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    del row["folds"]
    params, scores = row.pop("params"), row.pop("scores")
    return {
        **row,
        **{f"params.{name}": _cell(value) for name, value in params.items()},
        **{f"scores.{name}": value for name, value in scores.items()},
    }


def _names(rows: Any) -> list[str]:
    """Return every key of these mappings once, in the order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def _cell(value: Any) -> Any:
    """Return a text unchanged, anything else as JSON, so that `null` differs from an empty cell."""
    return value if isinstance(value, str) else json.dumps(value)


def _rounded(score: float | None) -> str:
    return "" if score is None else f"{score:.{_DIGITS}f}"
