"""The public API as type checkers see it: mypy checks this file, and nothing runs it.

`tests/api/test_typing.py` has mypy check it strictly. A line that must be refused says so by
`type: ignore[...]`, which mypy reports where it is not needed.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import pandas as pd

import orchestrator
from orchestrator import (
    Customer,
    CustomerTrials,
    Data,
    Diagnosis,
    Experiment,
    Flow,
    Ledger,
    Life,
    Listing,
    NodeProgress,
    Plan,
    Report,
    Run,
    Sent,
    Source,
    Status,
    Task,
    Why,
    flow,
    task,
)


@task
def add(x: int, y: int) -> int:
    return x + y


@task(retries=2, timeout=10.0)
def total(numbers: Sequence[int]) -> int:
    return sum(numbers)


@flow
def sums(n: int) -> None:
    total(add.expand(x=[1, 2], y=[n]))
    total(add(1, n))
    add("one", 2)  # type: ignore[arg-type]
    add(1)  # type: ignore[call-arg]


@task(retry=2)  # type: ignore[call-overload, untyped-decorator]
def misspelt() -> None: ...


def loader(customer: Customer) -> Data:
    return Data(X=pd.DataFrame(), y=[customer.id])


class Lists:
    description = "lists"

    def read(self, kind: str) -> Listing:
        return Listing(rows=[{"id": kind}])


def observe(nodes: Sequence[NodeProgress]) -> None:
    assert_type(nodes[0].name, str)


def program(folder: Path) -> None:
    source: Source = Lists()
    assert_type(source.description, str)
    plain: Task[..., int] = add
    assert_type(plain.function(1, 2), int)
    assert_type(sums, Flow)
    with Ledger.open(folder / "ledger.db") as ledger:
        assert_type(sums.run(params={"n": 1}, ledger=ledger, observer=observe), Run)
    experiment = Experiment.from_file(folder / "orchestrator.yaml")
    assert_type(experiment.plan(accept=["max_removed"]), Plan)
    assert_type(experiment.run(fresh=True, observer=observe, stop=lambda: False), Report)
    assert_type(experiment.status(), Status)
    assert_type(experiment.history("acme"), Life)
    assert_type(experiment.why("acme"), Why)
    assert_type(experiment.trials("acme", best=3), CustomerTrials)
    assert_type(experiment.sync(), Sent)
    assert_type(experiment.doctor(fix=True), Diagnosis)
    assert_type(experiment.plan().to_pandas(), pd.DataFrame)
    assert_type(orchestrator.__version__, str)
    experiment.run(observer=3)  # type: ignore[arg-type]
