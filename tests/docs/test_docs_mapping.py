"""docs/mapping.md tells the truth: its programs run and its commands print what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app

HERE = Path(__file__).parents[2]
PAGE = (HERE / "docs" / "mapping.md").read_text()


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    ("program", "printed"),
    list(
        zip(
            blocks("python"),
            [
                "[7, 12, 9, 14, 13, 18]",
                "4 ['paused'] [('gone', 'LookupError: no such customer')]",
                "[3, 7]",
                "['fetch 0']",
            ],
            strict=True,
        )
    ),
)
def test_programs_print_what_the_page_says(program, printed, capsys):
    exec(program, {"__name__": "__main__"})  # noqa: S102 - our own page
    assert capsys.readouterr().out == printed + "\n"
    assert printed in PAGE


def commands(block):
    """The commands of a console block, each with the lines it is said to print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *printed = part.splitlines()
        yield command, printed


@pytest.mark.parametrize("block", blocks("console"))
def test_commands_print_what_the_page_says(block, tmp_path, monkeypatch):
    for name in ("experiments", "configs"):
        (tmp_path / name).symlink_to(HERE / name)
    config = tmp_path / "orchestrator.yaml"
    config.write_text(
        "experiment: page\n"
        "registry: {source: file, path: configs/registry/flights.yaml}\n"
        "evaluation: {loader: 'experiments.flights:load'}\n"
        "cluster: {kind: local, workers: 1, dashboard: false}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCHESTRATOR_CONFIG", str(config))
    monkeypatch.setattr(sys, "path", sys.path[:])
    for command, printed in commands(block):
        out = run(command)
        assert "\n".join(printed) in out, command


def run(command):
    """A command of our own in this process, unless workers print; any other in a shell."""
    program, *arguments = re.findall(r"'[^']*'|\S+", command)
    if program == "orchestrator" and "--cluster" not in arguments:
        result = CliRunner().invoke(app, [argument.strip("'") for argument in arguments])
        assert result.exit_code == 0, result.output
        return result.output
    command = command.replace("orchestrator ", f"{sys.executable} -m orchestrator ", 1)
    in_shell = ["bash", "-c", command]
    ended = subprocess.run(in_shell, capture_output=True, text=True, check=True, timeout=300)
    return ended.stdout + ended.stderr
