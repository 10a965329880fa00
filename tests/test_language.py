"""The language of CONTRIBUTING.md is kept: phrases with a plainer alternative are found and named.

Read are the docstrings, comments, texts and names of the product, of the examples and of tests, and
the prose of the documents. What stands in backticks or in a block of code is not prose.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parents[1]

NOT_YET = (
    "orchestrator/api/",
    "orchestrator/cli/",
    "orchestrator/clusters/",
    "orchestrator/maintenance/",
    "orchestrator/pipeline/",
    "orchestrator/reports/",
    "orchestrator/search/",
    "orchestrator/testing/",
    "orchestrator/training/",
    "experiments/",
    "tests/",
)
"""Rooms that still have to be gone through, as beginnings of paths."""

IDIOMS = (
    (r"tells?|told|telling", "notify, report, log, state; 'tell apart': distinguish"),
    (r"hears?|heard|hearing", "receive, be notified"),
    (
        r"(?<!there\s)(?:is|are|was|were|be) no\b(?! (?:longer|more|less|worse|better|one)\b)",
        "is not a ...: expected ...",
    ),
    (r"(?<!there\s)(?:is|are|was|were) (?-i:none)", "is not a ..., has no ..."),
    (
        r"(?<!far\s)(?<!long\s)(?<!soon\s)(?<!much\s)as (?:it|they) (?:is|are|was|were)",
        "unchanged; the current, the recorded ...",
    ),
    (r"(?:go|goes|going|gone|went) on", "continue, resume"),
    (r"nobody|somebody|whoever|whomever|whom", "name the actor: readers, the driver, the caller"),
    (r"(?:for|by|than|to|so that|and|or|if) who", "name the actor: readers, the driver"),
    (r"bec(?:omes?|ame|oming) of", "outcome, result; what happens to"),
    (r"anew", "again, from the start"),
    (r"lest", "so that ... not"),
    (r"be (?:it|they) (?:a|an|the|on|in|of|by|from)", "whether ..."),
    (r"other hands", "outside orchestrator"),
    (r"(?:set|sets|setting|put|puts|putting) aside", "reject, skip, keep apart"),
    (r"(?:give|gives|giving|given|gave) (?:\w+ )?up", "cancel, prune, expire, release, stop"),
    (r"(?:take|takes|taking|taken|took) for", "treat as, mistake for"),
    (r"(?:make|makes|making|made) way", "is replaced by"),
    (r"(?:is|are|was|were|be|being) ill", "fails"),
)
"""Phrases, each with what an English-speaking engineer writes."""

OPENINGS = r"(?:What|How|Whose|Whom|Who|Where|Why|Which|Those|Of)\b"
NOUN_OR_VERB = "begin with the noun or the verb: 'The ...', 'Return ...'"
ARGUMENT = re.compile(rf"^ +[\w*]+: (?:{OPENINGS}|\w+\.$)", re.MULTILINE)
SAY_WHAT_IT_IS = "say what the argument is, or leave its line out"

PHRASES = [
    (re.compile(rf"\b(?:{idiom})\b".replace(" ", r"\s+"), re.IGNORECASE), plain)
    for idiom, plain in IDIOMS
]
FRONTED = re.compile(r"(?:\A|[.;:]\s+|\n\n\s*)Of (?!course)")
CODE = re.compile(r"```.*?```|``[^`]*``|`[^`\n]*`", re.DOTALL)

Text = tuple[int, str]
"""The line at which a text begins, and the text."""


def prose(text: str) -> str:
    """The text with its code blanked; lines keep their places."""
    return CODE.sub(lambda code: re.sub(r"[^\n]", "x", code[0]), text)


def comments(source: str) -> Iterator[Text]:
    """The comments of a module; those on consecutive lines make one text."""
    begin, lines = 0, [""]
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            if token.start[0] != begin + len(lines):
                yield begin, "\n".join(lines)
                begin, lines = token.start[0], []
            lines.append(token.string.lstrip("#"))
    yield begin, "\n".join(lines)


def constants(tree: ast.AST) -> Iterator[Text]:
    """The texts in the code, docstrings among them, with `{}` for what is filled in."""
    parts: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts.update(map(id, node.values))
            yield (
                node.lineno,
                "".join(
                    str(each.value) if isinstance(each, ast.Constant) else "{}"
                    for each in node.values
                ),
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from [] if id(node) in parts else [(node.lineno, node.value)]


def docstrings(tree: ast.AST) -> Iterator[Text]:
    """The docstrings of modules, classes, functions and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str() as text)):
                yield node.lineno, text


def names(tree: ast.AST) -> Iterator[Text]:
    """The names of functions and classes, as words."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", node.name).replace("_", " ").strip()
            yield node.lineno, re.sub(r"^test ", "", words)


def idioms_in(text: Text) -> Iterator[tuple[int, str, str]]:
    line, words = text[0], prose(text[1])
    for pattern, plain in [*PHRASES, (FRONTED, "the usual order of words")]:
        for found in pattern.finditer(words):
            yield line + words.count("\n", 0, found.start()), " ".join(found[0].split()), plain


def openings_in(text: Text) -> Iterator[tuple[int, str, str]]:
    if re.match(OPENINGS, text[1]):
        yield text[0], text[1][:30].partition("\n")[0], NOUN_OR_VERB
    for found in ARGUMENT.finditer(text[1]):
        yield text[0] + text[1].count("\n", 0, found.start()), found[0].strip(), SAY_WHAT_IT_IS


def found_in_module(source: str) -> Iterator[tuple[int, str, str]]:
    tree = ast.parse(source)
    for text in (*constants(tree), *comments(source), *names(tree)):
        yield from idioms_in(text)
    for text in docstrings(tree):
        yield from openings_in(text)


def found_in(path: Path) -> Iterator[tuple[int, str, str]]:
    source = path.read_text()
    return found_in_module(source) if path.suffix == ".py" else idioms_in((1, source))


def paths() -> Iterator[Path]:
    for folder in ("orchestrator", "experiments", "tests"):
        yield from sorted((HERE / folder).rglob("*.py"))
    yield from sorted((HERE / "docs").rglob("*.md"))
    yield from (HERE / "README.md", HERE / "CHANGELOG.md")


def test_the_language_is_plain():
    found = [
        f"{path.relative_to(HERE)}:{line}: {phrase!r}; better: {plain}"
        for path in paths()
        if path != Path(__file__) and not str(path.relative_to(HERE)).startswith(NOT_YET)
        for line, phrase, plain in sorted(found_in(path))
    ]
    assert not found, "\n".join(found)


def test_the_word_list_finds_what_it_names_and_nothing_else():
    source = '''
def told():
    """What nobody wants.

    Args:
        whose: Whose.
        name: The name, as it is
            written.
    """
    # goes
    # on
    return f"{x!r} is no " "file", "there is no file; it is no longer `told`"
'''
    assert [(line, phrase) for line, phrase, _ in sorted(found_in_module(source))] == [
        (2, "told"),
        (3, "What nobody wants."),
        (3, "nobody"),
        (6, "whose: Whose"),
        (7, "as it is"),
        (10, "goes on"),
        (12, "is no"),
    ]
