"""The metrics and lists that passed before, so that an unchanged run does not import scikit-learn.

Metrics, models and grids are checked against the estimators and scorers themselves, and importing
these takes seconds. The outcome follows from the settings, the lists, the code and the versions of
packages. A flow run keeps digests of all these in its record once they have passed; the next flow
run checks only what has a different digest. Refused metrics and lists leave no digest, since a flow
run does not start with them.

Touches no library itself; takes an `ExperimentSettings` and its ledger; gives digests; runs on the
driver.
"""

import sys
from collections.abc import Collection, Iterable, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from orchestrator.identity import digest
from orchestrator.ledger import Ledger
from orchestrator.project_code import files_hash, installed_versions, module_rests_on
from orchestrator.records import Customer, ExperimentRun, FlowRun, ModelSpec, Snapshot
from orchestrator.search import find_strategy
from orchestrator.settings import ExperimentSettings

_BENEATH = frozenset({"sklearn", "numpy", "scipy"})
"""Packages that every check depends on."""


class Clearance:
    """Knows which checks passed before and are still valid, because nothing they depend on changed.

    Args:
        experiment: The settings of the experiment, with its metrics and its search.
        known: The digests of the metrics and lists that have passed.
    """

    def __init__(self, experiment: ExperimentSettings, known: Collection[str] = ()) -> None:
        self._experiment = experiment
        self._known = frozenset(known)
        self._grounds: dict[frozenset[str], list[Any]] = {}

    @classmethod
    def of(cls, experiment: ExperimentSettings) -> "Clearance":
        """Return the clearance that the experiment's last flow run left in the ledger.

        Raises:
            UsageError: The ledger's address cannot be used.
            MachineryError: The ledger cannot be read.
        """
        with Ledger.look(experiment.ledger) as ledger:
            last = ledger.flow_runs.last_of(experiment.name)
        return cls(experiment) if last is None else cls.left_by(last, experiment)

    @classmethod
    def left_by(cls, flow_run: FlowRun, experiment: ExperimentSettings) -> "Clearance":
        """Return the clearance that a flow run of the experiment left; empty if it left none."""
        origin = flow_run.origin
        return cls(experiment, origin.cleared if isinstance(origin, ExperimentRun) else ())

    @property
    def known(self) -> tuple[str, ...]:
        """The digests of the metrics and lists that have passed, sorted."""
        return tuple(sorted(self._known))

    def covers_metrics(self) -> bool:
        """Return whether the configured metrics have passed."""
        return self._metrics in self._known

    def covers(self, models: Sequence[ModelSpec], customers: Sequence[Customer]) -> bool:
        """Return whether these models, and the grids of these customers, have passed."""
        return self._lists(models, customers) in self._known

    def digests(self, snapshot: Snapshot) -> tuple[str, ...]:
        """Return the digests that a flow run records once its metrics and lists have passed."""
        return self._metrics, self._lists(snapshot.models, snapshot.customers)

    @cached_property
    def _metrics(self) -> str:
        evaluation = self._experiment.evaluation
        # The loader is imported before anything is checked, and may change what can be found.
        loader = module_rests_on(_module(evaluation.loader)).files
        scorers = map(_module, evaluation.own_scorers.values())
        return digest("metrics", repr(evaluation), files_hash(loader), self._ground(scorers))

    def _lists(self, models: Sequence[ModelSpec], customers: Sequence[Customer]) -> str:
        search = self._experiment.search
        estimators = (_module(step.estimator) for model in models for step in model.steps)
        grids = sorted((each.id, repr(each.grids)) for each in customers if each.grids)
        return digest(
            *("lists", self._metrics, self._ground(estimators)),
            *(repr(search), find_strategy(search).traits.resource),
            sorted(map(repr, models)),
            grids,
        )

    def _ground(self, modules: Iterable[str]) -> list[Any]:
        """Return everything that checks of classes and functions in these modules depend on.

        It is found once, before the check: a file that is edited during the check is checked again
        by the next flow run.
        """
        named = frozenset(modules)
        if named not in self._grounds:
            self._grounds[named] = _code_and_versions(named)
        return self._grounds[named]


def _module(path: str) -> str:
    """Return the module in an import path `package.module:name`."""
    return path.partition(":")[0]


def _code_and_versions(modules: Collection[str]) -> list[Any]:
    """Return hashes of the code of these modules and of this program, and packages' versions."""
    rests = [module_rests_on(module) for module in sorted(modules)]
    files = frozenset[Path]().union(*(each.files for each in rests))
    versions = installed_versions(_BENEATH.union(*(each.packages for each in rests)))
    return [files_hash(files), versions, sys.version, _own_code()]


@cache
def _own_code() -> str:
    """Return a hash of this program's code, every module of which may take part in a check."""
    return files_hash(Path(__file__).parents[1].rglob("*.py"))
