"""Run every benchmark, one after the other."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ORDER = (
    "startup.py",
    "speed_sample.py",
    "speed_show.py",
    "speed_detect.py",
    "speed_dedup.py",
    "speed_copies.py",
    "shots.py",
    "spans.py",
    "temporal_simulator.py",
    "flicker_speed.py",
    "flicker_footage.py",
    "class_intervals.py",
    "interval_coverage.py",
    "memory.py",
    "memory_predict.py",
    "memory_train.py",
    "many_boxes.py",
    "speed_report.py",
    "speed_train.py",
    "first_box.py",
    "sparse_sample.py",
    "manifests.py",
    "idle.py",
    "one_more.py",
    "unlucky.py",
    "fetch_speed.py",
)


def main() -> None:
    """Run them all and stop at the first that fails."""
    for name in ORDER:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, str(Path(__file__).with_name(name))], check=True)


if __name__ == "__main__":
    main()
