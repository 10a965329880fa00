"""What a study's results follow from, part by part, and as one hash (law 4).

    data         the customer's row and the version of its data
    params       the model's steps and fixed parameters, and the rows it asks for
    grid         what is searched
    folds        folds, metrics, seed: how candidates are compared
    search       the strategy and its settings, and what it is told besides the metric
    code         the files of the loader and of own scorers, this package's code of searching and
                 scoring, the task
    environment  the version of scikit-learn

Studies with an equal hash need not be run twice. The parts are kept beside the results, so that
a plan can say why a study is run again. The environment is no part of the hash unless that is
asked for: a new version of a library is worth a warning, seldom the training of everything.

Touches no library, and neither loads data nor imports scikit-learn; takes and gives `Study`; runs
on the driver.
"""

import hashlib
import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from orchestrator.identity import digest
from orchestrator.records import Customer, Evaluation, ModelSpec, Search, Study, grid_content
from orchestrator.training.data import find_loader
from orchestrator.training.imports import definition_of, find_function, is_defined_apart

PARTS = ("data", "params", "grid", "folds", "search", "code", "environment")

_PART_LENGTH = 16
"""Hex digits of a part, which is compared with one other and never looked up."""


class Fingerprints:
    """Gives the studies of one experiment their parts and their hash.

    Args:
        evaluation: How candidates are compared.
        search: How they are chosen.
        task: A hash of the code of the task that runs a study.
        goals: What the strategy is told besides the metric that selects.
        with_environment: Whether a changed library version makes another hash.

    Raises:
        ConfigError: There is no such loader.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        search: Search,
        *,
        task: str = "",
        goals: Sequence[str] = (),
        with_environment: bool = False,
    ) -> None:
        self._shared = {
            "folds": _way_of_comparing(evaluation),
            "search": _part(_way_of_searching(search), list(goals)),
            "code": _code(evaluation, task),
            "environment": environment(),
        }
        self._hashed = PARTS if with_environment else PARTS[:-1]
        self._models: dict[int, tuple[ModelSpec, str, str]] = {}

    def of(self, study: Study, data: str) -> Study:
        """The study with its parts, and its hash where the version of its data is known.

        Args:
            study: Of this experiment.
            data: What `data_part` gives for its customer and the version of the data.
        """
        params, grid = self._parts_of_model(study.model)
        if study.model.id in study.customer.grids:
            grid = _part(grid_content(study.grid))
        parts = {"data": data, "params": params, "grid": grid, **self._shared}
        name = digest(study.seed_name, [parts[part] for part in self._hashed])
        return replace(study, follows_from=parts, fingerprint=name if study.data_version else "")

    def _parts_of_model(self, model: ModelSpec) -> tuple[str, str]:
        """Parameters and grid, remembered by object: thousands of customers share one."""
        known = self._models.get(id(model))
        if known is None:
            steps = [[step.name, step.estimator] for step in model.steps]
            params = _part(steps, dict(model.params), model.when.min_rows)
            known = self._models[id(model)] = (model, params, _part(grid_content(model.grid)))
        return known[1], known[2]


def data_part(customer: Customer, data_version: str) -> str:
    """The part that is the customer's."""
    return _part(customer.id, customer.data, customer.segment, list(customer.tags), data_version)


@cache
def environment() -> str:
    """The library whose version may change scores, and the version."""
    return f"scikit-learn {version('scikit-learn')}"


def _way_of_comparing(evaluation: Evaluation) -> str:
    return _part(
        evaluation.folds,
        list(evaluation.metrics),
        evaluation.metric,
        evaluation.direction,
        evaluation.seed,
        evaluation.task,
        dict(evaluation.scorers),
    )


def _way_of_searching(search: Search) -> str:
    """What decides which trials there are; not where they run."""
    limits = (search.max_parallel, search.timeout, search.seconds, search.reproducible)
    return _part(search.strategy, dict(search.settings), *limits)


def _code(evaluation: Evaluation, task: str) -> str:
    loader = evaluation.loader
    scorers = [_code_at(path) for _, path in sorted(evaluation.scorers.items())]
    code = _code_of_callable(loader, find_loader(loader).load)
    return _part(loader, code, scorers, _own_code(), task)


def _part(*content: Any) -> str:
    return digest(*content)[:_PART_LENGTH]


def _code_at(path: str) -> str:
    """The code of a scorer; of one that scikit-learn's `make_scorer` made, of its function."""
    found = find_function(path, what="scorer", key="evaluation.metrics")
    return _code_of_callable(path, getattr(found, "_score_func", found))


def _code_of_callable(path: str, found: Any) -> str:
    """The code of what can be called at an import path.

    An object or a partial holds values as well, which the module at the path gives it.
    """
    code = _code_of(definition_of(found))
    if not is_defined_apart(found):
        return code
    return digest(code, _code_of(sys.modules[path.partition(":")[0]]))


@cache
def _code_of(definition: Any) -> str:
    """A hash of the file of a function, class or module: what it uses is most often beside it."""
    try:
        source = inspect.getsourcefile(definition)
    except TypeError:  # a builtin
        return ""
    return _hash_of(Path(source)) if source else ""


@cache
def _own_code() -> str:
    """A hash of the code of search and training, but for what only draws trials."""
    here = Path(__file__).parent
    files = [*here.glob("*.py"), *here.with_name("search").glob("*.py")]
    files.remove(here.with_name("search") / "plots.py")
    return digest(sorted(_hash_of(file) for file in files))


def _hash_of(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
