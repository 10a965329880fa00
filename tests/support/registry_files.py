"""Lists of a registry as strangers keep them: CSV, Parquet and tables with every column a text."""

import csv
from pathlib import Path

import pyarrow as pa
import sqlalchemy
from pyarrow import parquet

from orchestrator.testing.sources import as_text, columns

Rows = list[dict[str, object]]


def write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, columns(rows))
        writer.writeheader()
        writer.writerows(map(as_text, rows))


def write_parquet(path: Path, rows: Rows) -> None:
    texts = [{name: as_text(row).get(name) for name in columns(rows)} for row in rows]
    schema = pa.schema([(name, pa.string()) for name in columns(rows)])
    parquet.write_table(pa.Table.from_pylist(texts, schema), path)


def write_table(url: str, name: str, rows: Rows) -> None:
    """A table of a stranger's making: every column text."""
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    names = columns(rows)
    table = sqlalchemy.Table(
        name, sqlalchemy.MetaData(), *(sqlalchemy.Column(c, sqlalchemy.Text) for c in names)
    )
    with engine.begin() as connection:
        table.create(connection)
        if rows:
            texts = [{c: as_text(row).get(c) for c in names} for row in rows]
            connection.execute(table.insert(), texts)
    engine.dispose()
