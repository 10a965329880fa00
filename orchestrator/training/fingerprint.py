"""What a study's results follow from, part by part, and as one hash (law 4).

    data         the customer's row and the version of its data
    params       the model's steps and fixed parameters, and the rows it asks for
    grid         what is searched
    folds        folds, metrics, seed: how candidates are compared
    search       the strategy and its settings, and what it is told besides the metric
    code         loader, own scorers and own estimators with every module of the project that they
                 import, this package's code of searching and scoring, the task
    environment  the versions of the packages that the model's classes come from

Studies with an equal hash need not be run twice. The parts are kept beside the results, so that
a plan can say why a study is run again. The environment is no part of the hash unless that is
asked for: a new version of a library is worth a warning, seldom the training of everything.

Touches no library, and neither loads data nor imports scikit-learn; takes and gives `Study`; runs
on the driver.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from orchestrator.identity import digest
from orchestrator.project_code import (
    Rests,
    files_hash,
    installed_versions,
    module_rests_on,
    rests_on,
)
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Step, Study, grid_content
from orchestrator.training.data import Loader
from orchestrator.training.imports import find_function

PARTS = ("data", "params", "grid", "folds", "search", "code", "environment")

_PART_LENGTH = 16
"""Hex digits of a part, which is compared with one other and never looked up."""


class Fingerprints:
    """Gives the studies of one experiment their parts and their hash.

    Args:
        evaluation: How candidates are compared.
        search: How they are chosen.
        loader: What loads customers' data.
        task: A hash of the code of the task that runs a study.
        goals: What the strategy is told besides the metric that selects.
        with_environment: Whether a changed library version makes another hash.

    Raises:
        ConfigError: An own scorer is not to be found.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        search: Search,
        loader: Loader,
        *,
        task: str = "",
        goals: Sequence[str] = (),
        with_environment: bool = False,
    ) -> None:
        self._shared = {
            "folds": _way_of_comparing(evaluation),
            "search": _part(_way_of_searching(search), list(goals)),
        }
        self._code = _code(evaluation, loader, task)
        self._hashed = PARTS if with_environment else PARTS[:-1]
        self._models: dict[int, tuple[ModelSpec, Mapping[str, str]]] = {}

    def of(self, study: Study, data: str) -> Study:
        """The study with its parts, and its hash where the version of its data is known.

        Args:
            study: Of this experiment.
            data: What `data_part` gives for its customer and the version of the data.
        """
        of_model = self._parts_of_model(study.model)
        parts = {"data": data, **of_model, **self._shared}
        if study.model.id in study.customer.grids:
            parts["grid"] = _part(grid_content(study.grid))
        name = digest(study.seed_name, [parts[part] for part in self._hashed])
        return replace(study, follows_from=parts, fingerprint=name if study.data_version else "")

    def code_of(self, model: ModelSpec) -> str:
        """Return the part that is the project's code: for comparing, and for this model."""
        own = _own_estimators(model)
        return _part(self._code, files_hash(own)) if own else self._code

    def _parts_of_model(self, model: ModelSpec) -> Mapping[str, str]:
        """The parts that are the model's, remembered by object: thousands of customers share it."""
        known = self._models.get(id(model))
        if known is None:
            steps = [[step.name, step.estimator] for step in model.steps]
            parts = {
                "params": _part(steps, dict(model.params), model.when.min_rows),
                "grid": _part(grid_content(model.grid)),
                "code": self.code_of(model),
                "environment": environment(model),
            }
            known = self._models[id(model)] = (model, parts)
        return known[1]


def data_part(customer: Customer, data_version: str) -> str:
    """The part that is the customer's."""
    return _part(customer.id, customer.data, customer.segment, list(customer.tags), data_version)


def environment(model: ModelSpec) -> str:
    """The packages of the model's classes, whose versions may change scores, and the versions."""
    return ", ".join(f"{name} {found}" for name, found in versions_of([model]).items())


def versions_of(models: Iterable[ModelSpec]) -> Mapping[str, str]:
    """The versions of the packages that the models' classes come from, by package."""
    steps = [step for model in models for step in model.steps]
    return installed_versions({"sklearn"}.union(*(_rests_on(step).packages for step in steps)))


def _own_estimators(model: ModelSpec) -> frozenset[Path]:
    """The project's files that the model's estimators rest on; none for installed ones."""
    return frozenset().union(*(_rests_on(step).files for step in model.steps))


def _rests_on(step: Step) -> Rests:
    return module_rests_on(step.estimator.partition(":")[0])


def _way_of_comparing(evaluation: Evaluation) -> str:
    return _part(
        evaluation.folds,
        list(evaluation.metrics),
        evaluation.metric,
        evaluation.direction,
        evaluation.seed,
        evaluation.task,
        dict(evaluation.own_scorers),
    )


def _way_of_searching(search: Search) -> str:
    """What decides which trials there are; not where they run."""
    limits = (search.max_parallel, search.timeout, search.seconds, search.reproducible)
    return _part(search.strategy, dict(search.settings), *limits)


def _code(evaluation: Evaluation, loader: Loader, task: str) -> str:
    scorers = [_code_at(path) for _, path in sorted(evaluation.own_scorers.items())]
    code = _code_of(loader.path, loader.load)
    return _part(loader.path, code, scorers, _own_code(), task)


def _part(*content: Any) -> str:
    return digest(*content)[:_PART_LENGTH]


def _code_at(path: str) -> str:
    """The code of a scorer; of one that scikit-learn's `make_scorer` made, of its function."""
    found = find_function(path, what="scorer", key="evaluation.metrics")
    return _code_of(path, getattr(found, "_score_func", found))


def _code_of(path: str, found: Any) -> str:
    """The code of what can be called at an import path.

    It may be defined in another module than the one at the path, which may give it values: an
    object's or a partial's. So both count.
    """
    module = module_rests_on(path.partition(":")[0])
    return files_hash(rests_on(found).files | module.files)


@cache
def _own_code() -> str:
    """A hash of the code of search and training, but for what only draws trials."""
    here = Path(__file__).parent
    files = [*here.glob("*.py"), *here.with_name("search").glob("*.py")]
    files.remove(here.with_name("search") / "plots.py")
    return files_hash(files)
