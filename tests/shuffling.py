"""A plugin of pytest: the files in random order, and the tests of each file too.

Used by `tests.flaky` alone. Files stay together, since each may start a cluster or a server for all
of its tests. Takes its seed from the environment, so that every process of a run agrees.
"""

import os
from random import Random

SEED = "FLAKY_SEED"


def pytest_collection_modifyitems(items):
    """Shuffle."""
    random = Random(os.environ[SEED])  # noqa: S311 - an order is no secret
    by_file = {}
    for item in items:
        by_file.setdefault(item.path, []).append(item)
    files = list(by_file.values())
    random.shuffle(files)
    for tests in files:
        random.shuffle(tests)
    items[:] = [item for tests in files for item in tests]
