"""The meaning of each key, read from the docstring of the class that the key becomes.

    Attributes:                      or `Args:`, for a class that takes settings
        folds: Folds of the
            cross-validation.

Touches no library; takes classes; gives texts by the names of attributes; runs on the driver.
"""

import inspect
import re
from collections.abc import Mapping

_HEADING = re.compile(r"(?:Attributes|Args):\n")
_ENTRY = re.compile(r"^ {4}(\w[\w, ]*): ((?:.*\n?)(?: {5,}.*\n?)*)", re.MULTILINE)


def summary_of(cls: object) -> str:
    """Return the first paragraph of a docstring, in one line; "" without a docstring."""
    return " ".join((inspect.getdoc(cls) or "").partition("\n\n")[0].split())


def attribute_docs(cls: object) -> Mapping[str, str]:
    """Return the description of each attribute in a docstring, in one line each.

    Args:
        cls: A class with a docstring in Google's style.
    """
    _, *section = _HEADING.split(inspect.getdoc(cls) or "", maxsplit=1)
    if not section:
        return {}
    text = re.split(r"\n(?=\S)", section[0], maxsplit=1)[0] + "\n"
    return {
        name: " ".join(meaning.split())
        for names, meaning in _ENTRY.findall(text)
        for name in names.split(", ")
    }
