"""export --unsure: what a person should look at first goes out, is corrected, and comes back."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import reelabel as api
from reelabel.engine.outputs import CLASSES
from reelabel.engine.run import Options
from reelabel.errors import MissingInput, ShardError, UsageError
from reelabel.formats.coco import read_coco
from reelabel.formats.registry import BOX_WRITERS
from reelabel.pipeline import read_config, run
from reelabel.tables import CLASS_LABELS, FRAMES, LABELS, MOMENTS, STUDENT_PREDICTIONS
from reelabel.verbs.init import init
from reelabel.verbs.unsure import UNSURE_CSV
from reelabel.workspace import Workspace

OF_PICTURES = sorted({*BOX_WRITERS} - {"cvat-video", "mot", "label-studio-video"})


def listed(folder: Path) -> list[dict[str, str]]:
    """Return the rows of the table beside an export."""
    with (folder / UNSURE_CSV).open(newline="") as file:
        return list(csv.DictReader(file))


def frames_of(folder: Path) -> list[tuple[str, int]]:
    """Return video and time stamp of each row."""
    return [(row["video_id"], int(row["pts"])) for row in listed(folder)]


def boxes_in(folder: Path) -> dict[tuple[str, int], list[float]]:
    """Return the left edges of the objects in each picture that has any."""
    data = read_coco(folder / "annotations" / "instances_train.json")
    pairs = zip(data.images, data.boxes, strict=True)
    found = {(i.video, i.pts): b.xyxy[b.has_state("positive"), 0].tolist() for i, b in pairs}
    return {key: left for key, left in found.items() if left}


def with_labels(workspace: Workspace, boxes) -> list[tuple[str, int]]:
    """Make these the labels of the first video's frames: (state, rule, score, left) each."""
    first, *others = workspace.shards(LABELS, 0)
    frames = workspace.read(FRAMES, first)["pts"].to_pylist()
    rows = [
        {
            "video_id": first,
            "pts": frames[at],
            "frame_index": at,
            "category": "disc",
            "score": score,
            "x1": left,
            "y1": 20.0,
            "x2": left + 20,
            "y2": 40.0,
            "state": state,
            "origin": "teacher",
            "round": 0,
            "rule": rule,
            "reason": "",
        }
        for at, state, rule, score, left in boxes
    ]
    for video_id in others:
        sure = workspace.read(LABELS, video_id, 0)
        at = sure.schema.get_field_index("score")
        sure = sure.set_column(at, "score", pa.array(np.ones(len(sure), np.float32)))
        workspace.write(LABELS, video_id, sure, fingerprint="x", round_number=0)
    workspace.write(LABELS, first, LABELS.from_rows(rows), fingerprint="x", round_number=0)
    return [(first, frames[at]) for at, *_ in boxes]


DOUBTS = [
    (3, "ignore", "score", 0.4, 10.0),
    (0, "positive", "score", 1.0, 10.0),
    (1, "ignore", "score", 0.45, 10.0),
    (2, "ignore", "score", 0.1, 10.0),
]


@pytest.mark.parametrize("kind", OF_PICTURES)
def test_what_a_person_settled_is_not_asked_again(timed, tmp_path, kind):
    """In every format: the frames that come back as labels are no longer in doubt."""
    with_labels(timed, DOUBTS)
    out = api.export(timed, tmp_path / "out", format=kind, unsure=1)
    shown = frames_of(out)
    assert len(shown) == 1
    api.import_labels(timed, out)
    run(timed, read_config(timed), Options(quiet=True), until="merge")
    with_labels(timed, DOUBTS)
    again = frames_of(api.export(timed, tmp_path / "again", unsure=40))
    assert again
    assert not set(shown) & set(again)


def test_doubtful_boxes_are_shown_as_objects_and_weak_ones_are_settled(timed, tmp_path):
    """From half of the threshold on a box is there to be confirmed; less is left out."""
    (*_, likely, weak) = with_labels(timed, DOUBTS)
    shown = boxes_in(api.export(timed, tmp_path / "out", format="coco", unsure=40))
    assert shown[likely] == [10.0]
    assert weak not in shown


def test_no_doubtful_box_is_shown_where_an_object_is(timed, tmp_path):
    """Two boxes around one object would be one to delete in every picture."""
    (first, _) = with_labels(
        timed, [(0, "positive", "score", 0.6, 10.0), (0, "ignore", "score", 0.45, 12.0)]
    )
    shown = boxes_in(api.export(timed, tmp_path / "out", format="coco", unsure=40))
    assert shown[first] == [10.0]


@pytest.mark.parametrize("kind", sorted({*BOX_WRITERS, "onnx", "detections-txt"} - {*OF_PICTURES}))
def test_formats_without_single_pictures_are_refused(timed, tmp_path, kind):
    """A format of whole videos, of text or of the student cannot hold some frames to correct."""
    out = tmp_path / ("out.onnx" if kind == "onnx" else "out")
    with pytest.raises(UsageError, match="pictures"):
        api.export(timed, out, format=kind, unsure=3)
    assert not out.exists()


def class_labels(workspace: Workspace, number: int = 0):
    """Yield the labels of each video, with its id."""
    for video_id in workspace.shards(CLASS_LABELS, number):
        yield video_id, workspace.read(CLASS_LABELS, video_id, number)


def make_doubtful(workspace: Workspace) -> tuple[str, int]:
    """Make one label of a workspace unlikely and all others certain; return its moment."""
    doubtful = None
    for video_id, table in class_labels(workspace):
        probability = np.ones(len(table), np.float32)
        if doubtful is None:
            probability[2] = 0.1
            doubtful = video_id, table["pts"][2].as_py()
        write_probability(workspace, video_id, probability)
    return doubtful


def write_probability(workspace: Workspace, video_id: str, probability) -> None:
    """Make these the probabilities of the labels of a video."""
    table = workspace.read(CLASS_LABELS, video_id, 0)
    at = table.schema.get_field_index("probability")
    changed = table.set_column(at, table.schema.field(at), pa.array(probability))
    workspace.write(CLASS_LABELS, video_id, changed, fingerprint="x", round_number=0)


@pytest.mark.parametrize("kind", sorted(CLASSES["exports"]))
def test_the_least_likely_class_is_shown_first_and_settled_once(classes_copy, tmp_path, kind):
    """In every format: the claim goes out, and is a person's once it came back."""
    moment = make_doubtful(classes_copy)
    out = api.export(classes_copy, tmp_path / "out", format=kind, unsure=5)
    assert frames_of(out) == [moment]
    assert "probability 0.10" in listed(out)[0]["in_doubt"]
    api.import_labels(classes_copy, out)
    run(classes_copy, read_config(classes_copy), Options(quiet=True), until="merge")
    tables = [table for video_id, table in class_labels(classes_copy) if video_id == moment[0]]
    rows = [row for table in tables for row in table.to_pylist() if row["pts"] == moment[1]]
    assert {row["origin"] for row in rows} == {"person"}


@pytest.mark.parametrize("kind", ["image-folder", "class-csv", "kinetics-csv", "fiftyone"])
def test_a_window_goes_out_with_all_its_pictures(windows, tmp_path, kind):
    """Of clips the least likely window is written whole, and is a person's once it came back."""
    moment = make_doubtful(windows)
    out = api.export(windows, tmp_path / "out", format=kind, unsure=1)
    assert frames_of(out) == [moment]
    (row,) = windows.read(MOMENTS, moment[0]).filter(pc.field("pts") == moment[1]).to_pylist()
    assert len(list(out.rglob("*.jpg"))) == len(row["pictures"]) > 1
    api.import_labels(windows, out)
    run(windows, read_config(windows), Options(quiet=True), until="merge")
    labels = windows.read(CLASS_LABELS, moment[0], 0).to_pylist()
    assert {r["origin"] for r in labels if r["pts"] == moment[1]} == {"person"}


@pytest.fixture
def windows(disc_clips, tmp_path) -> Workspace:
    """Return a workspace of windows of frames, tagged by the folders of its clips."""
    for clip, name in zip(disc_clips[:2], ("one", "two"), strict=True):
        (tmp_path / "footage" / name).mkdir(parents=True)
        shutil.copy(clip, tmp_path / "footage" / name)
    made = init(
        tmp_path / "w",
        classes=["one", "two"],
        videos=[tmp_path / "footage"],
        tags="folders",
        task="classify-clips",
        settings={"engine": {"workers": 1}, "window": {"frames": 4, "step_s": 0, "per_video": 3}},
    )
    run(made, read_config(made), Options(quiet=True), until="merge")
    return made


def test_the_student_is_asked_where_no_probe_was(classes_copy, tmp_path):
    """Of a claim without a probability the student judges, if the moment was held out from it."""
    labelled = set(classes_copy.shards(CLASS_LABELS, 0))
    held_out = next(v for v in classes_copy.shards(STUDENT_PREDICTIONS, 0) if v in labelled)
    for video_id, table in class_labels(classes_copy):
        write_probability(classes_copy, video_id, np.full(len(table), np.nan, np.float32))
    rows = classes_copy.read(STUDENT_PREDICTIONS, held_out, 0)
    at = rows.schema.get_field_index("probability")
    label = classes_copy.read(CLASS_LABELS, held_out, 0)["category"][0].as_py()
    likely = [0.25 if name == label else 0.75 for name in rows["category"].to_pylist()]
    changed = rows.set_column(at, rows.schema.field(at), pa.array(np.float32(likely)))
    classes_copy.write(STUDENT_PREDICTIONS, held_out, changed, fingerprint="x", round_number=0)
    found = listed(api.export(classes_copy, tmp_path / "out", unsure=1))
    assert [row["video_id"] for row in found] == [held_out]
    assert "probability 0.25" in found[0]["in_doubt"]


def test_nothing_in_doubt_is_said(classes_copy, tmp_path):
    """Where a person has nothing to settle there is an error, and no folder."""
    for video_id, table in class_labels(classes_copy):
        write_probability(classes_copy, video_id, np.ones(len(table), np.float32))
    with pytest.raises(MissingInput, match="nothing is in doubt"):
        api.export(classes_copy, tmp_path / "out", unsure=5)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("task", ["timed", "classes_copy"])
def test_a_picture_that_is_gone_is_named_with_the_way_out(task, tmp_path, request):
    """Nothing is written, and the message has the command that makes it again."""
    workspace = request.getfixturevalue(task)
    _ = with_labels(workspace, DOUBTS) if task == "timed" else make_doubtful(workspace)
    for picture in (workspace.root / "frames").rglob("*.jpg"):
        picture.unlink()
    with pytest.raises(ShardError, match="reelabel sample"):
        api.export(workspace, tmp_path / "out", unsure=1)
    assert not (tmp_path / "out").exists()


def test_the_command_says_what_to_do_next(timed, tmp_path, reelabel):
    """The flag prints how many pictures there are and how they come back."""
    with_labels(timed, DOUBTS)
    code, out, _ = reelabel("export", timed.root, tmp_path / "out", "--unsure", 1)
    assert code == 0
    assert "round 0: 1 to look at first, in 1 video; UNSURE.csv states why" in out
    assert f"reelabel import {timed.root} FILE --as labels" in out
    assert reelabel("export", timed.root, tmp_path / "x", "--unsure", 0)[0] == 2
