"""`show` against the ffmpeg command line: decode, draw and encode against decode and encode alone.

    python benchmarks/speed_show.py                       real clips, 8 boxes in every frame
    python benchmarks/speed_show.py --boxes 40 --times 5

All use the same encoder, preset and quality. ffmpeg draws nothing; in its second row it encodes
the film that `show` wrote, since boxes and texts cost an encoder time too. Wall and CPU seconds are
medians of runs in turns; loading the program is not counted.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import reelabel
from common import DATA, Seconds, taken
from reelabel.data.states import STATES
from reelabel.data.video import Video
from reelabel.media.stream import scan
from reelabel.tables import LABELS
from reelabel.workspace import Workspace

VIDEOS = ("sports/soccer_juggle.mp4", "traffic/cars_topdown.mp4", "sports/tennis_rally_4.mp4")
ENCODER = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-x264-params", "mbtree=0")


def make(root: Path, source: Path, boxes: int) -> Workspace:
    """Return a workspace of one video with so many labels in every frame."""
    workspace = reelabel.init(root, classes=["ball", "person"], videos=[source])
    reelabel.run(workspace, until="register", quiet=True)
    (video,) = workspace.videos()
    workspace.write(LABELS, video.video_id, labels(video, boxes), fingerprint="x", round_number=0)
    return workspace


def labels(video: Video, boxes: int) -> object:
    """Return boxes that move over the picture: three of four positive, the others of each state."""
    pts = scan(video.path).pts
    t, which = np.repeat(np.arange(len(pts)), boxes), np.tile(np.arange(boxes), len(pts))
    width, height = video.size_wh
    x1 = (0.1 + 0.7 * ((which * 0.37 + t / 400) % 1)) * width
    y1 = (0.1 + 0.7 * ((which * 0.61 + t / 700) % 1)) * height
    state = np.where(which % 4, STATES[0], np.array(STATES)[which // 4 % 3])
    return LABELS.build({
        "video_id": [video.video_id] * len(t),
        "pts": pts[t],
        "frame_index": t,
        "category": np.where(which % 2, "ball", "person").tolist(),
        "score": np.full(len(t), 0.87),
        "x1": x1,
        "y1": y1,
        "x2": x1 + width / 10,
        "y2": y1 + height / 6,
        "state": state.tolist(),
        "origin": ["teacher"] * len(t),
        "round": np.zeros(len(t), int),
        "rule": ["score"] * len(t),
        "reason": [""] * len(t),
    })


def ffmpeg(source: Path, out: Path) -> None:
    """Decode and encode with the ffmpeg command."""
    line = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-an", *ENCODER]
    subprocess.run([*line, "-pix_fmt", "yuv420p", str(out / "ffmpeg.mp4")], check=True)


def measured(workspace: Workspace, source: Path, times: int) -> dict[str, list[Seconds]]:
    """Return wall and CPU seconds of each run, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        (drawn,) = reelabel.show(workspace, out=out, pictures=0)
        runs = {
            "reelabel show": (
                lambda: reelabel.show(workspace, out=out, pictures=0),
                resource.RUSAGE_SELF,
            ),
            "ffmpeg": (lambda: ffmpeg(source, out), resource.RUSAGE_CHILDREN),
            "ffmpeg, film": (lambda: ffmpeg(drawn.movie, out), resource.RUSAGE_CHILDREN),
        }
        found: dict[str, list[Seconds]] = {name: [] for name in runs}
        for _ in range(times):
            for name, (call, who) in runs.items():
                found[name].append(taken(call, who))
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=8)
    parser.add_argument("--times", type=int, default=3)
    given = parser.parse_args()
    if not shutil.which("ffmpeg"):
        raise SystemExit("expected the ffmpeg command: install it")
    for name in VIDEOS:
        source = DATA / "videos" / name
        with tempfile.TemporaryDirectory() as folder:
            workspace = make(Path(folder) / "w", source, given.boxes)
            found = measured(workspace, source, given.times)
        print(name)
        middle = {
            who: [statistics.median(column) for column in zip(*some, strict=True)]
            for who, some in found.items()
        }
        rival_wall_s, rival_cpu_s = middle["ffmpeg"]
        for who, (wall_s, cpu_s) in middle.items():
            times = f"{wall_s / rival_wall_s:5.2f} x wall {cpu_s / rival_cpu_s:5.2f} x CPU"
            print(f"  {who:<16}{wall_s:7.2f} s {cpu_s:7.2f} CPU-s {times}")


if __name__ == "__main__":
    main()
