"""Helpers for the scripts of this folder, which run commands as a user would type them."""

import subprocess
import sys


def tell(text: str) -> None:
    """Print a line that announces the next step."""
    print(f"\n# {text}", flush=True)


def orchestrator(*arguments: str, config: str) -> None:
    """Run a command and show its output; a failure ends the script with the command's exit code.

    Args:
        arguments: The arguments of the command `orchestrator`.
        config: The path of the configuration; it is passed to each command, so that the user's own
            configuration is never used.
    """
    arguments = (*arguments, "--config", config)
    print(f"$ orchestrator {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "orchestrator", *arguments]
    ended = subprocess.run(command, check=False)  # noqa: S603 - our own command line
    if ended.returncode:
        sys.exit(ended.returncode)
