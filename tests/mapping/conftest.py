"""Fixtures of the tests of mapping."""

import pytest

from tests.support.dask_clusters import cluster, executing


@pytest.fixture(params=["inline", "dask"])
def where(request):
    """Where a flow runs: in this process (None), or by this client."""
    return None if request.param == "inline" else request.getfixturevalue("client")


@pytest.fixture
def executor(client):
    with executing(client) as opened:
        yield opened


@pytest.fixture(scope="module")
def mortal():
    """A client of two workers with two threads each, which may be killed: nannies replace them."""
    with cluster(workers=2, threads=2) as client:
        yield client


@pytest.fixture
def on_mortal(mortal):
    mortal.wait_for_workers(2)
    with executing(mortal) as opened:
        yield opened
