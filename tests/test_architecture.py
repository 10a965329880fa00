"""The maps of the code are true: package docstrings, laws, names."""

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
PRODUCT = HERE / "orchestrator"
PACKAGES = sorted(path.parent for path in PRODUCT.rglob("__init__.py"))
MODULES = sorted(PRODUCT.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HERE).with_suffix("").parts)


def docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def children(package: Path) -> set[str]:
    modules = {path.stem for path in package.glob("*.py")} - {"__init__", "__main__"}
    return modules | {path.parent.name for path in package.glob("*/__init__.py")}


def listed(text: str) -> set[str]:
    """The names in the first column of a docstring's indented list."""
    lines = re.findall(r"^(?: {4})?((?:[a-z0-9_]+, )*[a-z0-9_]+)(?:\.py)?  ", text, re.MULTILINE)
    return {name for line in lines for name in line.split(", ")}


@pytest.mark.parametrize(
    "package", [each for each in PACKAGES if each != PRODUCT], ids=lambda path: path.name
)
def test_a_packages_docstring_lists_its_modules_and_nothing_else(package):
    """A map that has rotted misleads more than none."""
    assert listed(docstring(package / "__init__.py")) == children(package)


def test_every_law_that_is_cited_stands_in_the_architecture():
    page = (HERE / "docs" / "architecture.md").read_text()
    laws = set(re.findall(r"^(\d+)\. \*\*", page, re.MULTILINE))
    texts = [*MODULES, *(HERE / "docs").rglob("*.md")]
    cited = {law for path in texts for law in re.findall(r"\blaw (\d+)\b", path.read_text())}
    assert cited <= laws


def test_every_room_stands_in_the_architecture():
    page = (HERE / "docs" / "architecture.md").read_text()
    drawing = page.split("## Rooms")[1].split("```")[1]
    rooms = children(PRODUCT)
    assert {room for room in rooms if not re.search(rf"\b{room}\b", drawing)} == set()


def test_modules_that_the_architecture_names_exist():
    page = (HERE / "docs" / "architecture.md").read_text()
    rooms = children(PRODUCT)
    named = {
        name
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", page)
        if name.partition(".")[0] in rooms
    }
    known = {name_of(path).removeprefix("orchestrator.") for path in MODULES}
    known |= {name.removesuffix(".__init__") for name in known}
    assert {name for name in named if name not in known} == set()


def test_no_two_public_classes_have_one_name():
    """Twins of one seam may: they keep one contract, and a test class holds it."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name_of(path))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_only_a_measure_asks_which_way_it_is_better():
    """Elsewhere a direction is data, and `Measure` compares values by it."""
    asked = [
        name_of(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare)
        and any(
            isinstance(each, ast.Constant) and each.value in {"maximize", "minimize"}
            for each in (node.left, *node.comparators)
        )
    ]
    assert asked == ["orchestrator.records.measures"]


TESTS = sorted(path for path in (HERE / "tests").rglob("*.py"))


def modules_imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    plain = [node for node in ast.walk(tree) if isinstance(node, ast.Import)]
    names = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return names | {alias.name for node in plain for alias in node.names}


def test_no_test_module_imports_another():
    """What two of them need is a builder, and builders live in `tests/support`."""
    importing = {
        name_of(path): sorted(name for name in modules_imported(path) if ".test_" in name)
        for path in TESTS
    }
    assert {name: names for name, names in importing.items() if names} == {}


def test_folders_of_tests_mirror_the_rooms():
    rooms = children(PRODUCT) | {"core", "docs"}  # small modules of the root; docs and examples
    folders = {path.parent.name for path in TESTS if path.name.startswith("test_")}
    assert folders - {"tests"} <= rooms


def test_files_of_tests_have_at_most_500_lines():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in TESTS}
    assert {name: length for name, length in lengths.items() if length > 500} == {}
