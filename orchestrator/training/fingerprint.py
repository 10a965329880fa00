"""The inputs that a study's results depend on, part by part and as one hash (law 4).

    data         the customer's row and the version of its data
    params       the model's steps and fixed parameters, and the number of rows it requires
    grid         the searched parameters and their values
    folds        the comparison of candidates: folds, metrics, seed
    search       the strategy and its settings, and the goals it receives besides the metric
    code         the loader, the project's scorers and estimators with every module of the project
                 that they import, this package's code of searching and scoring, the task
    environment  the versions of the packages that the model's classes come from

Studies with an equal hash need not be run twice. The parts are stored beside the results, so that
a plan can say why a study is run again. The hash leaves the environment out unless the
configuration asks for it: a new version of a library deserves a warning, but seldom justifies
training everything again.

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
"""The hex digits of a part; few suffice, because a part is compared with one other part only."""


class Fingerprints:
    """The parts and hashes of the studies of one experiment.

    Args:
        evaluation: The folds, metrics and seed that candidates are compared by.
        search: The strategy that chooses candidates, and its settings.
        loader: The loader of customers' data.
        task: A hash of the code of the task that runs a study.
        goals: The objectives and constraints that the strategy receives besides the metric.
        with_environment: Whether a changed library version changes the hash.

    Raises:
        ConfigError: One of the project's scorers cannot be found.
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
        """Return the study with its parts, and with its hash if the data's version is known.

        Args:
            study: A study of this experiment.
            data: The result of `data_part` for the study's customer and the data's version.
        """
        of_model = self._parts_of_model(study.model)
        parts = {"data": data, **of_model, **self._shared}
        if study.model.id in study.customer.grids:
            parts["grid"] = _part(grid_content(study.grid))
        name = digest(study.seed_name, [parts[part] for part in self._hashed])
        return replace(study, follows_from=parts, fingerprint=name if study.data_version else "")

    def code_of(self, model: ModelSpec) -> str:
        """Return the part `code`: the code that all models share, and this model's estimators."""
        own = _own_estimators(model)
        return _part(self._code, files_hash(own)) if own else self._code

    def _parts_of_model(self, model: ModelSpec) -> Mapping[str, str]:
        """The parts of a model, cached by its id, because thousands of customers share it."""
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
    """Return the part `data` of a customer."""
    return _part(customer.id, customer.data, customer.segment, list(customer.tags), data_version)


def environment(model: ModelSpec) -> str:
    """Return the packages of the model's classes with their versions, which may change scores."""
    return ", ".join(f"{name} {found}" for name, found in versions_of([model]).items())


def versions_of(models: Iterable[ModelSpec]) -> Mapping[str, str]:
    """Return the versions of the packages that the models' classes come from, by package."""
    steps = [step for model in models for step in model.steps]
    return installed_versions({"sklearn"}.union(*(_rests_on(step).packages for step in steps)))


def _own_estimators(model: ModelSpec) -> frozenset[Path]:
    """The project's files that the model's estimators depend on; none for installed estimators."""
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
    """The part `search`: the settings that decide which trials are made, not where they run."""
    limits = (search.max_parallel, search.timeout, search.seconds, search.reproducible)
    return _part(search.strategy, dict(search.settings), *limits)


def _code(evaluation: Evaluation, loader: Loader, task: str) -> str:
    scorers = [_code_at(path) for _, path in sorted(evaluation.own_scorers.items())]
    code = _code_of(loader.path, loader.load)
    return _part(loader.path, code, scorers, _own_code(), task)


def _part(*content: Any) -> str:
    return digest(*content)[:_PART_LENGTH]


def _code_at(path: str) -> str:
    """The code of a scorer; for a scorer made by `make_scorer`, the code of its function."""
    found = find_function(path, what="scorer", key="evaluation.metrics")
    return _code_of(path, getattr(found, "_score_func", found))


def _code_of(path: str, found: Any) -> str:
    """The code of the callable at an import path.

    The callable may be defined in another module than the one in the path, and the latter may give
    it values, as for an object or a partial. So the files of both modules count.
    """
    module = module_rests_on(path.partition(":")[0])
    return files_hash(rests_on(found).files | module.files)


@cache
def _own_code() -> str:
    """A hash of the code of search and training, except the module that only plots trials."""
    here = Path(__file__).parent
    files = [*here.glob("*.py"), *here.with_name("search").glob("*.py")]
    files.remove(here.with_name("search") / "plots.py")
    return files_hash(files)
