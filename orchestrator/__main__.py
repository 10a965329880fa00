"""`python -m orchestrator` is `orchestrator`."""

import sys
from pathlib import Path

if sys.path and sys.path[0] == str(Path.cwd()):
    # Python puts the current folder first, where a project's `statistics.py` would pass for the
    # standard library's. The installed command has no such entry.
    sys.path.append(sys.path.pop(0))

from orchestrator.cli import main

if __name__ == "__main__":
    main()
