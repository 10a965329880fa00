"""The types of the public API, held by mypy over a program that uses it."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_program_that_uses_the_api_is_checked_strictly():
    """Quick where `make types` has run before: mypy then knows the package."""
    ended = subprocess.run(
        [sys.executable, "-m", "mypy", "tests/typing/api.py"],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_package_says_that_it_is_typed():
    assert files("orchestrator").joinpath("py.typed").is_file()
