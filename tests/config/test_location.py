"""Which configuration is used when none is named."""

import pytest

from orchestrator import config
from orchestrator.errors import ConfigError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    (tmp_path / "configs").mkdir()
    return tmp_path


def test_the_one_named_comes_first(folder, monkeypatch):
    for name in ("orchestrator.yaml", "mine.yaml", "theirs.yaml"):
        (folder / name).write_text("experiment: x\n")
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", "theirs.yaml")
    assert str(config.find("mine.yaml")) == "mine.yaml"
    assert str(config.find(None)) == "theirs.yaml"
    monkeypatch.delenv("ORCHESTRATOR_CONFIG")
    assert str(config.find(None)) == "orchestrator.yaml"


def test_the_only_one_in_configs_is_found_beside_other_files(folder):
    (folder / "configs" / "lists.yaml").write_text("models: []\n")
    (folder / "configs" / "churn.yml").write_text("# ours\nexperiment: churn\n")
    assert str(config.find(None)) == "configs/churn.yml"


def test_of_several_in_configs_none_is_chosen_and_all_are_listed(folder):
    for name in ("a.yaml", "b.yaml"):
        (folder / "configs" / name).write_text("experiment: x\n")
    assert config.find_any(None) is None
    with pytest.raises(ConfigError, match=r"--config, of configs/a\.yaml, configs/b\.yaml"):
        config.find(None)


def test_without_any_the_error_says_where_it_was_looked_for(folder):
    assert config.find_any(None) is None
    with pytest.raises(ConfigError, match=r"neither orchestrator\.yaml nor .* in configs/"):
        config.find(None)


def test_one_that_was_named_must_be_there(folder):
    with pytest.raises(ConfigError, match=r"gone\.yaml: there is no such file"):
        config.find("gone.yaml")
