"""What a study's results follow from, as one hash: equal ones need not be computed again (law 4).

Touches no library, and neither loads data nor imports scikit-learn; takes a `Study`; gives a
hash; runs on the driver.
"""

import hashlib
import inspect
from functools import cache
from importlib.metadata import version
from pathlib import Path

from orchestrator.identity import digest
from orchestrator.records import Grid, Study
from orchestrator.training.data import Loader, find_loader


def study_fingerprint(study: Study) -> str | None:
    """A hash of all that decides a study's results; None when its data has no version.

    That is: the loader's code and the data's version; the model's steps, parameters and grid; the
    folds, metrics and seed; the search and its settings; this package's code of searching and
    scoring, and the version of scikit-learn. A model's cost and selector are not among it: they
    decide what is done with results, not what they are.

    Raises:
        ConfigError: There is no such loader.
    """
    loader = find_loader(study.evaluation.loader)
    data_version = loader.version_of(study.customer)
    if data_version is None:
        return None
    evaluation, model, customer = study.evaluation, study.model, study.customer
    return digest(
        {
            "code": [_own_code(), _loader_code(loader)],
            "data": [
                customer.id,
                customer.data,
                customer.segment,
                list(customer.tags),
                data_version,
            ],
            "model": [[[step.name, step.estimator] for step in model.steps], dict(model.params)],
            "study": [study.key, _as_json(study.grid)],
            "evaluation": [
                evaluation.loader,
                evaluation.folds,
                list(evaluation.metrics),
                evaluation.metric,
                evaluation.direction,
                evaluation.seed,
                evaluation.task,
            ],
            "search": [study.search.strategy, dict(study.search.settings)],
        }
    )


def _as_json(grid: Grid) -> list[dict[str, list[object]]]:
    return [{name: list(values) for name, values in part.items()} for part in grid]


@cache
def _loader_code(loader: Loader) -> str:
    """A hash of the file that defines the loader: what it calls is most often beside it."""
    source = inspect.getsourcefile(inspect.unwrap(loader.load))
    return _hash_of(Path(source)) if source else ""


@cache
def _own_code() -> str:
    """A hash of the code of search and training, and of what they rest on."""
    here = Path(__file__).parent
    files = [*here.glob("*.py"), *here.with_name("search").glob("*.py")]
    return digest(sorted(_hash_of(file) for file in files), version("scikit-learn"))


def _hash_of(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=16).hexdigest()
