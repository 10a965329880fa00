"""A flow run of 2,000 trials goes through several faults, one after another, and loses nothing.

The short form of `make chaos`, which tries every fault alone and many times.
"""

import os
from random import Random, SystemRandom

import pytest

from tests.chaos import faults
from tests.chaos.staging import Stage
from tests.chaos.trying import endure, undisturbed

SEED = int(os.environ.get("CHAOS_SEED") or SystemRandom().randrange(10**6))

STORMS = {
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


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    with Stage(tmp_path_factory.mktemp("chaos")) as stage:
        yield stage


@pytest.fixture(scope="module")
def calm(stage):
    with stage.scene([], "sqlite") as scene:
        scene.write_config(cluster={"kind": "inline"})  # the same champions, sooner
        return undisturbed(scene)


@pytest.mark.slow
@pytest.mark.timeout(400)  # several drivers, one after another, on a machine that others use too
@pytest.mark.parametrize(
    "database", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def test_nothing_is_lost_or_doubled_in_a_storm(stage, calm, database):
    """Say CHAOS_SEED=<the seed that is printed> to have the same storm again."""
    print(f"CHAOS_SEED={SEED}")
    storm = STORMS[database]
    with stage.scene(storm, database) as scene:
        attempt = endure(scene, storm, Random(f"{SEED} {database}"), calm)
    assert attempt.problems == ()
    assert (attempt.lost, attempt.doubled) == (0, 0)
    assert attempt.repeated <= attempt.in_flight
    assert attempt.struck
