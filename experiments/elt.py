r"""A flow that loads any number of files of a folder into one DuckDB table.

    mkdir -p build/orders
    printf 'Order No,Amount\n1,9.5\n2,3\n' > build/orders/monday.csv
    printf 'Order No,Amount\n3,7\n3,7\n' > build/orders/tuesday.csv
    orchestrator run experiments/elt.py -p folder=build/orders -p out=build/orders.duckdb --cluster

shows `[load] build/orders.duckdb: 3 rows of 2 files`. Add a file, or change one, and
run it again: only that file is transformed. A file that cannot be read fails alone, and the table
is left unchanged until the file is fixed.

Rows never pass through the driver: workers write Parquet parts beside the table, and only the
paths of the parts are sent. With a cluster of several machines, the folder and the table must be
on storage that all machines can reach.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from orchestrator import flow, task
from orchestrator.identity import digest, slug

_SUFFIXES = frozenset({".csv", ".parquet"})


@task(runs_on="driver")
def list_files(folder: str) -> list[dict[str, str | int]]:
    """List the current files; `id` names an instance, and a new time or size makes it rerun."""
    found = [path for path in sorted(Path(folder).iterdir()) if path.suffix in _SUFFIXES]
    return [
        {
            "id": path.name,
            "path": str(path.resolve()),
            "modified": path.stat().st_mtime_ns,
            "bytes": path.stat().st_size,
        }
        for path in found
    ]


@task(retries=1, cache="runs")  # skips files that an earlier run saw with the same time and size
def transform(file: Mapping[str, str | int], parts: str) -> dict[str, str | int]:
    """Clean one file, write it as a Parquet part, and return the part's path and row count."""
    source = Path(str(file["path"]))
    frame = pd.read_csv(source) if source.suffix == ".csv" else pd.read_parquet(source)
    frame.columns = [_snake_case(str(column)) for column in frame.columns]
    frame = frame.drop_duplicates().assign(source_file=source.name)
    # The name contains the file's version, so that a recorded path always holds the same rows.
    part = Path(parts, f"{slug(source.name)}-{digest(dict(file))[:12]}.parquet")
    part.parent.mkdir(parents=True, exist_ok=True)
    unfinished = part.with_suffix(".unfinished")
    frame.to_parquet(unfinished, index=False)
    unfinished.replace(part)  # atomic: no reader ever sees half a part
    return {"path": str(part), "rows": len(frame)}


@task
def load(parts: Sequence[Mapping[str, str | int]], out: str) -> None:
    """Replace the table's content with the rows of all parts, in one transaction."""
    paths = [str(part["path"]) for part in parts]
    gone = next((path for path in paths if not Path(path).exists()), None)
    if gone is not None:
        raise FileNotFoundError(f"the part {gone} is gone: make all parts again with --fresh")
    with duckdb.connect(out) as database:
        rows = database.read_parquet(paths, union_by_name=True)
        database.register("parts", rows)
        database.execute("CREATE OR REPLACE TABLE loaded AS SELECT * FROM parts")
    print(f"{out}: {sum(int(part['rows']) for part in parts)} rows of {len(paths)} files")


@flow
def elt(folder: str, out: str) -> None:
    """Extract and transform file by file, then load once."""
    load(transform.partial(parts=f"{out}.parts").expand(file=list_files(folder)), out)


def _snake_case(name: str) -> str:
    return re.sub(r"\W+", "_", name.strip()).lower()
