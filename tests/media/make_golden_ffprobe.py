"""Writes golden_ffprobe.json: what ffprobe says of the test videos' frames.

Run it as ``python tests/media/make_golden_ffprobe.py FOLDER`` with the folder of test data.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).with_name("golden_ffprobe.json")
SOURCES = ("awkward/*", "people/*.gif", "action/*.avi", "sports/*.mpg")


def ffprobe(path: Path, *arguments: str) -> dict[str, Any]:
    """Return ffprobe's JSON answer, empty if it has none."""
    command = ["ffprobe", "-v", "quiet", "-threads", "1", "-of", "json", *arguments, str(path)]
    return json.loads(subprocess.run(command, capture_output=True, check=False).stdout or "{}")


def best_stream(path: Path) -> int | None:
    """Return the index of the largest picture stream."""
    found = ffprobe(path, "-select_streams", "v", "-show_entries", "stream=index,width,height")
    streams = found.get("streams", [])
    largest = max(streams, key=lambda each: each["width"] * each["height"], default=None)
    return largest and largest["index"]


def time_stamps(path: Path) -> list[int | None]:
    """Return the time stamp of each decoded frame, None where ffprobe knows none."""
    stream = best_stream(path)
    if stream is None:
        return []
    wanted = ("-select_streams", str(stream), "-show_entries", "frame=best_effort_timestamp")
    frames = ffprobe(path, *wanted).get("frames", [])
    return [frame.get("best_effort_timestamp") for frame in frames]


def summary(stamps: list[int | None]) -> dict[str, Any]:
    """Return count, first, last and hash of the known time stamps, and where they are unknown."""
    known = [stamp for stamp in stamps if stamp is not None]
    return {
        "count": len(stamps),
        "first": known[0] if known else None,
        "last": known[-1] if known else None,
        "unknown": [i for i, stamp in enumerate(stamps) if stamp is None],
        "sha256": hashlib.sha256(json.dumps(known).encode()).hexdigest(),
    }


def main(data: Path) -> None:
    """Ask ffprobe about every video and write the answers."""
    videos = data / "videos"
    files = sorted(file for source in SOURCES for file in videos.glob(source))
    golden = {
        file.relative_to(videos).as_posix(): summary(time_stamps(file))
        for file in files
        if file.suffix != ".txt"
    }
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
