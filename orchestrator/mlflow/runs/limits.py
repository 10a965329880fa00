"""MLflow's limits on keys and values, applied before anything is sent.

Touches MLflow (its limits and its rule for names, from the installed package); takes and gives
`TrackedRun`; runs on the driver. Keys and values that do not fit are cut, and the tag `cut` names
them.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from mlflow.store.tracking.dbmodels.models import SqlRun
from mlflow.utils.validation import (
    MAX_DATASET_DIGEST_SIZE,
    MAX_DATASET_NAME_SIZE,
    MAX_DATASET_SOURCE_SIZE,
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_TAG_VAL_LENGTH,
    path_not_unique,
    validate_param_and_metric_name,
)

from orchestrator import identity
from orchestrator.mlflow.runs.tracked_run import Dataset, MetricValue, TrackedRun

CUT = "cut"
"""The tag that names the keys that were cut or renamed, e.g. `params.kernel, tags.error`."""

_MAX_NAME_LENGTH: int = SqlRun.__table__.c.name.type.length
_RUN_NAME = "mlflow.runName"


def within_limits(run: TrackedRun) -> TrackedRun:
    """Return the run in a form that MLflow accepts; the same record if nothing had to change."""
    params = {_key(k): _text(v, MAX_PARAM_VAL_LENGTH) for k, v in run.params.items()}
    tags = {_key(k): _text(v, MAX_TAG_VAL_LENGTH) for k, v in run.tags.items()}
    metrics = _metrics(run.metrics)
    name = _text(run.name, _MAX_NAME_LENGTH)
    cut = [
        *_changed("params", run.params, params),
        *_changed("tags", run.tags, tags),
        *sorted({f"metrics.{m.key}" for m in metrics} - {f"metrics.{m.key}" for m in run.metrics}),
        *(["name"] if name != run.name else []),
    ]
    dataset = _dataset(run.dataset)
    if not cut:
        return run if dataset == run.dataset else replace(run, dataset=dataset)
    if _RUN_NAME in tags:
        tags[_RUN_NAME] = name  # MLflow refuses a run whose name and tag differ
    tags[CUT] = _text(", ".join(cut), MAX_TAG_VAL_LENGTH)
    return replace(run, name=name, params=params, metrics=metrics, tags=tags, dataset=dataset)


def dataset_name(customer: str) -> str:
    """Return MLflow's name for a customer's data."""
    return _text(customer, MAX_DATASET_NAME_SIZE)


def _dataset(dataset: Dataset | None) -> Dataset | None:
    """Return the dataset within MLflow's limits; a source that does not fit is left out entirely.

    The run's tags hold the customer's id and the data's version as well.
    """
    if dataset is None:
        return None
    digest, fits = dataset.digest, len(dataset.source) <= MAX_DATASET_SOURCE_SIZE
    short = len(digest) <= MAX_DATASET_DIGEST_SIZE and _storable(digest)
    return dataset._replace(
        name=dataset_name(dataset.name),
        digest=digest if short else identity.digest(digest),
        source=dataset.source if fits else "{}",
    )


def _metrics(metrics: Sequence[MetricValue]) -> Sequence[MetricValue]:
    if all(_key(metric.key) == metric.key for metric in metrics):
        return metrics
    return tuple(metric._replace(key=_key(metric.key)) for metric in metrics)


def tags_within_limits(tags: Mapping[str, str]) -> dict[str, str]:
    """Return tags that are set later, in a form that MLflow accepts."""
    return {_key(k): _text(v, MAX_TAG_VAL_LENGTH) for k, v in tags.items()}


def _changed(kind: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterable[str]:
    return (f"{kind}.{key}" for key in sorted(after) if before.get(key) != after[key])


@lru_cache(maxsize=4096)
def _key(key: str) -> str:
    """Return the key, or a similar one that MLflow accepts; different keys stay different."""
    allowed = validate_param_and_metric_name(key) and not path_not_unique(key)
    if allowed and len(key) <= MAX_ENTITY_KEY_LENGTH and _storable(key):
        return key
    short_hash = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=4).hexdigest()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", key).strip("._-")
    return f"{plain[: MAX_ENTITY_KEY_LENGTH - len(short_hash) - 1]}_{short_hash}"


def _text(value: str, longest: int) -> str:
    if len(value) <= longest and _storable(value):
        return value
    storable = value.replace("\0", "\ufffd").encode(errors="replace").decode()
    return storable if len(storable) <= longest else f"{storable[: longest - 1]}\u2026"


def _storable(text: str) -> bool:
    """Whether databases store it: PostgreSQL refuses NUL, and all refuse half a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
