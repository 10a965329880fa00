"""The records of the doctor: findings and diagnosis.

Touches no library; pure; runs on the driver.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from orchestrator.tabular import TableView, Tabular

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One problem.

    Attributes:
        check: The subject: `ledger`, `stores`, `MLflow`, `disk`, `versions` or `cluster`.
        problem: A sentence about the problem that names the affected customer, file or package.
        cure: The action that solves it.
        level: A `warning` may be intended, or harmless for now; an `error` is neither.
        repairable: Whether `orchestrator doctor --fix` is the cure.
    """

    check: str
    problem: str
    cure: str
    level: Level = "error"
    repairable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Tabular):
    """The result of the doctor's checks.

    Attributes:
        findings: The current problems.
        repaired: The problems that were repaired.
    """

    findings: tuple[Finding, ...]
    repaired: tuple[Finding, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there are no errors."""
        return all(finding.level == "warning" for finding in self.findings)

    def tables(self) -> tuple[TableView, ...]:
        """Return repaired and current problems, in one table."""
        rows = [{**asdict(each), "state": "repaired"} for each in self.repaired]
        rows += [{**asdict(each), "state": each.level} for each in self.findings]
        columns = ("check", "state", "problem", "cure")
        rows = [{name: row[name] for name in columns} for row in rows]
        return (TableView(title="" if rows else "all is well", rows=rows, columns=columns),)
