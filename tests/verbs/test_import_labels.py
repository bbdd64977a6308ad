"""The verb import: boxes from outside become truth, labels, or the first teacher's detections."""

from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
import yaml

import reelabel as api
from reelabel.engine.run import Options
from reelabel.errors import FormatError, ModelError, UsageError
from reelabel.formats.coco import read_coco
from reelabel.formats.detections_txt import read_detections, write_detections
from reelabel.media.video import decode
from reelabel.pipeline import DETECT, read_config, run, run_one
from reelabel.tables import (
    DETECTIONS,
    IMPORTED,
    IMPORTED_FRAMES,
    LABELS,
    SEEN,
    TRUTH,
    TRUTH_FRAMES,
    xyxy_of,
)
from reelabel.verbs.init import init
from reelabel.workspace import Workspace
from reelabel.workspace.rounds import truth_notes

FRAMES = 20
TEXT = "detections-txt"
BOX = [40.0, 20.0, 18.0, 18.0, 0.9]
SIZE = {"width": 160, "height": 96}


def blocks(*rows, at=5, frames=FRAMES):
    """Return blocks of which one, by default the sixth, holds these boxes."""
    found = [np.zeros((0, 5)) for _ in range(frames)]
    if rows:
        found[at] = np.array(rows, float)
    return found


@pytest.fixture
def text(tmp_path):
    """Return a function that writes blocks and returns the file, named after the first clip."""

    def write(*rows, name="clip0.txt", **where):
        write_detections(tmp_path / name, blocks(*rows, **where))
        return tmp_path / name

    return write


@pytest.fixture
def begin(disc_clips, tmp_path):
    """Return a function that makes a workspace on two clips, every second frame sampled."""

    def make(*classes, **settings):
        footage = tmp_path / "footage"
        for i, clip in enumerate(disc_clips[:2]):
            (footage / str(i)).mkdir(parents=True)
            shutil.copy(clip, footage / str(i))
        values = {"sample": {"every": 2}, "engine": {"workers": 1}} | settings
        return init(
            tmp_path / "w",
            classes=classes or ["disc"],
            videos=[footage],
            detector="motion",
            settings=values,
        )

    return make


def ran(workspace, until="detect"):
    """Run a workspace up to a stage and return the result."""
    return run(workspace, read_config(workspace), Options(quiet=True), until=until)


def row_of(workspace, name):
    """Return the row of a video."""
    return next(row for row in workspace.videos() if row.name == name)


def said(workspace, name):
    """Return the detections of a video as rows."""
    return workspace.read(DETECTIONS, row_of(workspace, name).video_id).to_pylist()


# -- COCO ----------------------------------------------------------------------------------------


@pytest.fixture
def drawn(tmp_path):
    """Return a COCO file of one box in the sixth frame of the first clip."""
    image = {"id": 1, "video": "clip0.mp4", "frame_index": 5} | SIZE
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": BOX[:4], "area": 324, "iscrowd": 0}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "disc"}]}
    (tmp_path / "drawn.json").write_text(json.dumps(content))
    return tmp_path / "drawn.json"


@pytest.mark.parametrize("what", ["labels", "truth"])
def test_drawn_boxes_become_labels_or_truth(begin, drawn, reelabel, what):
    """The file is copied, named in reelabel.yaml, and tied to its frame by the next run."""
    workspace = begin()
    flags, table = ((), IMPORTED) if what == "labels" else (("--as", what), TRUTH)
    code, out, err = reelabel("import", workspace.root, drawn, *flags)
    assert (code, err) == (0, "")
    assert f"1 box in 1 picture imported as {what}" in out
    drawn.unlink()
    ran(workspace, "truth")
    (row,) = workspace.read(table, row_of(workspace, "clip0.mp4").video_id).to_pylist()
    assert [row[k] for k in ("x1", "y1", "x2", "y2", "category")] == [40, 20, 58, 38, "disc"]


@pytest.mark.parametrize(
    "form", ["{id}/{pts}.jpg", "frames/{id}/{pts}.png", "frames\\{id}\\{pts}.jpg"]
)
def test_sampled_pictures_are_found_by_their_folder(begin, drawn, form):
    """Boxes drawn in the pictures of frames/ are tied by the folder's name, the video's id."""
    workspace = begin()
    ran(workspace, "sample")
    video = row_of(workspace, "clip0.mp4")
    picture = next(iter(sorted((workspace.root / "frames" / video.video_id).iterdir())))
    name = form.format(id=video.video_id, pts=picture.stem)
    renamed(drawn, name)
    taken = api.import_labels(workspace, drawn)
    assert [(i.video, i.pts) for i in taken.images] == [(video.video_id, int(picture.stem))]


def test_a_label_file_beside_sampled_pictures_names_their_video(begin, drawn):
    """Tools that drop folders leave the bare name: then the file's own folder is the video's."""
    workspace = begin()
    ran(workspace, "sample")
    video = row_of(workspace, "clip0.mp4")
    folder = workspace.root / "frames" / video.video_id
    renamed(drawn, picture := min(path.name for path in folder.iterdir()))
    with pytest.raises(FormatError, match=r"VIDEO_ID/PTS\.jpg"):
        api.import_labels(workspace, drawn)
    shutil.move(drawn, folder / "labels.json")
    taken = api.import_labels(workspace, folder / "labels.json")
    assert [f"{i.pts}.jpg" for i in taken.images] == [picture]


def renamed(path, name):
    """Let a COCO file with one picture name it by its file alone."""
    content = json.loads(path.read_text())
    content["images"] = [{"id": 1, "file_name": name, "width": 160, "height": 96}]
    path.write_text(json.dumps(content))


def test_a_file_without_pictures_is_refused(begin, drawn):
    """Nothing imported is an error that names the file, and nothing is changed."""
    workspace = begin()
    before = workspace.config_path.read_text()
    drawn.write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    with pytest.raises(FormatError, match=r"drawn\.json: expected pictures"):
        api.import_labels(workspace, drawn)
    assert workspace.config_path.read_text() == before


@pytest.mark.parametrize("what", ["labels", "truth"])
def test_a_frame_whose_boxes_all_lie_outside_is_not_imported(begin, drawn, what):
    """It would be background, though something was drawn there; it is named instead."""
    workspace, said = begin(), []
    content = json.loads(drawn.read_text())
    content["images"].append(content["images"][0] | {"id": 2, "frame_index": 7})
    outside = {"id": 2, "image_id": 2, "bbox": [5000, 5000, 10, 10]}
    content["annotations"].append(content["annotations"][0] | outside)
    drawn.write_text(json.dumps(content))
    taken = api.import_labels(workspace, drawn, what=what, on_message=said.append)
    assert [
        (image.frame_index, len(boxes))
        for image, boxes in zip(taken.images, taken.boxes, strict=True)
    ] == [(5, 1)]
    assert "1 frame left out that had no other box: clip0.mp4 frame 7" in said
    stored = workspace.root / getattr(read_config(workspace).project, what)
    assert len(read_coco(stored).left_out) == 1, "the stage that reads it names the box again"
    content["annotations"] = content["annotations"][1:]
    content["images"] = content["images"][1:]
    drawn.write_text(json.dumps(content))
    with pytest.raises(FormatError, match="all of them lie outside"):
        api.import_labels(workspace, drawn, what=what)


def test_what_of_an_import_is_of_this_workspace_is_counted(begin, drawn, reelabel):
    """Boxes of other videos and classes are kept, but not counted as if they were of use."""
    workspace = begin()
    content = json.loads(drawn.read_text())
    content["images"].append({"id": 2, "video": "other.mp4", "frame_index": 5} | SIZE)
    content["annotations"].append(content["annotations"][0] | {"id": 2, "image_id": 2})
    drawn.write_text(json.dumps(content))
    _, out, _ = reelabel("import", workspace.root, drawn)
    assert "2 boxes in 2 pictures imported as labels, of which 1 box in 1 picture of this" in out


def test_what_comes_later_joins_what_came_before(begin, drawn, tmp_path):
    """Labels of another video are added; pictures that come again replace their older selves."""
    workspace = begin()
    api.import_labels(workspace, drawn)
    content = json.loads(drawn.read_text())
    other = json.loads(drawn.read_text().replace("clip0", "clip1"))
    (tmp_path / "other.json").write_text(json.dumps(other))
    api.import_labels(workspace, tmp_path / "other.json")
    content["annotations"][0]["bbox"] = [50, 20, 18, 18]
    drawn.write_text(json.dumps(content))
    api.import_labels(workspace, drawn)
    ran(workspace, "truth")
    left = {}
    for name in ("clip0.mp4", "clip1.mp4"):
        (row,) = workspace.read(IMPORTED, row_of(workspace, name).video_id).to_pylist()
        left[name] = row["x1"]
    assert left == {"clip0.mp4": 50, "clip1.mp4": 40}


def test_pictures_of_the_truth_come_with_it(begin, tmp_path):
    """A picture that the file names lies beside the copy too, and is a test picture."""
    cv2.imwrite(str(tmp_path / "own.png"), np.full((40, 60, 3), 90, np.uint8))
    content = {"images": [{"id": 1, "file_name": "own.png"}], "annotations": []}
    (tmp_path / "own.json").write_text(json.dumps(content | {"categories": []}))
    workspace = begin()
    api.import_labels(workspace, tmp_path / "own.json", what="truth")
    (tmp_path / "own.png").unlink()
    ran(workspace, "truth")
    assert row_of(workspace, "own.png").role == "test"


def test_labels_of_other_classes_are_refused_before_anything_is_written(begin, drawn, reelabel):
    """Their frames would be taken for empty."""
    workspace = begin()
    drawn.write_text(drawn.read_text().replace('"disc"', '"Disc"'))
    code, _, err = reelabel("import", workspace.root, drawn)
    assert code == 5
    assert "some are of 'Disc' (did you mean 'disc'?" in err
    assert not (workspace.root / "imports").exists()


def exported(workspace, folder, kind):
    """Return a folder with a workspace's data set."""
    run(workspace, read_config(workspace), Options(quiet=True), rounds=1, until="split")
    return api.export(workspace, folder, format=kind)


def boxes_of(workspace, table, **only):
    """Return the boxes of all videos: id, time stamp and rounded corners, sorted."""
    rows = [
        row
        for video_id in workspace.shards(table, *([0] if table is LABELS else []))
        for row in workspace.read(table, video_id, *([0] if table is LABELS else [])).to_pylist()
        if all(row[k] == v for k, v in only.items())
    ]
    corners = ("x1", "y1", "x2", "y2")
    return sorted((r["video_id"], r["pts"], *(round(r[k], 1) for k in corners)) for r in rows)


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("resize", [{}, {"resize": "letterbox", "size": [96, 96]}])
def test_an_exported_data_set_can_be_brought_back(begin, tmp_path, kind, resize):
    """Every format, also of padded pictures: the same boxes in the same frames, to a pixel."""
    workspace = begin(sample={"every": 2, **resize}, detector="fake:")
    folder = exported(workspace, tmp_path / "out", kind)
    labels = boxes_of(workspace, LABELS, state="positive")
    api.import_labels(workspace, folder, format=kind, what="truth")
    ran(workspace, "truth")
    back = boxes_of(workspace, TRUTH)
    assert [row[:2] for row in back] == [row[:2] for row in labels] != []
    apart = np.array([r[2:] for r in back]) - np.array([r[2:] for r in labels])
    assert np.abs(apart).max() < (0.6 if kind == "voc" else 0.2)


def test_pictures_are_known_by_name_after_a_trip_through_other_tools(begin, tmp_path):
    """What was put around the name, a folder and another size change nothing."""
    workspace = begin(detector="fake:")
    folder = exported(workspace, tmp_path / "out", "coco")
    paths = sorted((folder / "annotations").glob("*.json"))
    for path in paths:
        content = json.loads(path.read_text())
        content["images"] = [
            {
                "id": image["id"],
                "file_name": f"task-7/3f2a-{image['file_name']}".replace(
                    ".jpg", "_jpg.rf.0a1b.jpg"
                ),
                "width": 2 * image["width"],
                "height": 2 * image["height"],
            }
            for image in content["images"]
        ]
        for box in content["annotations"]:
            box["bbox"] = [2 * v for v in box["bbox"]]
        path.write_text(json.dumps(content))
    api.import_labels(workspace, folder)
    ran(workspace, "truth")
    wanted = boxes_of(workspace, LABELS, state="positive")
    assert np.allclose(
        [r[1:] for r in boxes_of(workspace, IMPORTED)], [r[1:] for r in wanted], atol=0.2
    )


def test_a_file_that_the_workspace_cannot_use_changes_nothing(begin, drawn):
    """Unknown videos, frames that do not exist, a frame twice: refused before the copy is made."""
    workspace, good = begin(), drawn.read_text()
    before = workspace.config_path.read_text()
    twice = json.loads(good)
    twice["images"].append(twice["images"][0] | {"id": 2, "frame_index": None, "pts": 120})
    for content, why in (
        (good.replace("clip0.mp4", "frame_3.png"), "none of the videos"),
        (good.replace('"frame_index": 5', '"frame_index": 300'), "no frame of clip0.mp4"),
        (json.dumps(twice), "annotated 2 times"),
    ):
        drawn.write_text(content)
        for what in ("labels", "truth"):
            with pytest.raises(FormatError, match=why):
                api.import_labels(workspace, drawn, what=what)
    assert workspace.config_path.read_text() == before
    assert not (workspace.root / "imports").exists()


def test_a_frame_that_comes_again_replaces_itself_under_another_name(begin, drawn):
    """By index, by time stamp or by the end of the path: it is the same frame."""
    workspace, content = begin(), json.loads(drawn.read_text())
    api.import_labels(workspace, drawn)
    content["images"][0] |= {"video": "0/clip0.mp4", "frame_index": None, "pts": 120}
    content["annotations"][0]["bbox"] = [50, 20, 18, 18]
    drawn.write_text(json.dumps(content))
    api.import_labels(workspace, drawn)
    ran(workspace, "truth")
    (row,) = workspace.read(IMPORTED, row_of(workspace, "clip0.mp4").video_id).to_pylist()
    assert row["x1"] == 50


def test_what_is_not_taken_is_reported_and_stays_known(begin, drawn, reelabel):
    """Boxes outside and videos that are elsewhere: on the terminal, and in the notes of truth."""
    workspace, content = begin(), json.loads(drawn.read_text())
    content["images"].append({"id": 2, "video": "other.mp4", "frame_index": 0})
    content["annotations"] += [{"id": 2, "image_id": 1, "category_id": 1, "bbox": [900, 1, 9, 9]}]
    drawn.write_text(json.dumps(content))
    code, out, err = reelabel("import", workspace.root, drawn)
    assert (code, err) == (0, "")
    assert "videos that are not in this workspace: other.mp4" in out
    assert "1 box outside the picture or without area left out: clip0.mp4 frame 5, disc" in out
    ran(workspace, "truth")
    notes = workspace.read_receipt("truth", None).notes
    assert notes["unknown_videos"] == ["other.mp4"]
    assert notes["boxes_nowhere"] == ["clip0.mp4 frame 5, disc at 900, 1, 909, 10"]


def test_splits_and_label_files_that_are_not_read_are_told(begin, tmp_path, reelabel):
    """What the reader of a folder leaves out stands on the terminal."""
    workspace, folder = begin(), tmp_path / "yolo"
    for name, text in (("a", "0 0.5 0.5 0.1 0.1\n"), ("gone", "0 0.5 0.5 0.1 0.1\n")):
        (folder / "labels").mkdir(parents=True, exist_ok=True)
        (folder / f"labels/{name}.txt").write_text(text)
    (folder / "images").mkdir()
    ran(workspace, "register")
    picture = f"{row_of(workspace, 'clip0.mp4').video_id}_120"
    (folder / "labels/a.txt").rename(folder / f"labels/{picture}.txt")
    cv2.imwrite(str(folder / f"images/{picture}.jpg"), np.zeros((96, 160, 3), np.uint8))
    (folder / "data.yaml").write_text("train: images\ntest: test/images\nnames: [disc]\n")
    code, out, err = reelabel("import", workspace.root, folder)
    assert (code, err) == (0, "")
    assert "expected 'test' to name a folder or list" in out
    assert "1 label file without a picture left out: labels/gone.txt" in out


def test_a_folder_without_label_files_is_refused(begin, tmp_path, reelabel):
    """It says what was expected there."""
    code, _, err = reelabel("import", begin().root, tmp_path)
    assert (code, f"{tmp_path}: expected label files" in err) == (5, True)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--format", "coca"), "did you mean 'coco'"),
        (("--as", "detections"), "coco is imported as truth or labels"),
        (("--format", TEXT, "--as", "labels"), "detections-txt is imported as detections"),
        (("--format", TEXT, "--xyxy"), "xyxy is for coco"),
        (("--class", "disc"), "a class is for files that name none (detections-txt, mot)"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(drawn, reelabel, flags, said, *, begin):
    """Exit code 2, and the settings stay as they are."""
    workspace = begin()
    before = workspace.config_path.read_text()
    code, _, err = reelabel("import", workspace.root, drawn, *flags)
    assert (code, said in err) == (2, True), err
    assert workspace.config_path.read_text() == before


# -- detections ----------------------------------------------------------------------------------


def test_a_text_is_what_the_first_teacher_says(begin, text, reelabel):
    """Every frame counts as looked at, boxes stand where they were said, the run goes on."""
    workspace = begin()
    other = [*BOX[:4], 0.25]
    one = text(BOX, other), text([90, 40, 18, 18, 0.5], name="clip1.txt", at=0)
    for path in one:
        code, out, err = reelabel("import", workspace.root, path, "--format", TEXT)
        assert (code, err) == (0, "")
    assert "1 box in 20 pictures imported as detections of the first teacher" in out
    for path in one:
        path.unlink()
    config = workspace.config_path.read_text()
    assert yaml.safe_load(config)["detector"].startswith(TEXT)
    assert config.count("# was ") == 1
    assert ran(workspace, "merge").exit_code == 0
    rows = said(workspace, "clip0.mp4")
    assert [(r["frame_index"], r["pts"], r["category"]) for r in rows] == [(5, 120, "disc")] * 2
    assert [r["score"] for r in rows] == pytest.approx([0.9, 0.25])
    assert [rows[0][k] for k in ("x1", "y1", "x2", "y2")] == [40, 20, 58, 38]
    for video in workspace.videos():
        assert len(workspace.read(SEEN, video.video_id)) == FRAMES
    labels = workspace.read(LABELS, row_of(workspace, "clip1.mp4").video_id).to_pylist()
    assert [(r["frame_index"], r["origin"]) for r in labels] == [(0, "teacher")]


def test_another_text_for_the_same_video_takes_the_place_of_the_first(begin, text):
    """What was made from the first is stale; what did not change is not."""
    workspace = begin()
    api.import_labels(workspace, text(BOX), format=TEXT)
    api.import_labels(workspace, text(BOX, name="clip1.txt"), format=TEXT)
    ran(workspace, "track")
    api.import_labels(workspace, text(BOX, BOX), format=TEXT)
    done = {result.stage: result.done for result in ran(workspace, "track").results}
    assert len(said(workspace, "clip0.mp4")) == 2
    assert done["track"] == 1


@pytest.mark.parametrize("way", ["id", "name", "path", "tail", "exported"])
def test_a_video_can_be_named_in_many_ways(begin, text, way):
    """By id, by name, by path, by the end of its path, or by the name that export gives."""
    workspace = begin()
    ran(workspace, "register")
    row = row_of(workspace, "clip1.mp4")
    path = row.path
    names = {"id": row.video_id, "name": "clip1.mp4", "path": str(path), "tail": "1/clip1.mp4"}
    name = f"clip1-{row.video_id[:6]}.txt" if way == "exported" else "any.txt"
    data = api.import_labels(workspace, text(BOX, name=name), format=TEXT, video=names.get(way))
    assert {image.video for image in data.images} == {"clip1.mp4"}
    assert (workspace.root / "imports/detections/disc" / f"{row.video_id}.txt").is_file()


def test_names_that_mean_no_video_or_two_are_refused(begin, text, tmp_path):
    """The error names the nearest, or those that share the name; broken footage says why."""
    workspace = begin()
    with pytest.raises(UsageError, match=r"none is called 'clip.mp4' .did you mean 'clip[01].mp4'"):
        api.import_labels(workspace, text(BOX), format=TEXT, video="clip.mp4")
    shutil.copy(tmp_path / "footage/0/clip0.mp4", tmp_path / "footage/1/clip0.mp4")
    with (tmp_path / "footage/1/clip0.mp4").open("ab") as file:
        file.write(b"\0" * 8)
    with pytest.raises(UsageError, match=r"could be \S+/0/clip0.mp4, \S+/1/clip0.mp4"):
        api.import_labels(workspace, text(BOX), format=TEXT, video="clip0.mp4")
    (tmp_path / "footage/1/clip0.mp4").write_bytes(b"no video")
    with pytest.raises(UsageError, match=r"clip0\.mp4 cannot be used"):
        api.import_labels(workspace, text(BOX), format=TEXT, video="1/clip0.mp4")


def test_each_class_has_a_text_of_its_own(begin, text):
    """With several classes the text's must be named; a video needs the texts of all."""
    workspace = begin("disc", "big ball", class_map={"sports ball": "big ball"})
    with pytest.raises(UsageError, match="one of disc, big ball, but none was named"):
        api.import_labels(workspace, text(BOX), format=TEXT)
    with pytest.raises(UsageError, match=r"'disk' .did you mean 'disc'"):
        api.import_labels(workspace, text(BOX), format=TEXT, category="disk")
    api.import_labels(workspace, text(BOX), format=TEXT, category="sports ball")
    result = ran(workspace).results[-1]
    assert len(result.failed) == 2
    assert all("class 'disc'" in why for why in result.failed.values())
    api.import_labels(workspace, text(at=3), format=TEXT, category="disc")
    result = ran(workspace).results[-1]
    assert len(result.failed) == 1
    assert [row["category"] for row in said(workspace, "clip0.mp4")] == ["big ball"]


def test_options_of_the_detector_before_are_not_its_own(begin, text):
    """A text has no options: those that are set must go first, and nothing is changed."""
    workspace = begin(detector_options={"shape": "round"})
    before = workspace.config_path.read_text()
    with pytest.raises(UsageError, match="detector_options"):
        api.import_labels(workspace, text(BOX), format=TEXT)
    assert workspace.config_path.read_text() == before


GOOD = "FRAME NUMBER: 1\n0\n"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (GOOD * FRAMES, "line 3: expected 'FRAME NUMBER: 2'"),
        ("FRAME NUMBER: 2\n0\n", "line 1: expected 'FRAME NUMBER: 1'"),
        ("".join(f"{i}\n0\n" for i in range(1, FRAMES)), "expected 20 blocks.*but got 19"),
        ("".join(f"{i}\n0\n" for i in range(1, FRAMES + 2)), "expected 20 blocks.*but got 21"),
        ("", "expected 20 blocks.*but got 0"),
        ("1\n1\n1 2 -3 4 0.9\n", "line 3: .*size from 0 up"),
        ("1\n1\n1 2 nan 4 0.9\n", "line 3: .*left top width height score"),
        ("1\n1\n1 2 3 4 1.9\n", "line 3: .*score in 0..1"),
        ("1\n2\n1 2 3 4 0.9\n", "line 4: .*but got the end"),
    ],
)
def test_damaged_texts_change_nothing(begin, tmp_path, content, why):
    """Missing, doubled, more and fewer blocks, negative sizes, NaN: an error, and no file."""
    workspace = begin()
    before = workspace.config_path.read_text()
    path = tmp_path / "clip0.txt"
    path.write_text(content)
    with pytest.raises(FormatError, match=rf"clip0\.txt: {why}"):
        api.import_labels(workspace, path, format=TEXT)
    assert workspace.config_path.read_text() == before
    assert not (workspace.root / "imports").exists()


def test_boxes_are_cut_at_the_edges(begin, text):
    """What reaches over the edge is cut; what has no area in the picture is left out."""
    workspace = begin()
    rows = [[-5, -5, 25, 15, 0.9], [150, 90, 30, 30, 0.8], [160, 5, 9, 9, 0.7], [9, 9, 0, 5, 0.6]]
    data = api.import_labels(workspace, text(BOX, *rows), format=TEXT)
    corners = [xyxy for boxes in data.boxes for xyxy in boxes.xyxy.tolist()]
    assert corners == [[40, 20, 58, 38], [0, 0, 20, 10], [150, 90, 160, 96]]
    ran(workspace)
    rows = workspace.read(DETECTIONS, row_of(workspace, "clip0.mp4").video_id)
    assert xyxy_of(rows).tolist() == [[40, 20, 58, 38], [0, 0, 20, 10], [150, 90, 160, 96]]


def test_boxes_of_a_larger_picture_are_refused(begin, text):
    """If most boxes lie outside they are of another video; if some reach outside, that is told."""
    workspace = begin()
    far = [[400 + i, 300, 50, 50, 0.9] for i in range(3)]
    with pytest.raises(FormatError, match=r"160 x 96, but 3 lie outside"):
        api.import_labels(workspace, text(BOX, *far), format=TEXT)
    told = []
    over = [[140 + i, 80, 36, 36, 0.9] for i in range(3)]
    api.import_labels(workspace, text(BOX, *over), format=TEXT, on_message=told.append)
    assert told[0].startswith("3 of 4 boxes reach outside the picture of 160 x 96")


def test_what_was_brought_in_looks_at_nothing(begin, text, tmp_path, reelabel):
    """Prediction by such a workspace is refused with a word on what to do."""
    workspace = begin()
    api.import_labels(workspace, text(BOX), format=TEXT)
    with pytest.raises(ModelError, match="cannot process new images"):
        api.predict(workspace, [tmp_path / "footage/0/clip0.mp4"])
    code, _, err = reelabel("init", tmp_path / "v", "--classes", "a", "--videos", tmp_path)
    assert code == 0, err
    (tmp_path / "v/reelabel.yaml").write_text("classes: [a]\ndetector: detections-txt:gone\n")
    code, _, err = reelabel("detect", tmp_path / "v")
    assert (code, "expected a folder" in err) == (4, True)


# -- in and out ----------------------------------------------------------------------------------


def there_and_back(folder, video, text):
    """Return the file that comes out of a workspace that a text was brought into."""
    workspace = init(folder / "w", classes=["thing"], videos=[video])
    api.import_labels(workspace, text, format=TEXT, video=str(video))
    options = Options(quiet=True)
    assert not run_one(
        workspace, read_config(workspace), options, DETECT.flow["detect"], number=0
    ).failed
    (path,) = api.export(workspace, folder / "out", format=TEXT).glob("*.txt")
    return path


def test_published_detections_come_back_as_they_were(mined_footage, tmp_path):
    """In and out again: the same frames, the same boxes to the accuracy of the table."""
    video, folder = mined_footage
    wanted = read_detections(folder / "detections.txt")
    found = read_detections(there_and_back(tmp_path, video, folder / "detections.txt"))
    assert [len(block) for block in found] == [len(block) for block in wanted]
    assert np.allclose(np.concatenate(found), np.concatenate(wanted), rtol=0, atol=2e-4)


@pytest.mark.parametrize("mined_footage", ["train_rain_jitter"], indirect=True)
def test_what_comes_back_is_mined_the_same(mined_footage, tmp_path):
    """The published miner finds the same hard negatives in it, in the same frames."""
    video, folder = mined_footage
    path = there_and_back(tmp_path, video, folder / "detections.txt")
    before, after = (api.flicker(video, text) for text in (folder / "detections.txt", path))
    flags = [(m.number, [box[4] for box in m.boxes]) for m in before.frames]
    assert [(m.number, [box[4] for box in m.boxes]) for m in after.frames] == flags != []


@pytest.mark.parametrize(
    "name",
    [
        "sar_16_15_720x576.mp4",
        "rotated_90_phone_style.mp4",
        "vfr_train_day.mp4",
        "bit_errors.mp4",
        "single_frame.mp4",
    ],
)
def test_texts_speak_of_the_pictures_that_opencv_shows(data_dir, tmp_path, name):
    """Odd pixels, turned pictures, uneven times, damaged frames: a box stays where it was."""
    video = data_dir / "videos" / "awkward" / name
    frames = list(decode(video))
    height, width = frames[0].bgr().shape[:2]
    corner = [width - 20, height - 30, 20, 30, 0.9]
    write_detections(tmp_path / "a.txt", blocks(corner, at=len(frames) - 1, frames=len(frames)))
    found = read_detections(there_and_back(tmp_path, video, tmp_path / "a.txt"))
    assert [len(block) for block in found] == [0] * (len(frames) - 1) + [1]
    assert found[-1][0] == pytest.approx(corner, abs=1e-3)
    workspace = Workspace.open(tmp_path / "w")
    (row,) = workspace.videos()
    rows = workspace.read(DETECTIONS, row.video_id)
    assert xyxy_of(rows)[0, 2:] == pytest.approx(row.size_wh)
    assert rows["pts"].to_pylist() == [frames[-1].pts]


# -- taking back ---------------------------------------------------------------------------------


def test_boxes_and_detections_are_taken_back(begin, drawn, text, reelabel):
    """The last import first: the teacher of before, the boxes of before, then nothing."""
    workspace = begin()
    before = yaml.safe_load(workspace.config_path.read_text())
    api.import_labels(workspace, drawn)
    api.import_labels(workspace, text(BOX), format=TEXT)
    code, out, _ = reelabel("import", workspace.root, "--remove")
    assert (code, "taken back: detections from" in out) == (0, True)
    values = yaml.safe_load(workspace.config_path.read_text())
    assert values == before | {"labels": "imports/labels.json"}
    assert not list((workspace.root / "imports" / "detections").rglob("*.txt"))
    api.remove_import(workspace)
    assert yaml.safe_load(workspace.config_path.read_text()) == before | {"labels": None}
    assert not (workspace.root / "imports" / "labels.json").exists()


def test_boxes_of_the_import_before_stand_again(begin, drawn):
    """Boxes that replaced others in a frame are taken back, and the others are there."""
    workspace, content = begin(), json.loads(drawn.read_text())
    api.import_labels(workspace, drawn)
    before = (workspace.root / "imports" / "labels.json").read_bytes()
    content["annotations"][0]["bbox"] = [50, 20, 18, 18]
    drawn.write_text(json.dumps(content))
    api.import_labels(workspace, drawn)
    assert (workspace.root / "imports" / "labels.json").read_bytes() != before
    api.remove_import(workspace)
    assert (workspace.root / "imports" / "labels.json").read_bytes() == before


def with_point(drawn, *, alone):
    """Let a COCO file of one box show an object of one key point, in its frame or in another."""
    content = json.loads(drawn.read_text())
    image = content["images"][0]
    content["images"] += [image | {"id": 2, "frame_index": 7}, image | {"id": 3, "frame_index": 9}]
    content["annotations"] += [
        {"id": 2, "image_id": 1 if not alone else 2, "category_id": 1, "keypoints": [5, 6, 2]}
    ]
    drawn.write_text(json.dumps(content))


@pytest.mark.parametrize("what", ["truth", "labels"])
@pytest.mark.parametrize(("alone", "frames"), [(True, [5, 9]), (False, [7, 9])])
def test_a_frame_with_an_object_that_has_no_box_is_left_out(
    begin, drawn, reelabel, what, *, alone, frames
):
    """It is no background: not annotated, and told, at import and by the run; others stay."""
    workspace = begin()
    with_point(drawn, alone=alone)
    code, out, _ = reelabel("import", workspace.root, drawn, "--as", what)
    told = f"clip0.mp4 frame {7 if alone else 5} (disc)"
    assert code == 0
    assert "1 picture left out, as an object is drawn in a shape that has no box" in out
    assert told in out
    assert "in 2 pictures of this workspace's" in out
    ran(workspace, "truth")
    table = {"truth": TRUTH_FRAMES, "labels": IMPORTED_FRAMES}[what]
    rows = workspace.read(table, row_of(workspace, "clip0.mp4").video_id).to_pylist()
    assert [row["frame_index"] for row in rows] == frames
    notes = workspace.read_receipt("truth", None).notes
    assert notes["without_box"] == [told]
    assert told in "".join(truth_notes(workspace))


def test_objects_of_other_classes_need_no_box(begin, drawn):
    """A point of a class that the workspace does not have is as good as no object."""
    workspace = begin()
    with_point(drawn, alone=True)
    content = json.loads(drawn.read_text())
    content["categories"].append({"id": 9, "name": "hand"})
    content["annotations"][-1]["category_id"] = 9
    drawn.write_text(json.dumps(content))
    api.import_labels(workspace, drawn)
    ran(workspace, "truth")
    rows = workspace.read(IMPORTED_FRAMES, row_of(workspace, "clip0.mp4").video_id).to_pylist()
    assert [row["frame_index"] for row in rows] == [5, 7, 9]


def test_a_file_of_which_no_object_has_a_box_is_refused(begin, drawn):
    """Nothing would be left of it: the message names the picture and its class."""
    workspace, content = begin(), json.loads(drawn.read_text())
    content["annotations"] = [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [5, 6, 2]}]
    drawn.write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"frame 5 \(disc\); draw boxes"):
        api.import_labels(workspace, drawn)
    assert not (workspace.root / "imports").exists()
