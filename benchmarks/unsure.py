"""Do the frames that `export --unsure` puts first hold the wrong labels?

    python benchmarks/unsure.py [--scenes ball,dogs,trains] [--teacher nanodet_m_320] [--home DIR]

Labels of round 0 are compared with the hand-drawn boxes, which the workspace does not know. Wrong
are labels without a box, and boxes without a label. All frames are put in order, and of those with
hand-drawn boxes it is counted how many of the wrong labels lie in the first tenth, fifth and half;
frames taken at random hold that share of them.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import reelabel
from common import DATA
from learning import SCENES, Scene, init_scene
from reelabel.data.boxes import Boxes, iou
from reelabel.engine.project import read_config
from reelabel.labels.known_frames import boxes_by_pts, truth_frames
from reelabel.tables import LABELS, TRUTH, TRUTH_FRAMES
from reelabel.workspace import Workspace

SHARES = (0.1, 0.2, 0.5)
_SAME_IOU = 0.5
Key = tuple[str, int]
"""Video and time stamp."""


def wrong(labels: Boxes, truth: Boxes) -> int:
    """Return how many labels have no true box, and true boxes no label: one to one, best first."""
    overlap, pairs = iou(labels.xyxy, truth.xyxy), 0
    while overlap.size and overlap.max() >= _SAME_IOU:
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        overlap[i], overlap[:, j] = -1, -1
        pairs += 1
    return len(labels) + len(truth) - 2 * pairs


def wrong_labels(workspace: Workspace) -> dict[Key, int]:
    """Return the wrong labels of each frame with hand-drawn boxes, which are removed."""
    names, found = read_config(workspace).project.classes, {}
    for video_id in workspace.shards(TRUTH_FRAMES):
        tables = [workspace.read(table, video_id) for table in (TRUTH_FRAMES, TRUTH)]
        labels = boxes_by_pts(workspace.read(LABELS, video_id, 0), names)
        for frame in truth_frames(video_id, *tables, names):
            boxes = labels.get(frame.pts, Boxes.empty())
            found[video_id, frame.pts] = wrong(boxes[boxes.has_state("positive")], frame.boxes)
        workspace.remove(TRUTH_FRAMES, video_id)
    return found


def order_of(workspace: Workspace, home: Path) -> dict[Key, int]:
    """Return the rank of each frame that `export --unsure` names."""
    out = reelabel.export(workspace, home / "out", format="parquet", unsure=10**6, overwrite=True)
    with (out / "UNSURE.csv").open(newline="") as file:
        return {(r["video_id"], int(r["pts"])): int(r["rank"]) for r in csv.DictReader(file)}


def print_scene(scene: Scene, root: Path, teacher: str) -> None:
    """Print how many of the wrong labels the first frames hold."""
    workspace = Workspace.open(init_scene(root, scene, [f"onnx:{DATA}/weights/{teacher}.onnx"]))
    reelabel.run(workspace, rounds=1, until="merge", quiet=True)
    found = wrong_labels(workspace)
    rank = order_of(workspace, root.parent)
    ordered = sorted(found, key=lambda key: rank.get(key, 10**9))
    total = sum(found.values())
    print(f"{scene.name}, {teacher}: {len(found)} frames, {total} wrong labels")
    for share in SHARES:
        first = ordered[: round(share * len(ordered))]
        held = sum(found[key] for key in first)
        print(f"  first {share:4.0%}: {held:3} wrong labels, {share * total:5.1f} at random")


def main(names: Sequence[str] | None = None) -> None:
    """Print all scenes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", default="ball,dogs,trains")
    parser.add_argument("--teacher", default="yolox_nano", help="a network among the test weights")
    parser.add_argument("--home", type=Path, help="keep the workspaces here")
    given = parser.parse_args(names)
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.scenes.split(","):
            home = (given.home or Path(scratch)) / name
            home.mkdir(parents=True, exist_ok=True)
            print_scene(SCENES[name], home / "ws", given.teacher)


if __name__ == "__main__":
    main()
