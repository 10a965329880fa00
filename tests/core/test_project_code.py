"""What a piece of a project's code rests on: its modules by content, packages by version."""

import functools
import importlib
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

import pytest

from orchestrator.project_code import (
    files_hash,
    installed_versions,
    is_of_project,
    module_rests_on,
    rests_on,
)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose loader rests on a helper, a package and a module imported late."""
    monkeypatch.syspath_prepend(str(tmp_path))
    write(tmp_path, "shoploader.py", "from shophelp import clean\ndef load(c): return clean(c)\n")
    write(
        tmp_path, "shophelp.py", "import numpy\nfrom shoppkg import rules\ndef clean(c): return c\n"
    )
    write(tmp_path, "shoppkg/__init__.py", "")
    write(tmp_path, "shoppkg/rules.py", "def late():\n    from . import deep\n    return deep\n")
    write(tmp_path, "shoppkg/deep.py", "LIMIT = 3\n")
    write(tmp_path, "shopother.py", "UNUSED = 1\n")
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("shop")]:
        del sys.modules[name]


def write(folder, name, text):
    file = Path(folder) / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text, encoding="utf-8")


def loader():
    return importlib.import_module("shoploader").load


def test_every_module_it_imports_counts_through_others_and_late(project):
    found = {file.relative_to(project).as_posix() for file in rests_on(loader()).files}
    assert found == {
        "shoploader.py", "shophelp.py", "shoppkg/__init__.py", "shoppkg/rules.py", "shoppkg/deep.py"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "is_other"),
    [("shophelp.py", True), ("shoppkg/deep.py", True), ("shopother.py", False)],
)
def test_a_corrected_helper_is_corrected_code(project, changed, is_other):
    before = files_hash(rests_on(loader()).files)
    write(project, changed, (project / changed).read_text() + "# corrected\n")
    assert (files_hash(rests_on(loader()).files) != before) is is_other


def test_a_moved_project_is_the_same(project, tmp_path_factory, monkeypatch):
    before = files_hash(rests_on(loader()).files)
    elsewhere = tmp_path_factory.mktemp("moved") / "project"
    project.rename(elsewhere)
    for name in [name for name in sys.modules if name.startswith("shop")]:
        del sys.modules[name]
    monkeypatch.syspath_prepend(str(elsewhere))
    assert files_hash(rests_on(loader()).files) == before


def test_modules_that_import_one_another_are_followed_once(project):
    write(project, "shoppkg/deep.py", "import shoploader\n")
    assert len(rests_on(loader()).files) == 5


def test_a_module_is_found_by_name_without_being_imported(project):
    write(project, "shopmodels.py", "raise SystemExit('was imported')\nimport shophelp\n")
    found = {file.name for file in module_rests_on("shopmodels").files}
    assert {"shopmodels.py", "shophelp.py"} <= found
    assert "shopmodels" not in sys.modules


def test_a_partial_and_a_callable_object_rest_on_their_code(project):
    class Loader:
        def __call__(self, customer):
            return customer

    assert rests_on(functools.partial(loader(), c=1)).files == rests_on(loader()).files
    assert Path(__file__).resolve() in rests_on(Loader()).files


def test_installed_packages_count_by_version():
    from sklearn.tree import DecisionTreeClassifier

    assert rests_on(DecisionTreeClassifier).packages == {"sklearn"}
    assert not rests_on(len).files
    versions = installed_versions(["sklearn", "json", "orchestrator", "no_such_package"])
    assert list(versions) == ["scikit-learn"]
    assert list(installed_versions(["yaml"])) == ["PyYAML"]
    assert not is_of_project(Path(importlib.import_module("numpy").__file__))


def test_what_pip_installed_into_a_folder_of_its_own_counts_by_version(
    project, tmp_path_factory, monkeypatch
):
    """As with `pip install --target` and PYTHONPATH: only its RECORD tells it from a project."""
    target = tmp_path_factory.mktemp("target")
    write(target, "shopboost/__init__.py", "from . import core\nclass Booster: ...\n")
    write(target, "shopboost/core.py", "")
    write(target, "shop_boost-1.2.dist-info/METADATA", "Name: shop-boost\nVersion: 1.2\n")
    write(
        target,
        "shop_boost-1.2.dist-info/RECORD",
        "shopboost/__init__.py,,\nshopboost/core.py,,\nshop_boost-1.2.dist-info/RECORD,,\n",
    )
    write(target, "shopmine.py", "import shopboost\n")
    monkeypatch.syspath_prepend(str(target))
    booster = importlib.import_module("shopboost").Booster
    assert rests_on(booster) == module_rests_on("shopboost")
    assert (rests_on(booster).files, rests_on(booster).packages) == (frozenset(), {"shopboost"})
    assert {file.name for file in module_rests_on("shopmine").files} == {"shopmine.py"}
    assert installed_versions(["shopboost"]) == {"shop-boost": "1.2"}


def test_an_editable_installation_is_a_project(project):
    write(project, "shop-1.dist-info/METADATA", "Name: shop\nVersion: 1\n")
    write(
        project, "shop-1.dist-info/RECORD", "__editable__.shop.pth,,\nshop-1.dist-info/RECORD,,\n"
    )
    assert len(rests_on(loader()).files) == 5


def test_a_module_that_another_finder_finds_belongs_to_the_project(tmp_path, monkeypatch):
    """As of `pip install -e` with setuptools, which adds a finder and no path."""
    (tmp_path / "found_elsewhere.py").write_text("import based_elsewhere\n")
    (tmp_path / "based_elsewhere.py").touch()

    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            file = tmp_path / f"{name}.py"
            return spec_from_file_location(name, file) if file.exists() else None

    monkeypatch.setattr("sys.meta_path", [*sys.meta_path, Finder])
    files = module_rests_on("found_elsewhere").files
    assert {file.name for file in files} == {"found_elsewhere.py", "based_elsewhere.py"}
