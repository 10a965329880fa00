"""What every kind of cluster must do, whichever it is."""

import sys
from dataclasses import replace
from math import nan

import pytest

from orchestrator.clusters import ClusterKind, ClusterTraits, check, connect, find_kind
from orchestrator.errors import ConfigError


def interpreter() -> str:
    return sys.executable


class ClusterKindContract:
    """Inherit it and give a fixture `cluster`: settings that work."""

    @pytest.fixture
    def kind(self, cluster) -> ClusterKind:
        return find_kind(cluster)

    def test_it_has_the_members_of_a_kind(self, kind):
        assert isinstance(kind, ClusterKind)
        assert isinstance(kind.traits, ClusterTraits)

    def test_right_settings_are_accepted(self, cluster):
        check(cluster)

    def test_a_wrong_patience_is_refused_by_its_key(self, cluster):
        with pytest.raises(ConfigError, match=r"cluster\.patience"):
            check(replace(cluster, patience=nan))

    def test_a_setting_it_does_not_have_is_refused(self, cluster):
        with pytest.raises(ConfigError, match="no_such_setting"):
            check(replace(cluster, settings={**cluster.settings, "no_such_setting": 1}))

    def test_cores_are_a_positive_number_or_unknown(self, cluster, kind):
        cores = kind.cores(cluster)
        assert cores is None or cores >= 1

    def test_tasks_run_where_the_traits_say(self, cluster, kind):
        with connect(cluster) as client:
            assert (client is None) == kind.traits.in_process
            if client is None:
                return
            assert client.submit(sum, [40, 2]).result(timeout=60) == 42
            if kind.traits.same_environment:
                assert set(client.run(interpreter).values()) == {sys.executable}

    def test_the_client_is_closed_when_the_context_ends(self, cluster):
        with connect(cluster) as client:
            pass
        assert client is None or client.status == "closed"
