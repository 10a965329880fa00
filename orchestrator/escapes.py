"""Characters that change how a text looks on a screen, or what a spreadsheet does with it.

Rows, keys and messages of libraries may hold escape sequences that repaint a terminal, marks that
reverse the order of letters, and texts that a spreadsheet treats as formulas. All shown text passes
through here. Recorded text stays unchanged.

Touches no library; takes and gives text; driver.
"""

import re

_CONTROLS = r"\x00-\x1f\x7f-\x9f"
_BIDIRECTIONAL = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_BREAKS_AND_INVISIBLE = r"\u00ad\u180e\u200b\u2028\u2029\u2060-\u2064\ufeff\ud800-\udfff"
_HIDDEN = re.compile(f"[{_CONTROLS}{_BIDIRECTIONAL}{_BREAKS_AND_INVISIBLE}]")
_HIDDEN_IN_LINES = re.compile(_HIDDEN.pattern.replace(_CONTROLS, r"\x00-\x08\x0b-\x1f\x7f-\x9f"))
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def visible(text: str) -> str:
    r"""Return the text on one line, with what is not seen written as an escape, such as `\x1b`."""
    return _HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Return the text with its line breaks and tabs, and any other hidden character escaped."""
    return _HIDDEN_IN_LINES.sub(_escape, text)


def visible_json(document: str) -> str:
    r"""Return a JSON document in which strings hold hidden characters only as `\u` escapes."""
    return _HIDDEN_IN_LINES.sub(lambda found: f"\\u{ord(found.group()):04x}", document)


def csv_cell(value: object) -> object:
    """Return a value as a cell of CSV that no spreadsheet treats as a formula.

    Args:
        value: Numbers stay numbers. A text that begins as a formula does is preceded by `'`, as
            spreadsheets themselves mark a text.
    """
    if not isinstance(value, str):
        return value
    text = visible_lines(value)
    return f"'{text}" if _FORMULA.match(value) and not _NUMBER.fullmatch(value) else text


def _escape(found: "re.Match[str]") -> str:
    character = found.group()
    if character in _NAMED:
        return _NAMED[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
