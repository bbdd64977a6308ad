"""Every format goes out of a workspace and into another; what cannot be used is refused there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

import reelabel as api
from reelabel.engine.run import Options
from reelabel.errors import FormatError, ReelabelError
from reelabel.formats.entries import to_entries
from reelabel.formats.registry import BOX_WRITERS, IMPORTED
from reelabel.pipeline import read_config, run
from reelabel.tables import IMPORTED as IMPORTED_TABLE
from reelabel.tables import IMPORTED_FRAMES, LABELS, TRACKS, TRUTH
from reelabel.verbs.init import init
from reelabel.workspace import Workspace

SETTINGS = {
    "sample": {"every": 4, "resize": "letterbox", "size": [128, 128]},
    "detect": {"frames": "all"},
    "engine": {"workers": 1},
}
WITHOUT_TRACKS = {"yolo", "voc", "cvat"}


@pytest.fixture(scope="module")
def footage(disc_clips, tmp_path_factory) -> Path:
    """Return a folder of two clips."""
    home = tmp_path_factory.mktemp("footage")
    for clip in disc_clips[:2]:
        shutil.copy(clip, home)
    return home


@pytest.fixture(scope="module")
def made(footage, tmp_path_factory) -> Workspace:
    """Return a workspace with a data set of padded pictures, whose frames have tracks."""
    home = tmp_path_factory.mktemp("made")
    workspace = init(
        home / "w", classes=["disc"], videos=[footage], detector="fake:", settings=SETTINGS
    )
    run(workspace, read_config(workspace), Options(quiet=True), until="split")
    return workspace


@pytest.fixture
def empty(footage, tmp_path) -> Workspace:
    """Return a workspace on the same clips in which nothing has run."""
    return init(
        tmp_path / "w", classes=["disc"], videos=[footage], detector="fake:", settings=SETTINGS
    )


def until_truth(workspace: Workspace) -> None:
    """Run a workspace up to the stage that reads people's files."""
    run(workspace, read_config(workspace), Options(quiet=True), until="truth")


def boxes_in(workspace: Workspace, table, number: int | None = None) -> list[tuple]:
    """Return video, time stamp, state and corners of each row, sorted."""
    found = []
    for video_id in workspace.shards(table, number):
        for row in workspace.read(table, video_id, number).to_pylist():
            corners = [row[key] for key in ("x1", "y1", "x2", "y2")]
            found.append((video_id, row["pts"], row["state"], *corners))
    return sorted(found)


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
def test_what_is_exported_is_imported_without_being_named(made, empty, tmp_path, name):
    """Out of one workspace and into another: the same frames, states and boxes, padding undone."""
    folder = api.export(made, tmp_path / "out", format=name)
    run(empty, read_config(empty), Options(quiet=True), until="sample")
    api.import_labels(empty, folder)
    until_truth(empty)
    wanted, found = boxes_in(made, LABELS, 0), boxes_in(empty, IMPORTED_TABLE)
    sampled = {(i.video, i.pts) for i in api.import_labels(empty, folder).images}
    wanted = [row for row in wanted if row[:2] in sampled]
    assert len(wanted) > 4
    assert [row[:3] for row in found] == [row[:3] for row in wanted]
    assert np.allclose([r[3:] for r in found], [r[3:] for r in wanted], atol=5e-3)
    frames = {
        (video_id, row["pts"])
        for video_id in empty.shards(IMPORTED_FRAMES)
        for row in empty.read(IMPORTED_FRAMES, video_id).to_pylist()
    }
    assert frames == sampled


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
def test_labels_come_in_without_their_pictures(made, empty, tmp_path, name):
    """Tools export labels alone: the names lead to frames, of which the workspace has the sizes."""
    folder = api.export(made, tmp_path / "out", format=name)
    run(empty, read_config(empty), Options(quiet=True), until="sample")
    whole = boxes_of(api.import_labels(empty, folder))
    for picture in folder.rglob("*.jpg"):
        picture.unlink()
    assert whole == boxes_of(api.import_labels(empty, folder))


def boxes_of(data) -> list[tuple]:
    """Return video and time stamp of each image, with the state and corners of its boxes."""
    pairs = zip(data.images, data.boxes, strict=True)
    return sorted(
        (image.video, image.pts, [(e.state, *np.round(e.xyxy, 1)) for e in to_entries(boxes)])
        for image, boxes in pairs
    )


def test_label_studio_serves_videos_from_the_folder_above_theirs(made, footage, tmp_path):
    """Its document root must not be the folder that holds what it serves."""
    folder = api.export(made, tmp_path / "out", format="label-studio-video")
    tasks = json.loads((folder / "tasks.json").read_text())
    places = [task["data"]["video"].partition("?d=")[2] for task in tasks]
    assert sorted(places) == [f"{footage.name}/clip{i}.mp4" for i in (0, 1)]
    rates = {video.video_id: video.fps for video in made.videos()}
    assert all(task["data"]["fps"] == rates[task["data"]["video_id"]] for task in tasks)


def test_regions_to_ignore_are_counted_apart(made, empty, tmp_path, reelabel):
    """The command names boxes, and what is no object beside them."""
    folder = api.export(made, tmp_path / "out", format="coco")
    coco = json.loads((folder / "annotations/instances_train.json").read_text())
    region = {"bbox": coco["annotations"][0]["bbox"], "category": "disc", "score": 0.3}
    for image in coco["images"]:
        image["ignore_regions"], image["hard_negatives"] = [region], []
    (tmp_path / "one.json").write_text(json.dumps(coco))
    run(empty, read_config(empty), Options(quiet=True), until="sample")
    _, out, _ = reelabel("import", empty.root, tmp_path / "one.json")
    count, regions = len(coco["annotations"]), len(coco["images"])
    assert f"{count} boxes, {regions} regions to ignore in {regions} pictures imported" in out


@pytest.mark.parametrize("name", sorted(BOX_WRITERS))
def test_tracks_go_out_and_come_in(made, empty, tmp_path, name):
    """Boxes that were tracked have a number from 1, the same one in all frames of the track."""
    folder = api.export(made, tmp_path / "out", format=name)
    run(empty, read_config(empty), Options(quiet=True), until="sample")
    data = api.import_labels(empty, folder)
    found = {
        (image.video, int(track))
        for image, boxes in zip(data.images, data.boxes, strict=True)
        if boxes.track_id is not None
        for track in boxes.track_id
    }
    known = {
        (video_id, row["track_id"] + 1)
        for video_id in made.shards(TRACKS, 0)
        for row in made.read(TRACKS, video_id, 0).to_pylist()
    }
    assert found <= {*known, *((video_id, -1) for video_id, _ in known)}
    objects = {key for key in found if key[1] > 0}
    assert bool(objects) == (name not in WITHOUT_TRACKS)


def test_padding_that_nothing_records_is_refused(made, empty, tmp_path):
    """Where no sample was taken, nobody can tell where the frame lies in a padded picture."""
    folder = api.export(made, tmp_path / "out", format="yolo")
    with pytest.raises(FormatError, match=r"160 x 96, but it is 128 x 128, .* run  sample"):
        api.import_labels(empty, folder)


def test_every_format_is_named_by_the_command_and_the_docs(reelabel):
    """The help of both commands lists what the registry holds."""
    for command, names in (("export", BOX_WRITERS), ("import", IMPORTED)):
        _, out, _ = reelabel(command, "--help")
        words = set(out.replace(",", " ").replace(".", " ").split())
        assert {name for name in names if not name.endswith("-video")} <= words, command


def test_frames_of_a_video_task_are_found_by_their_video(empty, tmp_path, reelabel):
    """CVAT calls frame 12 of a video task frame_000012.PNG; --video states which video it is of."""
    image = {"id": 1, "file_name": "frame_000012.PNG", "width": 160, "height": 96}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 20, 18, 18]}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "disc"}]}
    path = tmp_path / "instances_default.json"
    path.write_text(json.dumps(content))
    clip = empty.root.parent / "no.mp4"
    code, _, err = reelabel("import", empty.root, path, "--as", "truth")
    assert (code, "frame_000012.PNG" in err, "--video" in err) == (5, True, True)
    names = sorted(row.name for row in empty.videos())
    code, _, err = reelabel("import", empty.root, path, "--as", "truth", "--video", clip.name)
    assert (code, "no.mp4" in err) == (2, True)
    code, out, err = reelabel("import", empty.root, path, "--as", "truth", "--video", names[0])
    assert (code, err) == (0, "")
    assert "is read as coco" in out
    until_truth(empty)
    (row,) = [r for v in empty.shards(TRUTH) for r in empty.read(TRUTH, v).to_pylist()]
    assert (row["pts"], row["x1"], row["x2"]) == (12 * 24, 40, 58)
    path.write_text(json.dumps(content).replace("frame_000012.PNG", "other.png"))
    with pytest.raises(FormatError, match=r"frame_000012\.PNG, but got 'other\.png'"):
        api.import_labels(empty, path, video=names[0])


def mot(folder: Path, text: str) -> Path:
    """Write a sequence named after the first clip."""
    home = folder / "clip0" / "gt"
    home.mkdir(parents=True)
    (home / "gt.txt").write_text(text)
    return folder


def test_a_sequence_is_named_as_its_video_without_suffix(empty, tmp_path):
    """Frames count from 1, flag 0 is a region to ignore, and without class it is the only one."""
    data = api.import_labels(empty, mot(tmp_path / "m", "1,7,40,20,18,18,1\n13,7,50,20,18,18,0\n"))
    assert [image.frame_index for image in data.images] == [0, 12]
    assert [boxes.track_id.tolist() for boxes in data.boxes] == [[7], [7]]
    assert data.classes == ("disc",)
    until_truth(empty)
    states = [
        r["state"]
        for v in empty.shards(IMPORTED_TABLE)
        for r in empty.read(IMPORTED_TABLE, v).to_pylist()
    ]
    assert sorted(states) == ["ignore", "positive"]


def cvat(folder: Path, tracks: str) -> Path:
    """Write a file of tracks on the first clip."""
    path = folder / "annotations.xml"
    path.write_text(
        "<annotations><meta><task><id>3</id><name>any</name><labels><label><name>disc</name>"
        "</label></labels><original_size><width>160</width><height>96</height></original_size>"
        f"</task><source>clip0.mp4</source></meta>{tracks}</annotations>"
    )
    return path


def shown(frame: int, *, x: float = 40, outside: int = 0, keyframe: int = 1) -> str:
    """Return a box of a track."""
    return (
        f'<box frame="{frame}" xtl="{x}" ytl="20" xbr="{x + 18}" ybr="38" outside="{outside}" '
        f'occluded="1" keyframe="{keyframe}" z_order="0"/>'
    )


def track(*boxes: str) -> str:
    """Return a track of these boxes."""
    return f'<track id="4" label="disc">{"".join(boxes)}</track>'


def test_interpolated_boxes_are_kept_and_those_outside_are_not(empty, tmp_path):
    """A track of three visible boxes, one of them between keyframes."""
    text = track(shown(2), shown(3, x=41, keyframe=0), shown(4, x=42), shown(5, outside=1))
    data = api.import_labels(empty, cvat(tmp_path, text))
    assert [image.frame_index for image in data.images] == [2, 3, 4]
    extra = [boxes.extra[0] for boxes in data.boxes]
    assert [each.get("interpolated", False) for each in extra] == [False, True, False]
    assert all(each["occluded"] for each in extra)
    assert {int(boxes.track_id[0]) for boxes in data.boxes} == {4}


def studio(folder: Path, *frames: int) -> Path:
    """Write a task on the first clip with a box in these frames, counted from 1."""
    box = {"x": 25, "y": 50, "width": 10, "height": 20, "rotation": 0, "enabled": True}
    value = {"sequence": [{"frame": n, **box} for n in frames], "labels": ["disc"]}
    region = {"id": "aB3", "type": "videorectangle", "to_name": "video", "value": value}
    data = {"video": "/data/upload/1/0123abcd-clip0.mp4"}
    path = folder / "project-1.json"
    path.write_text(json.dumps([{"id": 1, "data": data, "annotations": [{"result": [region]}]}]))
    return path


def test_percent_without_a_size_is_of_the_video(empty, tmp_path):
    """Label Studio gives no size of videos: 25 % of 160 pixels are 40. Uploads lose their mark."""
    api.import_labels(empty, studio(tmp_path, 3, 9))
    until_truth(empty)
    rows = [
        r for v in empty.shards(IMPORTED_TABLE) for r in empty.read(IMPORTED_TABLE, v).to_pylist()
    ]
    assert [row["frame_index"] for row in rows] == [2, 8]
    for row in rows:
        corners = [row[key] for key in ("x1", "y1", "x2", "y2")]
        assert corners == pytest.approx([40, 48, 56, 67.2], abs=1e-3)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda home: mot(home, "400,1,40,20,18,18,1\n"), "frame index 399"),
        (lambda home: cvat(home, track(shown(300))), "frame index 300"),
        (lambda home: studio(home, 301), "frame index 300"),
    ],
)
def test_frames_that_do_not_exist_are_refused_at_import(empty, tmp_path, write, message):
    """What a run would refuse is refused here, and nothing is changed."""
    (tmp_path / "in").mkdir()
    before = empty.config_path.read_text()
    with pytest.raises(FormatError, match=message):
        api.import_labels(empty, write(tmp_path / "in"))
    assert empty.config_path.read_text() == before
    assert not (empty.root / "imports").exists()


def test_videos_that_are_not_there_are_refused_at_import(empty, tmp_path):
    """A file of another video alone is named with it."""
    path = cvat(tmp_path, track(shown(3)))
    path.write_text(path.read_text().replace("clip0.mp4", "other.mp4"))
    with pytest.raises(FormatError, match=r"other\.mp4"):
        api.import_labels(empty, path)


def test_exchanged_width_and_height_are_refused(empty, tmp_path):
    """A picture of 96 x 160 is no frame of a video of 160 x 96; the sizes are named."""
    image = {"id": 1, "video": "clip0.mp4", "frame_index": 3, "width": 96, "height": 160}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [40, 20, 18, 18]}
    content = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "disc"}]}
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(FormatError, match=r"160 x 96, but got 96 x 160: exchange"):
        api.import_labels(empty, tmp_path / "a.json", what="truth")


def test_truth_of_own_pictures_comes_in_any_format(empty, tmp_path):
    """Pictures that are frames of no video are copied beside the truth, and are test pictures."""
    home = tmp_path / "y"
    for name in ("images", "labels"):
        (home / name / "val").mkdir(parents=True)
    cv2.imwrite(str(home / "images/val/own.png"), np.full((40, 60, 3), 90, np.uint8))
    (home / "labels/val/own.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    (home / "data.yaml").write_text("path: /elsewhere\nval: images/val\nnames: {0: disc}\n")
    api.import_labels(empty, home / "data.yaml", what="truth")
    shutil.rmtree(home)
    until_truth(empty)
    (row,) = [r for v in empty.shards(TRUTH) for r in empty.read(TRUTH, v).to_pylist()]
    assert [row[key] for key in ("x1", "y1", "x2", "y2")] == pytest.approx([24, 16, 36, 24])


@pytest.mark.parametrize("name", [None, *sorted(set(IMPORTED) - {"detections-txt"})])
def test_a_folder_without_label_files_is_an_error_that_names_it(empty, tmp_path, name):
    """Whatever the format, a folder of nothing is refused with its name."""
    (tmp_path / "void" / "images").mkdir(parents=True)
    with pytest.raises(ReelabelError, match="void") as caught:
        api.import_labels(empty, tmp_path / "void", format=name)
    assert caught.value.exit_code == 5


def test_an_archive_is_refused_with_what_to_do(empty, tmp_path):
    """Tools hand out archives: unpack them first."""
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(FormatError, match="unpack it first"):
        api.import_labels(empty, tmp_path / "a.zip")
