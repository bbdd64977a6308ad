"""What some drawn boxes are worth without any detector, on clips that nobody drew in.

    python benchmarks/few_boxes.py [CASE ...] [--seeds 0 1 2] [--rounds 2] [--keep FOLDER]

A workspace without a detector (`none`) gets boxes of a few frames of one clip, and the other clips
as footage without labels. Printed are AP50 and F1 (at a score of .5) of each round's student, and
the precision and recall of its labels, on the hand-drawn boxes of the other clips; the workspace
never gets these. Students start from YOLOX-nano's weights, which know trains but no such small
balls.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import reelabel
from common import DATA
from reelabel.data.boxes import Boxes, xywh_to_xyxy
from reelabel.evaluation.frames import KnownFrame
from reelabel.evaluation.scores import ClassScores, detection_scores
from reelabel.media.pictures import read_rgb
from reelabel.media.probe import probe
from reelabel.media.video import decode
from reelabel.models.registry import load_detector
from reelabel.tables import LABELS
from reelabel.workspace import Workspace
from reelabel.workspace.results import Decision

WEIGHTS = DATA / "weights" / "yolox_nano.onnx"
BALLS = DATA / "annotated" / "volleyball_ball"
FOOTBALL = DATA / "annotated" / "soccer_ball"
Truth = dict[str, np.ndarray]
"""Frame of a clip, ``clip/number`` -> its boxes ``(n, 4)`` xyxy."""


@dataclass(frozen=True)
class Case:
    """One set of clips and drawn boxes.

    Attributes:
        truth: COCO file of all boxes.
        drawn: the clip in which boxes are given.
        count, every: so many boxes, of every such frame that has one.
        tested: clips, or a folder of pictures, that are scored.
        category: name of the class in the file; in the workspace it is ``thing``, so that no
            network has a class of this name.
        settings: of the workspace.
    """

    truth: Path
    drawn: Path
    count: int
    every: int
    tested: tuple[Path, ...]
    category: str = "sports ball"
    settings: Mapping[str, Any] = field(default_factory=dict)


_VOLLEYBALL = (BALLS / "clip_two.mp4", BALLS / "clip_three.mp4")
_ONE = {"clean": {"max_per_frame": 1}}  # one ball is in play
CASES = {
    "volleyball-20": Case(
        BALLS / "instances.json", BALLS / "clip_one.mp4", 20, 8, _VOLLEYBALL, settings=_ONE
    ),
    "volleyball-54": Case(
        BALLS / "instances.json", BALLS / "clip_one.mp4", 54, 3, _VOLLEYBALL, settings=_ONE
    ),
    "train-10": Case(
        DATA / "annotated/hand_boxes/instances.json",
        DATA / "videos/trains/train_day.mp4",
        10,
        1,
        (DATA / "videos/trains/train_rain.mp4",),
        "train",
    ),
    "football-20": Case(
        FOOTBALL / "instances.json",
        FOOTBALL / "08fd33.mp4",
        20,
        4,
        (FOOTBALL / "frames/573e61",),
        settings=_ONE,
    ),
}


def read_truth(case: Case) -> dict[Path, dict[int, np.ndarray]]:
    """Return clip or folder -> frame index -> boxes of the case's class."""
    coco = json.loads(case.truth.read_text())
    category = next(c["id"] for c in coco["categories"] if c["name"] == case.category)
    found: dict[Path, dict[int, np.ndarray]] = {}
    for image in coco["images"]:
        complete = image.get("complete_categories", [category])
        if category not in complete:
            continue
        own = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        xywh = [a["bbox"] for a in own if a["category_id"] == category]
        clip = DATA / image["video"] if image["video"] else case.truth.parent / image["file_name"]
        clip = clip if image["video"] else clip.parent
        boxes = xywh_to_xyxy(np.array(xywh, np.float32).reshape(-1, 4))
        found.setdefault(clip, {})[image["frame_index"]] = boxes
    return found


def drawn_frames(case: Case, truth: Mapping[int, np.ndarray]) -> list[int]:
    """Return the frames whose boxes are given: spread over those with a box."""
    some = [index for index in sorted(truth) if len(truth[index])][:: case.every]
    chosen = np.linspace(0, len(some) - 1, min(case.count, len(some))).round().astype(int)
    return [some[i] for i in chosen]


def drawn_file(path: Path, case: Case, truth: Mapping[int, np.ndarray]) -> Path:
    """Write the boxes that are given as COCO."""
    images, notes, (width, height) = [], [], probe(case.drawn).display_wh
    for number, index in enumerate(drawn_frames(case, truth), 1):
        images.append({"id": number, "file_name": f"{number}.png", "frame_index": index})
        images[-1] |= {"video": case.drawn.name, "width": width, "height": height}
        for x1, y1, x2, y2 in truth[index].tolist():
            note = {"id": len(notes) + 1, "image_id": number, "category_id": 1, "iscrowd": 0}
            notes.append(note | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1.0})
    categories = [{"id": 1, "name": "thing"}]
    path.write_text(json.dumps({"images": images, "annotations": notes, "categories": categories}))
    return path


def pictures(clip: Path) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the pictures of a clip, or of a folder, with their positions."""
    if clip.is_dir():
        yield from enumerate(map(read_rgb, sorted(clip.iterdir())))
    else:
        yield from ((frame.index, frame.rgb()) for frame in decode(clip))


def scores(model: Path, case: Case, truth: Mapping[Path, Mapping[int, np.ndarray]]) -> ClassScores:
    """Return the scores of a student on the clips that are tested."""
    predict, frames, found = load_detector(f"student:{model}").open(), [], []
    for clip in case.tested:
        for index, picture in pictures(clip):
            if index in truth[clip]:
                boxes = truth[clip][index]
                known = Boxes(boxes, np.ones(len(boxes)), np.zeros(len(boxes)))
                frames.append(KnownFrame(clip.name, index, known))
                found += predict([picture])
    return detection_scores(frames, found, ["thing"]).overall


def label_rates(
    ws: Workspace, number: int, case: Case, truth: Mapping[Path, Mapping[int, np.ndarray]]
) -> ClassScores | None:
    """Return precision and recall of a round's positive labels in the clips that are tested."""
    names = {video.name: video.video_id for video in ws.videos()}
    frames, found = [], []
    for clip in case.tested:
        if clip.name not in names or names[clip.name] not in ws.shards(LABELS, number):
            continue
        rows = ws.read(LABELS, names[clip.name], number).to_pylist()
        for index, boxes in truth[clip].items():
            own = [r for r in rows if r["frame_index"] == index and r["state"] == "positive"]
            xyxy = np.array([[r[k] for k in ("x1", "y1", "x2", "y2")] for r in own], np.float32)
            known = Boxes(boxes, np.ones(len(boxes)), np.zeros(len(boxes)))
            frames.append(KnownFrame(clip.name, index, known))
            found.append(Boxes(xyxy.reshape(-1, 4), np.ones(len(own)), np.zeros(len(own))))
    return detection_scores(frames, found, ["thing"]).overall if frames else None


def run_case(name: str, seed: int, rounds: int, home: Path) -> None:
    """Run one case and print a row for each round."""
    case, root = CASES[name], home / f"{name}-{seed}"
    truth = read_truth(case)
    workspace = Workspace(root / "w")
    if not workspace.config_path.exists():
        root.mkdir(parents=True, exist_ok=True)
        settings = {"seed": seed, "sample": {"every": 2}, "train": {"weights": str(WEIGHTS)}}
        workspace = reelabel.init(
            root / "w",
            classes=["thing"],
            videos=[case.drawn, *case.tested],
            detector="none",
            settings={**settings, **case.settings},
        )
        file = drawn_file(root / "drawn.json", case, truth[case.drawn])
        reelabel.import_labels(workspace, file, what="labels")
    began = time.perf_counter()
    reelabel.run(workspace, rounds=rounds, quiet=True)
    minutes = (time.perf_counter() - began) / 60
    for number in range(rounds):
        folder = workspace.round_dir(number)
        if not (folder / "model" / "model.json").is_file():
            continue
        one, labels = scores(folder / "model", case, truth), None
        if number:
            labels = label_rates(workspace, number, case, truth)
        decision = Decision.load(folder)
        row = f"| {name} | {seed} | {number} | {one.ap50:.3f} | {one.f1:.3f} |"
        row += f" {labels.precision:.2f} / {labels.recall:.2f} |" if labels else " |"
        print(f"{row} {decision.best if decision else ''} | {minutes:.0f} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), choices=[*CASES, []])
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="Folder for workspaces, to go on with later.")
    options = parser.parse_args()
    print("| case | seed | round | AP50 | F1 | labels: precision / recall | best | min |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for case in options.cases or CASES:
            for seed in options.seeds:
                run_case(case, seed, options.rounds, options.keep or Path(name))


if __name__ == "__main__":
    main()
