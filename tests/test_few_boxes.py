"""Few drawn boxes instead of a detector: the first round learns from them alone."""

from __future__ import annotations

import json

import pytest

import reelabel
from reelabel.errors import MissingInput, ModelError, UsageError
from reelabel.models.registry import load_detector
from reelabel.pipeline import read_config
from reelabel.tables import CANDIDATES, DETECTIONS, LABELS, SEEN
from reelabel.workspace.results import Decision
from reelabel.workspace.rounds import best_model

DRAWN, EMPTY = (0, 4, 8), 12


def coco_file(path, video, boxes):
    """Write drawn boxes of frames of a video; a frame without boxes has no object."""
    images, notes = [], []
    for number, (frame, xywhs) in enumerate(boxes.items(), 1):
        name = f"{number}.png"
        images.append({"id": number, "file_name": name, "video": video, "frame_index": frame})
        for xywh in xywhs:
            note = {"id": len(notes) + 1, "image_id": number, "category_id": 1, "bbox": xywh}
            notes.append(note | {"area": xywh[2] * xywh[3], "iscrowd": 0})
    for image in images:
        image |= {"width": 160, "height": 96}
    categories = [{"id": 1, "name": "disc"}]
    path.write_text(json.dumps({"images": images, "annotations": notes, "categories": categories}))
    return path


@pytest.fixture
def workspace(tmp_path, make_disc_clip):
    """Return a workspace without a detector on three clips."""
    for seed in range(3):
        make_disc_clip(tmp_path / "footage" / f"clip{seed}.mp4", seed)
    settings = {"train": {"student": "fake"}, "advance": {"keep_going": True}}
    return reelabel.init(
        tmp_path / "w",
        classes=["disc"],
        videos=[tmp_path / "footage"],
        detector="none",
        settings=settings,
    )


def import_drawn(workspace):
    """Import boxes of three frames of a clip, and one frame without an object."""
    boxes = {frame: [[12 + 6 * frame, 20, 18, 18]] for frame in DRAWN} | {EMPTY: []}
    file = coco_file(workspace.root.parent / "drawn.json", "clip0.mp4", boxes)
    reelabel.import_labels(workspace, file, what="labels")


def training_frames(workspace, number):
    """Return the frames of a round's data set: video, frame, number of boxes."""
    folder = workspace.round_dir(number) / "dataset"
    coco = json.loads((folder / "train.json").read_text())
    count = {image["id"]: 0 for image in coco["images"]}
    for note in coco["annotations"]:
        count[note["image_id"]] += 1
    assert json.loads((folder / "val.json").read_text())["images"] == []
    return {(image["video"], image["frame_index"]): count[image["id"]] for image in coco["images"]}


def test_without_labels_it_says_what_to_import(workspace):
    """A run without drawn boxes ends at once, with the command that brings them in."""
    with pytest.raises(MissingInput, match="reelabel import WORKSPACE FILE --as labels"):
        reelabel.run(workspace, quiet=True)
    waits = {one.stage: one.waits for one in reelabel.status(workspace)}
    assert "--as labels" in waits["detect"]


def test_the_first_round_learns_from_annotated_frames_alone(workspace):
    """Frames that nobody annotated are unlabelled; one without an object is background."""
    import_drawn(workspace)
    done = reelabel.run(workspace, rounds=1, quiet=True)
    assert done.exit_code == 0
    frames = training_frames(workspace, 0)
    assert {frame: n for (_, frame), n in frames.items()} == dict.fromkeys(DRAWN, 1) | {EMPTY: 0}
    assert len({video for video, _ in frames}) == 1
    for table in (SEEN, DETECTIONS):
        assert [len(workspace.read(table, v, 0)) for v in workspace.shards(table, 0)] == [0] * 3
    decision = Decision.load(workspace.round_dir(0))
    assert (decision.action, decision.best) == ("advance", "round:0")
    assert "there was no detector" in decision.reason
    assert best_model(workspace, read_config(workspace).project.detector) == "round:0"


def test_the_student_labels_the_second_round(workspace):
    """The student finds discs in the other clips; what was drawn stays as it was drawn."""
    import_drawn(workspace)
    reelabel.run(workspace, rounds=2, quiet=True)
    frames = training_frames(workspace, 1)
    assert len({video for video, _ in frames}) == 3
    assert len(frames) > len(DRAWN)
    rows = [
        row for v in workspace.shards(LABELS, 1) for row in workspace.read(LABELS, v, 1).to_pylist()
    ]
    drawn = [row for row in rows if row["origin"] == "person"]
    assert {(r["frame_index"], r["x1"]) for r in drawn} == {(i, 12.0 + 6 * i) for i in DRAWN}
    found = {(r["video_id"], r["frame_index"]) for r in rows if r["origin"] == "teacher"}
    assert found
    assert (drawn[0]["video_id"], EMPTY) not in found, "a person annotated it as empty"


def test_the_student_labels_no_more_than_people_drew(workspace):
    """With a bound on boxes per frame only the best stay, the next are ignored."""
    import_drawn(workspace)
    states = {}
    for bound in (None, 0.7):
        settings = {"clean": {"score": 0.05, "drawn_density": bound}}
        reelabel.run(workspace, rounds=2, settings=settings, quiet=True)
        tables = [workspace.read(CANDIDATES, v, 1) for v in workspace.shards(CANDIDATES, 1)]
        rows = [row for table in tables for row in table.to_pylist()]
        states[bound] = {row["score"]: row["state"] for row in rows}
    worst, best = (function(states[None]) for function in (min, max))
    assert worst < best
    assert set(states[None].values()) == {"positive"}
    assert (states[0.7][worst], states[0.7][best]) == ("ignore", "positive")


def test_the_detector_none_detects_nothing():
    """It takes any classes and no options, and cannot be used as a model."""
    found = load_detector("none", wanted=("a", "b"))
    assert found.classes == ("a", "b")
    with pytest.raises(ModelError, match="finds nothing"):
        found.open()
    with pytest.raises(UsageError, match="no option 'floor'"):
        load_detector("none", options={"floor": 0.1})
