"""The numbers of a round are those of the field's own code, on the frames that they speak of."""

from __future__ import annotations

import contextlib
import io
import json
import math
import shutil
from fractions import Fraction

import cv2
import pytest

from reelabel.media.encode import VideoWriter
from reelabel.media.video import decode
from reelabel.models.students.detector import StudentDetector, load_student_detector
from reelabel.tables import DETECTIONS, LABELS, TRUTH, TRUTH_FRAMES
from reelabel.workspace.results import Scores
from reelabel.workspace.rounds import score_warnings

ROUND = ("detect", "track", "mine", "clean", "merge", "split", "train", "evaluate")


def drawn(video, frames, shift=0.0):
    """Return COCO images and boxes around the disc of the n-th clip, off by `shift` pixels."""
    number = int(video[4])
    images, notes = [], []
    for i in frames:
        y = 30 + 12 * number + round(8 * math.sin(i / 3))
        images.append({"file_name": f"{i}", "video": video, "frame_index": i})
        notes.append([20 + 6 * i - 9.5 + shift, y - 9.5, 20, 20])
    return images, notes


@pytest.fixture
def scored(bench, disc_clips):
    """Return a function that runs a round with truth on some frames, and returns its scores."""
    bench.configure(
        videos=[str(clip) for clip in disc_clips[:3]],
        test_videos=[str(disc_clips[3])],
        detector="fake:",
        train={"student": "fake"},
        truth="truth.json",
    )

    def run(*parts, complete=None, **settings):
        images = [image for part in parts for image in part[0]]
        boxes = [box for part in parts for box in part[1]]
        if complete is not None:
            images = [image | {"complete_categories": complete} for image in images]
        value = {
            "images": [{"id": i} | image for i, image in enumerate(images, 1)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": box, "iscrowd": 0}
                for i, box in enumerate(boxes, 1)
            ],
            "categories": [{"id": 1, "name": "ball"}],
        }
        (bench.root / "truth.json").write_text(json.dumps(value))
        once = ("register", "cut", "truth", "sample", "dedup")
        bench.run(*once, *ROUND, **settings or {"resamples": 0})
        return Scores.load(bench.workspace.round_dir(0))

    return run


def published(truth_rows, said_rows):
    """Return AP, AP50, AP75 and AR100 as the published code computes them."""
    from pycocotools.coco import COCO  # noqa: PLC0415 -- only here, and it prints
    from pycocotools.cocoeval import COCOeval  # noqa: PLC0415 -- the same

    keys = sorted({(row["video_id"], row["pts"]) for row in truth_rows})
    number = {key: i for i, key in enumerate(keys, 1)}

    def as_coco(rows):
        for i, row in enumerate(rows, 1):
            if (row["video_id"], row["pts"]) in number:
                w, h = row["x2"] - row["x1"], row["y2"] - row["y1"]
                yield {
                    "id": i,
                    "image_id": number[row["video_id"], row["pts"]],
                    "category_id": 1,
                    "bbox": [row["x1"], row["y1"], w, h],
                    "area": w * h,
                    "iscrowd": 0,
                    "score": row.get("score", 1.0),
                }

    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": i} for i in number.values()],
            "annotations": list(as_coco(truth_rows)),
            "categories": [{"id": 1, "name": "ball"}],
        }
        truth.createIndex()
        judge = COCOeval(truth, truth.loadRes(list(as_coco(said_rows))), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return [judge.stats[i] for i in (0, 1, 2, 8)]


def test_the_numbers_are_those_of_the_published_code(scored, bench):
    """AP, AP50, AP75 and AR of the teacher equal pycocotools' on the same rows."""
    scores = scored(drawn("clip0.mp4", range(2, 14), 3.0), drawn("clip1.mp4", range(0, 12, 3)))
    teacher = scores.truth.models["teacher"].overall
    mine = [getattr(teacher, k).value for k in ("ap", "ap50", "ap75", "ar")]
    theirs = published(bench.rows(TRUTH), bench.rows(DETECTIONS))
    assert mine == pytest.approx(theirs, abs=1e-5)
    assert 0 < mine[0] < 1
    assert scores.truth.frames == scores.truth.boxes == 16


def test_the_student_is_scored_on_the_same_frames(scored, bench):
    """The student looks at the annotated frames and is judged as its teacher was."""
    scores = scored(drawn("clip0.mp4", range(2, 14)))
    student = load_student_detector(bench.workspace.round_dir(0) / "model")
    assert isinstance(student, StudentDetector)
    assert scores.truth.models["student"].overall.ap50.value > 0.5
    assert not scores.truth.gains


def test_the_untrained_start_is_scored_beside_the_others(scored, bench):
    """Where training kept the start, it takes part in every comparison."""
    scored(drawn("clip0.mp4", range(2, 14)))
    model = bench.workspace.round_dir(0) / "model"
    shutil.copytree(model, model / "start")
    bench.run("evaluate", resamples=20)
    scores = Scores.load(bench.workspace.round_dir(0))
    start, student = (scores.truth.models[role] for role in ("start", "student"))
    assert start.overall.ap.value == student.overall.ap.value
    assert set(scores.truth.gains) == {"teacher", "start"}
    assert scores.truth.gains["start"].mean == 0


def test_each_video_has_its_own_figures(scored):
    """They are those that a truth of this video alone gives, for both models."""
    shaky, good = drawn("clip0.mp4", range(2, 14), 3.0), drawn("clip1.mp4", range(0, 12, 3))
    both = {row.name: row for row in scored(shaky, good).truth.videos}
    assert [both[name].frames for name in ("clip0.mp4", "clip1.mp4")] == [12, 4]
    alone = scored(shaky).truth
    for role in ("teacher", "student"):
        assert both["clip0.mp4"].models[role].ap == alone.models[role].overall.ap
    values = [both[name].models["teacher"].ap.value for name in ("clip0.mp4", "clip1.mp4")]
    assert values[1] > values[0]


def test_intervals_stand_beside_the_numbers(scored):
    """With resamples each figure has its interval, and the difference of both models one too."""
    truth = [drawn(f"clip{i}.mp4", range(2, 14), 1.5 * i) for i in range(3)]
    scores = scored(*truth, resamples=50).truth
    for role in ("teacher", "student"):
        figure = scores.models[role].overall.ap
        assert figure.low <= figure.value <= figure.high
    assert scores.gains["teacher"].low <= scores.gains["teacher"].high
    assert scores.units >= 1


def test_unseen_truth_stands_apart(scored, bench):
    """Scores on videos of which nothing was trained on are given beside those on all."""
    scores = scored(drawn("clip3.mp4", range(2, 8)), drawn("clip0.mp4", range(2, 14)))
    trained = json.loads((bench.workspace.round_dir(0) / "dataset/train.json").read_text())
    trained = {image["video"] for image in trained["images"]}
    frames = [row for row in bench.rows(TRUTH_FRAMES) if row["video_id"] not in trained]
    assert scores.truth.frames == 18
    assert scores.truth_unseen.frames == len(frames) in {6, 18}
    assert {row["video_id"] for row in bench.rows(LABELS)}.isdisjoint(
        row.video_id for row in bench.workspace.videos() if row.role == "test"
    )


def test_a_test_video_that_is_a_copy_is_named(scored, bench, disc_clips, tmp_path):
    """Encoded anew and smaller it is no longer the same file; what it shows is."""
    copy = tmp_path / "clip9.mp4"
    with VideoWriter(copy, time_base=Fraction(1, 25), rate=25, crf=32) as writer:
        for i, frame in enumerate(decode(disc_clips[0])):
            writer.write(cv2.resize(frame.rgb(), None, fx=0.75, fy=0.75), i)
    bench.configure(test_videos=[str(copy), str(disc_clips[3])])
    images = [{"file_name": str(i), "video": "clip9.mp4", "frame_index": i} for i in range(2, 8)]
    other = drawn("clip3.mp4", range(2, 8))
    boxes = [[10.0, 10.0, 9.0, 9.0]] * len(images)
    assert scored((images, boxes), other).alike == {"clip9.mp4": "clip0.mp4"}
    (said,) = score_warnings(bench.workspace, 0)
    assert "clip9.mp4 looks like clip0.mp4" in said


def test_a_test_video_without_signatures_is_named_as_not_compared(scored, bench, monkeypatch):
    """Whether it is a copy of what was trained on is then not known, and stated so."""
    monkeypatch.setattr("reelabel.stages.evaluate.spread_signatures", lambda _: [])
    scores = scored(drawn("clip3.mp4", range(2, 8)))
    assert (scores.alike, scores.not_compared) == ({}, ("clip3.mp4",))
    (warning,) = score_warnings(bench.workspace, 0)
    assert "clip3.mp4 has no signature" in warning


def test_frames_that_say_nothing_of_a_class_do_not_count_for_it(scored):
    """A frame that is complete for no class judges nobody."""
    scores = scored(drawn("clip0.mp4", range(2, 6)), complete=[])
    assert scores.truth.models["teacher"].overall.ap.value is None


def test_the_labels_themselves_are_judged(scored):
    """Precision and recall of the labels on the annotated frames of the footage are given."""
    labels = scored(drawn("clip0.mp4", range(2, 14))).labels
    assert labels.precision.value > 0.8
    assert labels.recall.value > 0.8
    assert scored(drawn("clip3.mp4", range(2, 8))).labels is None


def test_where_labels_are_in_doubt_nobody_is_judged(scored, bench):
    """An ignored label is no false alarm of a student that sees something there."""
    text = (bench.root / "reelabel.yaml").read_text()
    (bench.root / "reelabel.yaml").write_text(text.replace("truth: truth.json\n", ""))
    sure = scored(drawn("clip0.mp4", [2])).agreement.models["student"].overall
    bench.configure(clean={"border_px": 12})
    doubtful = scored(drawn("clip0.mp4", [2])).agreement.models["student"].overall
    assert doubtful.precision.value == sure.precision.value == 1
    labels = json.loads((bench.workspace.round_dir(0) / "dataset/val.json").read_text())
    assert sum(box["iscrowd"] for box in labels["annotations"]) == 1


def test_agreement_is_never_called_truth(scored, bench):
    """Without truth the labels of held-out frames are what is agreed with."""
    bench.configure(truth=None)
    (bench.root / "reelabel.yaml").write_text(
        (bench.root / "reelabel.yaml").read_text().replace("truth: truth.json\n", "")
    )
    scores = scored(drawn("clip0.mp4", [2]))
    assert (scores.truth, scores.truth_unseen, scores.labels) == (None, None, None)
    teacher, student = (scores.held_out.models[role] for role in ("teacher", "student"))
    assert teacher.labels.value == 1
    assert 0 <= student.labels.value <= 1
    assert scores.held_out.labels == scores.agreement.boxes
    assert scores.mirror.student["teacher"].objects > 0
    assert 0 <= scores.mirror.models["student"].value <= 1
    assert scores.leak_free
    val = json.loads((bench.workspace.round_dir(0) / "dataset/val.json").read_text())
    assert scores.agreement.frames == len(val["images"])
