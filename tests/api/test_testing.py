"""`orchestrator.testing`: contracts and twins that others inherit and use."""

import subprocess
import sys

import pytest

from orchestrator import testing
from orchestrator.testing import InlineSource, SourceContract


@pytest.mark.parametrize("name", testing.__all__)
def test_each_name_is_there(name):
    assert getattr(testing, name).__name__ == name


def test_the_twins_need_no_pytest():
    code = "import sys; sys.modules['pytest'] = None; from orchestrator.testing import "
    code += "InlineExecutor, InlineSource, MemoryRecorder"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="has no attribute 'ModelContract'"):
        _ = testing.ModelContract


class TestASourceOfAnotherProject(SourceContract):
    """Inherits the contract as a project outside this repository would."""

    @pytest.fixture
    def place(self):
        return lambda models, customers: InlineSource(models=models, customers=customers)

    @pytest.fixture
    def missing(self):
        class Missing:
            description = "missing"

            def read(self, kind):
                from orchestrator import RegistryError  # late: as such a project would

                raise RegistryError(f"missing: no list of {kind}")

        return Missing()
