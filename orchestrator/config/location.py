"""The configuration file that is used when none is named.

Touches the file system and the environment; takes a path that a caller may have given; gives the
file; driver.
"""

import os
import re
from pathlib import Path

from orchestrator.errors import ConfigError

ENVIRONMENT_VARIABLE = "ORCHESTRATOR_CONFIG"

_DEFAULT = Path("orchestrator.yaml")
_FOLDER = Path("configs")
_CONFIGURES = re.compile(r"^experiment\s*:", re.MULTILINE)
"""The key that marks a configuration in the folder, in which lists may lie as well."""


def find(path: str | None) -> Path:
    """Return the configuration file to use.

    Args:
        path: The file that the caller named; None stands for $ORCHESTRATOR_CONFIG, else
            orchestrator.yaml, else the only configuration in configs/.

    Raises:
        ConfigError: There is none, or there are several.
    """
    found = find_any(path)
    if found is not None:
        return found
    candidates = _candidates()
    if candidates:
        listed = ", ".join(map(str, candidates))
        raise ConfigError(f"there are several configurations: name one with --config, of {listed}")
    raise ConfigError(
        "no configuration: name it with --config FILE (there is neither orchestrator.yaml nor a "
        "configuration in configs/)"
    )


def find_any(path: str | None) -> Path | None:
    """Return the configuration file to use, or None if none is named and there is no default.

    Args:
        path: As for `find`.

    Raises:
        ConfigError: The named file does not exist.
    """
    named = path or os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        if not Path(named).is_file():
            raise ConfigError("there is no such file", file=named)
        return Path(named)
    if _DEFAULT.is_file():
        return _DEFAULT
    candidates = _candidates()
    return candidates[0] if len(candidates) == 1 else None


def _candidates() -> list[Path]:
    """Return the configurations in the folder, sorted by name."""
    files = sorted(each for end in ("yaml", "yml") for each in _FOLDER.glob(f"*.{end}"))
    return [file for file in files if file.is_file() and _configures(file)]


def _configures(file: Path) -> bool:
    try:
        return _CONFIGURES.search(file.read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        return False
