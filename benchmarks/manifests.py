"""Time and memory of filtering a million rows of a manifest, and of reading a large plan again.

    python benchmarks/manifests.py
    python benchmarks/manifests.py --rows 1000000 --wants 100000

Each layout is read in a process of its own, after the imports: memory is what its peak rises by.
The rows are those of Kinetics: 400 labels, of which 13 are taken, 50 videos each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reelabel.config import Project
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import plan
from reelabel.tables import WANTS

HERE = Path(__file__).resolve().parents[1]
LABELS = [f"label {i}" if i >= 13 else f"dancing {i}" for i in range(400)]
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def native_id(number: int) -> str:
    """Return one of the ids that YouTube could have given."""
    mixed = number * 0x9E3779B97F4A7C15 % 2**64
    return "".join(_ALPHABET[mixed >> 6 * i & 63] for i in range(11))


def rows(count: int) -> Iterator[tuple[str, str, int]]:
    """Yield label, id and start of each row."""
    for i in range(count):
        yield LABELS[i % 400], native_id(i), i % 500


def write(folder: Path, count: int) -> dict[str, Path]:
    """Write the same rows in each layout."""
    paths = {name: folder / f"rows.{name}" for name in ("csv", "json", "jsonl", "parquet")}
    with paths["csv"].open("w") as csv, paths["jsonl"].open("w") as lines:
        csv.write("label,youtube_id,time_start,time_end,split\n")
        for label, name, start in rows(count):
            csv.write(f"{label},{name},{start},{start + 10},train\n")
            entry = {"label": label, "id": name, "start": start, "end": start + 10}
            lines.write(json.dumps(entry) + "\n")
    with paths["json"].open("w") as file, paths["jsonl"].open() as lines:
        file.write("[" + next(lines))
        file.writelines("," + line for line in lines)
        file.write("]")
    labels, names, starts = zip(*rows(count), strict=True)
    columns = {"label": labels, "id": names, "start": starts, "end": [s + 10 for s in starts]}
    pq.write_table(pa.table(columns), paths["parquet"])
    return paths


def peak_mb() -> float:
    """Return the most memory that this process has held."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure(path: Path) -> tuple[float, float, float]:
    """Return wall and CPU seconds and MB of planning one manifest, in this process."""
    kind = "kinetics" if path.suffix == ".csv" else "urls"
    manifest = Manifest(kind=kind, file=str(path), label=("dancing*",), per_class=50)
    if path.suffix == ".parquet":
        pq.ParquetFile(path).close()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = peak_mb()
    began, cpu = time.perf_counter(), time.process_time()
    made = plan("it", manifest, Project(classes=("dance",)), path.parent)
    seconds = time.perf_counter() - began
    if made.total().chosen != 650:
        raise SystemExit(f"expected 650 videos, but got {made.total()}")
    return seconds, time.process_time() - cpu, peak_mb() - before


def measured(path: Path, times: int) -> list[float]:
    """Return the medians of wall and CPU seconds and MB, each time in a new process."""
    environment = os.environ | {"PYTHONPATH": str(HERE / "src")}
    command = [sys.executable, __file__, "--one", str(path)]
    found = []
    for _ in range(times):
        done = subprocess.run(command, check=True, capture_output=True, env=environment)
        found.append([float(part) for part in done.stdout.split()])
    return [statistics.median(each) for each in zip(*found, strict=True)]


def resume(folder: Path, count: int) -> tuple[float, float]:
    """Return seconds of making a plan of so many wants, and of reading it again."""
    path = folder / "rows.csv"
    manifest = Manifest(kind="kinetics", file=str(path), label=("*",), max_videos=count, spares=0)
    began = time.perf_counter()
    table = plan("it", manifest, Project(classes=("dance",)), folder).table()
    pq.write_table(table, folder / "wants.parquet", compression="zstd")
    made_s = time.perf_counter() - began
    began = time.perf_counter()
    read = WANTS.check(pq.read_table(folder / "wants.parquet").replace_schema_metadata(None))
    if sum(row["chosen"] for row in read.to_pylist()) != count:
        raise SystemExit("the plan changed")
    return made_s, time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--wants", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=3, help="of which the median is shown")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(*measure(given.one))
        return
    with tempfile.TemporaryDirectory() as folder:
        paths = write(Path(folder), given.rows)
        print(f"{given.rows:,} rows, 13 of 400 labels, 50 videos each; goal 2 s and 60 MB for CSV")
        for name, path in paths.items():
            seconds, cpu, megabytes = measured(path, given.times)
            size = path.stat().st_size / 1e6
            times = f"{seconds:6.2f} s ({cpu:5.2f} CPU)"
            print(f"  {name:<8} {size:6.0f} MB   {times}   +{megabytes:5.1f} MB")
        made_s, read_s = resume(Path(folder), given.wants)
        print(
            f"plan of {given.wants:,} wants: made in {made_s:.2f} s, read again in {read_s:.2f} s"
        )


if __name__ == "__main__":
    main()
