"""What a mapped instance costs on two Dask workers with the ledger on SQLite, beside client.map.

    python -m bench mapping

A flow adds two numbers: as many instances as the product of two ranges. The time of a flow run is
wall time of `Flow.run`, recording in the ledger included, the median of some rounds; the cluster
is started before. Memory is
the peak of a driver process that runs a million instances and nothing else.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from distributed import Client, LocalCluster

from bench._turns import Figures
from orchestrator.ledger import Ledger
from orchestrator.mapping import flow, task

ITEMS = 100_000
MANY_ITEMS = 1_000_000
INLINE_ITEMS = 10_000
RAW_ITEMS = 5_000
ROUNDS = 3
ROWS = 1_000


@task
def add(x: int, y: int) -> int:
    return x + y


@flow(max_map_length=10**9)
def additions(columns: int, rows: int = ROWS):
    return add.expand(x=range(columns), y=range(rows))


def measure(*, quick: bool = False) -> Figures:
    """Milliseconds an instance at 100,000 and a million, raw `client.map`, memory, first item.

    Args:
        quick: One round, and not the million.
    """
    with _cluster() as client:
        each = statistics.median(
            _milliseconds(client, ITEMS) for _ in range(1 if quick else ROUNDS)
        )
        figures: Figures = {
            "mapping.ms_per_item": each,
            "mapping.ms_per_item.client_map": _raw_milliseconds(client),
            "mapping.first_item_s": _first_item_seconds(client),
            "mapping.inline_ms": _inline_milliseconds(recorded=False),
            "mapping.inline_ledger_ms": _inline_milliseconds(recorded=True),
        }
    if quick:
        return figures
    program = [sys.executable, "-m", "bench.mapping"]  # a million
    done = subprocess.run(program, check=True, capture_output=True, text=True)
    million = json.loads(done.stdout)
    slower = million["mapping.ms_per_item.million"] / each
    return {**figures, **million, "mapping.million_against_100000": slower}


def _million() -> dict[str, float]:
    """In a process of its own, whose memory is then that of one flow run."""
    with _cluster() as client:
        each = _milliseconds(client, MANY_ITEMS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"mapping.ms_per_item.million": each, "mapping.peak_mb": peak}


def _milliseconds(client: Client, items: int) -> float:
    additions.run(params={"columns": 1, "rows": 10}, client=client)  # imports, connections
    with _ledger() as ledger:
        began = time.perf_counter()
        run = additions.run(
            params={"columns": items // ROWS}, client=client, ledger=ledger.recorder()
        )
        seconds = time.perf_counter() - began
    assert run.counts == {"success": items}
    return seconds / items * 1000


def _inline_milliseconds(*, recorded: bool) -> float:
    """Processor time of an instance in this process; the median, as other programs disturb it."""
    additions.run(params={"columns": 1, "rows": 10})
    return statistics.median(_inline_once(recorded=recorded) for _ in range(ROUNDS))


def _inline_once(*, recorded: bool) -> float:
    with _ledger() as ledger:
        began = time.process_time()
        recorder = ledger.recorder() if recorded else None
        additions.run(params={"columns": INLINE_ITEMS // ROWS}, ledger=recorder)
        return (time.process_time() - began) / INLINE_ITEMS * 1000


def _raw_milliseconds(client: Client) -> float:
    numbers = range(RAW_ITEMS)
    began = time.perf_counter()
    client.gather(client.map(add.function, numbers, numbers, pure=False))
    return (time.perf_counter() - began) / RAW_ITEMS * 1000


def _first_item_seconds(client: Client) -> float:
    """From the start of a flow of 10^9 instances to that of its first; then it is stopped."""
    began = time.time()
    with _ledger() as ledger:
        seen: list[int] = []
        run = additions.run(
            params={"columns": 1_000_000},
            client=client,
            ledger=ledger.recorder(),
            observer=lambda nodes: seen.extend(node.running for node in nodes),
            stop=lambda: any(seen),
        )
    firsts = (outcome.started for outcome in run["add"].items() if outcome.started is not None)
    return next(firsts) - began


@contextmanager
def _cluster() -> Iterator[Client]:
    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def _ledger() -> Iterator[Ledger]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Path(folder) / "ledger.db") as ledger,
    ):
        yield ledger


if __name__ == "__main__":
    print(json.dumps(_million()))
