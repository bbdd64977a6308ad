"""`sample` against a plain OpenCV loop doing the same work, and against the ffmpeg command line.

The same work: decode every frame, judge sharpness, noise, entropy, exposure and hash on a reduced
grey picture, embed, and write every frame as JPEG of quality 90. ffmpeg only decodes and writes.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import cv2

from common import DATA, interleaved, table
from reelabel.media.quality import CutDetector, measure
from reelabel.models.registry import load_embedder
from reelabel.verbs.init import init
from reelabel.verbs.run import run

VIDEOS = ("videos/sports/soccer_juggle.mp4", "videos/traffic/cars_topdown.mp4")


def ours(videos: list[Path]) -> None:
    """Run the stages up to `sample` in a new workspace."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = init(Path(folder) / "w", classes=["x"], videos=videos)
        run(workspace, until="sample", quiet=True)


def opencv(videos: list[Path]) -> None:
    """Do the same with cv2.VideoCapture, frame by frame."""
    embed = load_embedder("tiny").open()
    with tempfile.TemporaryDirectory() as folder:
        for video in videos:
            capture, cuts, before, number = cv2.VideoCapture(str(video)), CutDetector(), None, 0
            while (read := capture.read())[0]:
                rgb = cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB)
                scale = 320 / max(rgb.shape)
                small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                cuts.is_cut(small)
                grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
                measure(grey, before)
                embed([small])
                cv2.imwrite(f"{folder}/{video.stem}_{number}.jpg", read[1], [1, 90])
                before, number = grey, number + 1


def ffmpeg(videos: list[Path]) -> None:
    """Only decode and write JPEGs, with the ffmpeg command."""
    with tempfile.TemporaryDirectory() as folder:
        for video in videos:
            out = f"{folder}/{video.stem}_%05d.jpg"
            command = ["ffmpeg", "-v", "error", "-i", str(video), "-q:v", "3", out]
            subprocess.run(command, check=True)


def main() -> None:
    """Print the table."""
    videos = [DATA / name for name in VIDEOS]
    runs = {"reelabel sample": lambda: ours(videos), "OpenCV loop": lambda: opencv(videos)}
    if shutil.which("ffmpeg"):
        runs["ffmpeg (no quality, no embedding)"] = lambda: ffmpeg(videos)
    table("sample, two videos, 624 frames", interleaved(runs, times=3), "OpenCV loop")


if __name__ == "__main__":
    main()
