"""`make flaky`: tests several times in a row, in random order, beside busy processes.

python -m tests.flaky [--times 5] [--busy 4] [--seed 1] [tests/search/test_search.py ...]
"""

import argparse
import os
import subprocess
import sys
import time
from random import SystemRandom

from tests.chaos.mapped import busy
from tests.shuffling import SEED

_TIMEOUT_SECONDS = 900
"""Of one test; alone it has 180, on a machine that is not too busy."""


def main() -> int:
    """Run, print what failed in which round, and say whether all passed."""
    asked = _arguments()
    failed = 0
    with busy(asked.busy):
        for number in range(asked.times):
            seed, began = f"{asked.seed}-{number}", time.monotonic()
            code = _round(asked.tests, seed)
            failed += code != 0
            ended = "passed" if code == 0 else f"failed, run it again with {SEED}={seed}"
            print(f"round {number + 1}: {ended}, {time.monotonic() - began:.0f} s", flush=True)
    return int(failed > 0)


def _round(tests: list[str], seed: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.shuffling"]
    command += ["-n", "3", "--dist", "worksteal", f"--timeout={_TIMEOUT_SECONDS}"]
    environment = {**os.environ, SEED: seed}
    return subprocess.run([*command, *tests], env=environment, check=False).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.flaky")
    parser.add_argument("tests", nargs="*", help="files; all by default")
    parser.add_argument("--times", type=int, default=5, help="rounds")
    parser.add_argument("--busy", type=int, default=4, help="processes beside the tests")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6))
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
