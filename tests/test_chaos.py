"""A flow run goes through several faults, one after another, and loses nothing.

The short form of `make chaos`, which tries every fault alone and many times. `make test` has storms
of few faults and 400 trials, `make long` those of many faults and 2,000 trials.
"""

import os
from contextlib import contextmanager
from random import Random, SystemRandom

import pytest

from tests.chaos import faults
from tests.chaos.staging import Stage
from tests.chaos.trying import endure, undisturbed

SEED = int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(10**6))

SMALL_STORMS = {
    "sqlite": [faults.WorkerKilled(), faults.LedgerLocked(seconds=1.0), faults.DriverKilled()],
    "postgres": [faults.DriverKilled(), faults.PostgresKilled(seconds=0.5)],
}
LARGE_STORMS = {
    "sqlite": [
        faults.WorkerKilled(),
        faults.LedgerLocked(seconds=2.0),
        faults.DriverKilled(),
        faults.SecondDriver(),
        faults.AllWorkersKilled(),
        faults.WorkerStopped(seconds=2.0),
    ],
    "postgres": [faults.WorkerKilled(), faults.DriverKilled(), faults.PostgresKilled(seconds=0.5)],
}


ON_BOTH = pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)


@contextmanager
def calm_stage(folder, **options):
    """A stage, and what a flow run on it comes to in which nothing goes wrong."""
    with Stage(folder, **options) as stage:
        with stage.scene([], "sqlite") as scene:
            scene.write_config(cluster={"kind": "inline"})  # the same champions, sooner
            calm = undisturbed(scene)
        yield stage, calm


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with calm_stage(tmp_path_factory.mktemp("chaos"), customers=10) as made:
        yield made


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    with calm_stage(tmp_path_factory.mktemp("chaos")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.timeout(400)  # several drivers, one after another, on a machine that others use too
@ON_BOTH
def test_nothing_is_lost_or_doubled_in_a_small_storm(small, database):
    """Say CHAOS_SEED=<the seed that is printed> to have the same storm again."""
    require_all_there(*small, database, SMALL_STORMS[database])


@pytest.mark.long
@pytest.mark.timeout(900)
@ON_BOTH
def test_nothing_is_lost_or_doubled_in_a_large_storm(large, database):
    require_all_there(*large, database, LARGE_STORMS[database])


def require_all_there(stage, calm, database, storm):
    """Have a storm, and look whether every trial is there once."""
    print(f"CHAOS_SEED={SEED}")
    with stage.scene(storm, database) as scene:
        attempt = endure(scene, storm, Random(f"{SEED} {database}"), calm)
    assert attempt.problems == ()
    assert (attempt.lost, attempt.doubled) == (0, 0)
    assert attempt.repeated <= attempt.in_flight
    assert attempt.struck
