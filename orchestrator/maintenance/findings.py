"""What is not as it should be: the doctor's words.

Touches no library; pure; runs on the driver.
"""

from dataclasses import asdict, dataclass
from typing import Literal

from orchestrator.tabular import TableView, Tabular

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        check: What was looked at: `ledger`, `stores`, `MLflow`, `disk`, `versions` or `cluster`.
        problem: What is wrong, naming whom it concerns.
        cure: What to do about it.
        level: A `warning` may be meant, or harmless for now; an `error` is neither.
        repairable: Whether `orchestrator doctor --fix` is the cure.
    """

    check: str
    problem: str
    cure: str
    level: Level = "error"
    repairable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis(Tabular):
    """What the doctor found.

    Attributes:
        findings: What is wrong now.
        repaired: What was wrong, and no longer is.
    """

    findings: tuple[Finding, ...]
    repaired: tuple[Finding, ...] = ()

    @property
    def healthy(self) -> bool:
        """Whether there are no errors."""
        return all(finding.level == "warning" for finding in self.findings)

    def tables(self) -> tuple[TableView, ...]:
        """Return what was repaired and what is wrong, in one table."""
        rows = [{**asdict(each), "state": "repaired"} for each in self.repaired]
        rows += [{**asdict(each), "state": each.level} for each in self.findings]
        columns = ("check", "state", "problem", "cure")
        rows = [{name: row[name] for name in columns} for row in rows]
        return (TableView(title="" if rows else "all is well", rows=rows, columns=columns),)
