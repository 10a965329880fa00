"""Strategies of other packages: one that cannot be used is refused by its name."""

import pytest

from orchestrator.errors import ConfigError
from orchestrator.records import Search
from orchestrator.search import find_strategy

UNDECLARED = """
class Undeclared:
    learns = False

    def count(self, study):
        return 1

    def rounds(self, study):
        yield ()
"""


@pytest.fixture
def plugged_in(tmp_path, monkeypatch):
    """A distribution whose strategies are one without traits, and one that is not there."""
    (tmp_path / "strategies_of_ours.py").write_text(UNDECLARED)
    info = tmp_path / "ours-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[orchestrator.strategies]\n"
        "undeclared = strategies_of_ours:Undeclared\nbroken = strategies_of_ours:Gone\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("plugged_in")
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("undeclared", r"\(strategies_of_ours:Undeclared\) must have `traits`, `count` and"),
        ("broken", r"\(strategies_of_ours:Gone\) cannot be loaded"),
    ],
)
def test_a_strategy_of_another_package_that_cannot_be_used_is_refused_by_name(name, problem):
    with pytest.raises(ConfigError, match=rf"search\.strategy: .*'{name}' {problem}"):
        find_strategy(Search(strategy=name))
