"""The demo shows what it promises: enough to map over, and a registry that changes."""

import pytest
import yaml

from experiments import demo, flights
from orchestrator.estimators import Estimators
from orchestrator.registry.documents import read_yaml
from orchestrator.registry.snapshots import fetch
from orchestrator.registry.sources import InlineSource

KNOWN_ON_ARRIVAL = {"arr_time", "arr_delay", "air_time", "late"}


def snapshot(lists):
    return fetch(InlineSource(**lists), estimators=Estimators(("sklearn",)))


@pytest.fixture
def before():
    return snapshot(read_yaml(demo.LISTS.read_text(encoding="utf-8")))


def ids(listed):
    return {one.id for one in listed}


def test_the_lists_are_long_enough_to_show_mapping(before):
    assert len(before.customers) >= 60
    assert len(before.models) >= 4
    assert not before.rejected


def test_two_routes_and_a_model_leave_and_a_route_comes(before):
    after = snapshot(demo.changed())
    assert ids(before.customers) - ids(after.customers) == set(demo.REMOVED_CUSTOMERS)
    assert ids(after.customers) - ids(before.customers) == {demo.ADDED["id"]}
    assert ids(before.models) - ids(after.models) == {demo.REMOVED_MODEL}
    assert ids(after.models) < ids(before.models)


def test_models_see_only_what_is_known_before_the_plane_has_left(before):
    X, y = flights.load(before.customers[0])
    assert list(X.columns) == flights.FEATURES
    assert KNOWN_ON_ARRIVAL.isdisjoint(X.columns)
    assert not [name for name in X.columns if name.startswith("arr")]
    assert set(y.unique()) == {0, 1}


def test_every_command_names_the_demos_own_configuration(capfd, monkeypatch, tmp_path):
    """A configuration of the user's own, even one of the environment, is never touched."""
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"nonsense": True}), encoding="utf-8")
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(own))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        demo.orchestrator("plan")
    told = capfd.readouterr()
    assert ended.value.code == 2
    assert f"$ orchestrator plan --config {demo.CONFIG}" in told.out
    assert f"{demo.CONFIG}: there is no such file" in told.err
