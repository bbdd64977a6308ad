"""Hand-drawn boxes are tied to the exact frames that they were drawn on."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from reelabel.errors import FormatError
from reelabel.tables import IMPORTED, TRUTH, TRUTH_FRAMES
from reelabel.workspace.rounds import score_warnings, truth_notes, unknown_videos


@pytest.fixture
def tied(bench, disc_clips):
    """Return a function from COCO images (and boxes) to the rows they become."""
    bench.configure(videos=[str(clip) for clip in disc_clips[:2]], truth="truth.json")

    def run(*images, boxes=None, names=("ball",)):
        value = {
            "images": [{"id": i, "file_name": f"{i}.jpg"} | im for i, im in enumerate(images, 1)],
            "annotations": [
                {"id": i, "image_id": i, "category_id": 1, "bbox": [10, 20, 30, 10], "iscrowd": 0}
                for i, _ in enumerate(images, 1)
            ],
            "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
        }
        if boxes is not None:
            value["annotations"] = [{"id": i} | box for i, box in enumerate(boxes)]
        (bench.root / "truth.json").write_text(json.dumps(value))
        result = bench.run("register", "truth")
        return bench.rows(TRUTH_FRAMES), bench.rows(TRUTH), result.notes["all"]

    return run


@pytest.mark.parametrize(
    "place",
    [{"frame_index": 7}, {"pts": 168}, {"pts_time": 0.28}, {"pts_time": 0.29}],
    ids=str,
)
def test_a_frame_may_be_named_in_three_ways(tied, place):
    """Index, time stamp and (nearest) seconds lead to the same frame."""
    frames, boxes, notes = tied({"video": "clip0.mp4"} | place)
    assert [(f["pts"], f["frame_index"]) for f in frames] == [(168, 7)]
    assert frames[0]["complete"] is None
    assert [boxes[0][k] for k in ("pts", "x1", "y1", "x2", "y2")] == [168, 10, 20, 40, 30]
    assert (notes["frames"], notes["boxes"], notes["unknown_videos"]) == (1, 1, [])


@pytest.mark.parametrize("place", [{"frame_index": 20}, {"pts": 170}, {"pts_time": 5.0}], ids=str)
def test_a_frame_that_does_not_exist_is_refused(tied, place):
    """The error names the video and how many frames it has."""
    with pytest.raises(FormatError, match=r"clip0.mp4, which has 20 frames"):
        tied({"video": "clip0.mp4"} | place)


def test_an_image_must_say_which_frame_it_is(tied):
    """A name of a video alone could be any of its frames."""
    with pytest.raises(FormatError, match=r"clip0.mp4 names no frame"):
        tied({"video": "clip0.mp4"})


@pytest.mark.parametrize("name", ["Ball", "bal", "car"])
def test_a_file_of_other_classes_is_refused(tied, name):
    """Its frames would be taken for empty: a name in other letters is no class of ours."""
    with pytest.raises(FormatError, match=f"expected boxes of ball, but some are of '{name}'"):
        tied({"video": "clip0.mp4", "frame_index": 3}, names=(name,))


def test_classes_that_nobody_asked_for_are_no_fault(tied):
    """A file may hold more than the workspace looks for, and empty frames alone."""
    box = {"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
    place = {"video": "clip0.mp4", "frame_index": 3}
    both = [box | {"category_id": 1}, box | {"category_id": 2}]
    assert len(tied(place, boxes=both, names=("ball", "car"))[1]) == 1
    assert len(tied(place, boxes=[], names=("car",))[0]) == 1


@pytest.mark.parametrize("xywh", [[500, 20, 30, 10], [10, 20, 0, 10], [-40, 20, 30, 10]])
def test_a_box_that_nobody_can_see_is_left_out_and_named(tied, bench, xywh):
    """Outside the picture or without area it could never be found; its frame still counts."""
    seen = {"image_id": 1, "category_id": 1, "bbox": [150, 20, 30, 10], "iscrowd": 0}
    frames, boxes, notes = tied(
        {"video": "clip0.mp4", "frame_index": 3}, boxes=[seen | {"bbox": xywh}, seen]
    )
    assert (len(frames), len(boxes)) == (1, 1)
    (said,) = notes["boxes_nowhere"]
    assert "clip0.mp4 frame 3, ball" in said
    assert score_warnings(bench.workspace, 0) == [
        f"drawn boxes without any area in their picture are left out (1): {said}"
    ]


def test_a_frame_is_annotated_once(tied):
    """Two images of one frame would be judged as two: they have to be brought together."""
    with pytest.raises(FormatError, match=r"frame 3 of clip0.mp4 is annotated 2 times"):
        tied({"video": "clip0.mp4", "frame_index": 3}, {"video": "clip0.mp4", "pts": 72})


def test_pictures_of_their_own_are_test_pictures(tied, bench):
    """An image without a video is a picture file beside the truth, and its only frame."""
    picture = np.full((48, 64, 3), 90, np.uint8)
    (bench.root / "pictures").mkdir()
    cv2.imwrite(str(bench.root / "pictures/a.png"), picture)
    frames, boxes, _ = tied({"file_name": "pictures/a.png"})
    assert [(f["frame_index"], len(boxes)) for f in frames] == [(0, 1)]
    roles = {row.name: row.role for row in bench.workspace.videos()}
    assert roles == {"a.png": "test", "clip0.mp4": "footage", "clip1.mp4": "footage"}


def test_unknown_videos_are_noted_beside_known_ones(tied, bench):
    """A file that names some videos which are not here is used for the others, without a doubt."""
    _, _, notes = tied({"video": "clip0.mp4", "frame_index": 0}, {"video": "x.mp4", "pts": 0})
    assert (notes["frames"], notes["boxes"]) == (1, 1)
    assert unknown_videos(bench.workspace) == ["x.mp4"]
    assert truth_notes(bench.workspace) == [
        "boxes are drawn in videos that are not in this workspace: x.mp4"
    ]
    assert score_warnings(bench.workspace, 0) == []


def test_videos_of_other_folders_are_noted(tied, bench, disc_clips):
    """A path of another machine is no fault; what it was taken for is printed."""
    name = f"/home/anna/{disc_clips[0].parent.name}/clip0.mp4"
    tied({"video": name, "frame_index": 0})
    (note,) = truth_notes(bench.workspace)
    assert note.endswith(f"found in other folders: {name} as {disc_clips[0]}")


def test_truth_without_any_known_video_is_refused(tied):
    """If no name fits, the nearest one is suggested."""
    with pytest.raises(FormatError, match=r"did you mean 'clip0.mp4'"):
        tied({"video": "clip_0.mp4", "frame_index": 0})


def test_the_longest_ending_finds_the_video(tied, bench, disc_clips):
    """Folders in the name tell videos of the same file name apart."""
    homes = [bench.root / name for name in ("a", "b")]
    for home, clip in zip(homes, disc_clips[:2], strict=True):
        home.mkdir()
        (home / "same.mp4").write_bytes(clip.read_bytes())
    bench.configure(videos=["a", "b"])
    frames, _, _ = tied({"video": "data/b/same.mp4", "frame_index": 3})
    path = {row.video_id: row.path for row in bench.workspace.videos()}
    assert [path[frame["video_id"]] for frame in frames] == [homes[1] / "same.mp4"]


def test_frames_may_be_complete_for_some_classes_only(tied, bench):
    """What an image says of its classes is kept in the workspace's own words."""
    bench.configure(classes=["ball", "dog"], class_map={"hound": "dog"})
    images = (
        {"video": "clip0.mp4", "frame_index": 0, "complete_categories": ["hound", "cat"]},
        {"video": "clip0.mp4", "frame_index": 1, "complete_categories": []},
        {"video": "clip0.mp4", "frame_index": 2},
    )
    frames, _, _ = tied(*images, names=("ball", "hound", "cat"))
    assert [f["complete"] for f in frames] == [["dog"], [], None]


def test_names_of_others_become_our_own(tied, bench):
    """`class_map` renames classes; what nobody asked for is left out; crowds are marked."""
    bench.configure(class_map={"frisbee": "ball"})
    first = {"image_id": 1, "bbox": [1, 1, 5, 5], "iscrowd": 0}
    boxes = [
        first | {"category_id": 1},
        first | {"category_id": 2, "iscrowd": 1},
        first | {"category_id": 3},
    ]
    image = {"video": "clip0.mp4", "frame_index": 0}
    _, found, _ = tied(image, boxes=boxes, names=("ball", "frisbee", "cat"))
    assert [(b["category"], b["crowd"]) for b in found] == [("ball", False), ("ball", True)]


def test_boxes_drawn_on_smaller_pictures_are_scaled(tied):
    """Boxes are in pixels of the upright video, whatever size the picture had."""
    image = {"video": "clip0.mp4", "frame_index": 0, "width": 80, "height": 96}
    _, (box,), _ = tied(image)
    assert [box[k] for k in ("x1", "y1", "x2", "y2")] == [20, 20, 80, 30]


def test_a_changed_file_is_read_again(tied, bench):
    """The content of the truth decides whether it is up to date; without truth there is none."""
    tied({"video": "clip0.mp4", "frame_index": 0})
    assert bench.run("truth").done == 0
    frames, _, _ = tied({"video": "clip1.mp4", "frame_index": 1})
    assert [f["frame_index"] for f in frames] == [1]
    bench.configure(truth=None)
    bench.run("register", "truth")
    assert bench.rows(TRUTH_FRAMES) == bench.rows(TRUTH) == []


def test_labels_of_people_are_brought_in(tied, bench):
    """A labels file goes its own way: trained on, never evaluated on."""
    tied({"video": "clip0.mp4", "frame_index": 2})
    bench.configure(truth=None, labels="truth.json")
    bench.run("register", "truth")
    assert bench.rows(TRUTH) == []
    (row,) = bench.rows(IMPORTED)
    assert (row["pts"], row["frame_index"], row["state"]) == (48, 2, "positive")
    assert (row["origin"], row["score"]) == ("person", 1.0)


@pytest.mark.parametrize("xywh", [[500, 20, 30, 10], [10, 20, 0, 10]])
def test_a_frame_without_any_box_that_can_be_seen_is_no_background(tied, bench, xywh):
    """Something was drawn there, nobody knows where: the frame is left out and named."""
    box = {"image_id": 1, "category_id": 1, "bbox": xywh, "iscrowd": 0}
    places = [{"video": "clip0.mp4", "frame_index": 3}, {"video": "clip1.mp4", "frame_index": 5}]
    frames, _, notes = tied(*places, boxes=[box])
    assert [f["frame_index"] for f in frames] == [5]
    assert notes["frames_nowhere"] == ["clip0.mp4 frame 3"]
    warning = "frames that have no other drawn box are left out (1): clip0.mp4 frame 3"
    assert warning in score_warnings(bench.workspace, 0)
    with pytest.raises(FormatError, match="all of them lie outside or have no area"):
        tied(places[0], boxes=[box])
