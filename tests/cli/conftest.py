"""Fixtures of the tests of commands."""

import sys

import pytest

from orchestrator.cli import main
from tests.support.flow_files import FLOW


@pytest.fixture
def orchestrator(tmp_path, monkeypatch, capsys):
    """Runs a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCHESTRATOR_CONFIG", raising=False)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def run(*arguments):
        capsys.readouterr()
        shows = ["--logs"] if arguments[0] in {"run", "rerun", "resume"} else []
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *shows])
        return ended.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def numbers(tmp_path):
    """A flow of one file, whose instance x fails while there is a file bad-x."""
    file = tmp_path / "sums.py"
    file.write_text(FLOW)
    return file
