"""How the scripts of this folder type commands, as a person would, and say what comes next."""

import subprocess
import sys


def tell(text: str) -> None:
    """Say what comes next."""
    print(f"\n# {text}", flush=True)


def orchestrator(*arguments: str, config: str) -> None:
    """Type a command and show what it prints; a failure ends the script with its exit code.

    Args:
        arguments: The command.
        config: The configuration, named each time, so that one of the user's own is never touched.
    """
    arguments = (*arguments, "--config", config)
    print(f"$ orchestrator {' '.join(arguments)}", flush=True)
    command = [sys.executable, "-m", "orchestrator", *arguments]
    ended = subprocess.run(command, check=False)  # noqa: S603 - our own command line
    if ended.returncode:
        sys.exit(ended.returncode)
