"""What flickers are on real footage: mistakes, or objects?

Detectors look at every frame of clips, and all their sure boxes (score .5 and more) are asked about
by ours and by the published rule. In frames with hand-drawn boxes a box is right if it overlaps one
by half; in clips without the class every box is a mistake.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

import reelabel
from common import DATA
from reelabel.data.boxes import iou
from reelabel.tables import DETECTIONS, EVIDENCE, TRUTH, TRUTH_FRAMES, xyxy_of
from reelabel.workspace import Workspace

SURE = 0.5
CLIPS = {
    "sports ball": ("sports/soccer_juggle.mp4", "dogs/dog_fetch.mp4"),
    "dog": ("dogs/dog_fetch.mp4", "dogs/dogs_play_garden.mp4"),
    "train": ("trains/train_day.mp4", "trains/train_rain.mp4"),
    "person": ("sports/soccer_juggle.mp4",),
}
NO_DOGS = (
    "scenes/filename with spaces and '_kitten.mp4",
    "scenes/cockatoo_yuv444.mp4",
    "scenes/sintel_cuts.mp4",
)
WEAK = "weak student"
"""A small network that has learned for a moment, from YOLOX-nano's labels of the same clips."""
NETWORKS = ("yolox_nano", "nanodet_m_320", WEAK)
WEAK_STEPS = 200


@dataclass
class Count:
    """Sure boxes, and how many of them who calls what."""

    sure: int = 0
    flickers: int = 0
    doubts: int = 0
    statics: int = 0
    published: int = 0


def detector_of(network: str, name: str, root: Path) -> str:
    """Return the detector; a weak one is trained first."""
    if network != WEAK:
        return f"onnx:{DATA}/weights/{network}.onnx"
    workspace = reelabel.init(
        root,
        classes=[name],
        videos=[DATA / "videos" / clip for clip in CLIPS[name]],
        detector=f"onnx:{DATA}/weights/{NETWORKS[0]}.onnx",
        settings={
            "train": {"student": "centernet", "max_steps": WEAK_STEPS},
            "split": {"held_out": 0},
        },
    )
    reelabel.run(workspace, until="train", rounds=1)
    return f"student:{workspace.round_dir(0) / 'model'}"


def looked(root: Path, network: str, name: str, clips: tuple[str, ...]) -> Workspace:
    """Let a network look at clips for one class, and ask time."""
    workspace = reelabel.init(
        root,
        classes=[name],
        videos=[DATA / "videos" / clip for clip in clips],
        detector=detector_of(network, name, root.parent / "training"),
        truth=DATA / "annotated/hand_boxes/instances.json" if clips is not NO_DOGS else None,
        settings={
            "detect": {"frames": "all"},
            "mine": {
                "flicker": {"enabled": True, "score": SURE},
                "static": {"enabled": True},
            },
        },
    )
    reelabel.run(workspace, until="mine", rounds=1)
    return workspace


def counted(workspace: Workspace, name: str, texts: Path) -> dict[bool, Count]:
    """Count the boxes that are right and those that are mistakes."""
    reelabel.export(workspace, texts, format="detections-txt")
    counts = {True: Count(), False: Count()}
    for video in workspace.videos():
        text = next(texts.glob(f"*-{video.video_id[:6]}.txt"))
        mined = reelabel.flicker(video.path, text, valid_score=SURE)
        by_rule = {
            (frame.number - 1, *np.round(box[:2]).astype(int))
            for frame in mined.frames
            for box in frame.boxes
            if box[4] == 0
        }
        for right, at, found in judged(workspace, video.video_id, name):
            count = counts[right]
            count.sure += 1
            count.flickers += "flicker" in found
            count.doubts += "unsupported" in found
            count.statics += "static" in found
            count.published += at in by_rule
    return counts


def judged(
    workspace: Workspace, video_id: str, name: str
) -> Iterator[tuple[bool, tuple[int, ...], set[str]]]:
    """Yield for each sure box whether it is right, its place, and what time says of it."""
    boxes = workspace.read(DETECTIONS, video_id, 0)
    said: dict[int, set[str]] = {}
    for row in workspace.read(EVIDENCE, video_id, 0).to_pylist():
        said.setdefault(row["detection"], set()).add(row["kind"])
    annotated = bool(workspace.shards(TRUTH_FRAMES))
    drawn = set(workspace.read(TRUTH_FRAMES, video_id)["pts"].to_pylist()) if annotated else set()
    truth = workspace.read(TRUTH, video_id) if annotated else None
    for i, (row, xyxy) in enumerate(zip(boxes.to_pylist(), xyxy_of(boxes), strict=True)):
        if row["score"] < SURE or (annotated and row["pts"] not in drawn):
            continue
        right = False
        if truth is not None:
            here = (pc.field("pts") == row["pts"]) & (pc.field("category") == name)
            right = bool((iou(xyxy[None], xyxy_of(truth.filter(here))) >= SURE).any())
        yield right, (row["frame_index"], *np.round(xyxy[:2]).astype(int)), said.get(i, set())


def told(network: str, name: str, clips: tuple[str, ...]) -> None:
    """Print the counts of one network on one set of clips."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = looked(Path(folder) / "w", network, name, clips)
        counts = counted(workspace, name, Path(folder) / "texts")
    where = "where there is none" if clips is NO_DOGS else "annotated frames"
    for right, n in counts.items():
        what = f"{network}, {name}, {where}: {'right' if right else 'wrong'}"
        if n.sure:
            figures = f"{n.sure:5} {n.flickers:8} {n.doubts:6} {n.statics:7} {n.published:10}"
            print(f"{what:60} {figures}", flush=True)


def main() -> None:
    """Print a line per network, clips and kind of box."""
    print(f"{'sure boxes':60}   all  flicker  doubt  static  published")
    for network in NETWORKS:
        for name, clips in [*CLIPS.items(), ("dog", NO_DOGS)]:
            told(network, name, clips)


if __name__ == "__main__":
    main()
