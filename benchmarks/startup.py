"""Time of `import reelabel` and of `reelabel --help`, against an empty Python process."""

from __future__ import annotations

import subprocess
import sys

from common import interleaved, table


def call(*arguments: str) -> None:
    """Run a Python process."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def main() -> None:
    """Print the table."""
    runs = {
        "python -c pass": lambda: call("-c", "pass"),
        "import reelabel": lambda: call("-c", "import reelabel"),
        "reelabel --help": lambda: call("-m", "reelabel", "--help"),
        "reelabel sample --help": lambda: call("-m", "reelabel", "sample", "--help"),
    }
    table("start", interleaved(runs, times=7), "python -c pass")


if __name__ == "__main__":
    main()
