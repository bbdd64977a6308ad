"""Whole videos go to one side, copies stay together, and what leaks is said."""

from __future__ import annotations

import json

import pytest

from reelabel.checksums import unsealed
from reelabel.errors import ConfigError, SplitError
from reelabel.tables import (
    DETECTIONS,
    DUPLICATES,
    FRAMES,
    IMPORTED_FRAMES,
    LABELS,
    SEEN,
    VIDEOS,
)


def put(bench, video_id, *, labelled=(0, 1, 2), origin="", copies_of=None, role="footage"):
    """Write a video of six frames, some of them labelled, or copies of another video's."""
    ws = bench.workspace
    row = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
    row |= {"video_id": video_id, "name": f"{video_id}.mp4", "state": "ok", "role": role}
    ws.write(VIDEOS, video_id, VIDEOS.from_rows([row | {"origin": origin}]), fingerprint="t")
    frames = [
        {"video_id": video_id, "pts": i, "frame_index": i, "time_s": float(i), "kept": i != 5}
        | {"picture": f"frames/{video_id}/{i}.jpg", "width": 80, "height": 60, "reason": ""}
        | {"scale_x": 0.5, "scale_y": 0.25, "offset_x": 3.0, "offset_y": 7.0}
        for i in range(6)
    ]
    ws.write(FRAMES, video_id, FRAMES.from_rows(frames), fingerprint="t")
    seen = [{key: frame[key] for key in SEEN.schema.names} for frame in frames]
    ws.write(SEEN, video_id, SEEN.from_rows(seen), fingerprint="t")
    gone = [
        {"video_id": video_id, "pts": 4, "kept_video_id": copies_of or video_id, "kept_pts": 3}
        | {"similarity": 1.0, "rule": "embedding"}
    ]
    ws.write(DUPLICATES, video_id, DUPLICATES.from_rows(gone), fingerprint="t")
    labels = [label(video_id, pts) for pts in labelled]
    ws.write(LABELS, video_id, LABELS.from_rows(labels), fingerprint="t")


def label(video_id, pts, state="positive"):
    """Return one label."""
    return {
        "video_id": video_id,
        "pts": pts,
        "frame_index": pts,
        "category": "ball",
        "score": 0.9,
        "x1": 10.0,
        "y1": 20.0,
        "x2": 30.0,
        "y2": 60.0,
        "state": state,
        "origin": "teacher",
        "round": 0,
        "rule": "score",
        "reason": "",
    }


def done(bench, **settings):
    """Run the stage and return its report and the three COCO files."""
    report = bench.run("split", **settings or {"held_out": 0.2}).notes["all"]
    folder = bench.workspace.round_dir(0) / "dataset"
    assert unsealed(json.loads((folder / "split.json").read_text()), "split.json") == report
    parts = {n: json.loads((folder / f"{n}.json").read_text()) for n in ("train", "val", "test")}
    return report, parts


def videos_of(part):
    """Return the videos of one side."""
    return {image["video"] for image in part["images"]}


def test_no_video_stands_on_two_sides(bench):
    """Videos are dealt whole; rejected and dropped frames stay out; the rest is background."""
    for i in range(5):
        put(bench, f"v{i}")
    report, parts = done(bench, test_share=0.2)
    sides = [videos_of(part) for part in parts.values()]
    assert sum(map(len, sides)) == len(set.union(*sides)) == 5
    assert all(sides)
    assert report["leak_free"]
    assert report["leaks"] == []
    for part in parts.values():
        frames = [image["frame_index"] for image in part["images"]]
        assert set(frames) == {0, 1, 2, 3}, "4 is a duplicate, 5 was rejected"
    counts = report["sides"]["train"]
    assert counts["images"] == 4 * len(sides[0])
    assert counts["labelled_images"] == counts["boxes"] == 3 * len(sides[0])


def test_the_seed_decides_and_nothing_else(bench):
    """The same seed gives the same sides, whatever the order of the files."""
    for i in range(6):
        put(bench, f"v{i}")
    first = done(bench)[0]["videos"]
    assert done(bench, held_out=0.2, guard_s=0.7)[0]["videos"] == first
    found = set()
    for seed in range(8):
        bench.configure(seed=seed)
        found.add(json.dumps(done(bench)[0]["videos"], sort_keys=True))
    assert len(found) > 1


def test_copies_stay_together(bench):
    """Videos that share near-duplicates are one group and go to one side."""
    put(bench, "a")
    put(bench, "b", copies_of="a")
    put(bench, "c", copies_of="b")
    put(bench, "d")
    report, parts = done(bench)
    assert len({report["groups"][v] for v in "abc"}) == 1
    sides = [videos_of(part) for part in (parts["train"], parts["val"])]
    assert {"a", "b", "c"} in sides
    assert {"d"} in sides
    assert report["leak_free"]


def test_videos_of_one_source_stay_together(bench):
    """The same address means the same footage, unless that is switched off."""
    for name in ("a", "b", "c"):
        put(bench, name, origin="https://example.org/x")
    put(bench, "d")
    report, _ = done(bench)
    assert len({report["groups"][v] for v in "abc"}) == 1
    report, _ = done(bench, same_source=False)
    assert len(set(report["groups"].values())) == 4


@pytest.mark.parametrize("count", [1, 2])
def test_no_split_without_leaks_is_refused(bench, count):
    """One group cannot be divided, and the error says what to do."""
    for i in range(count):
        put(bench, f"v{i}", copies_of="v0")
    with pytest.raises(SplitError, match=r"split\.single_video"):
        done(bench)


def test_one_video_may_be_split_in_time(bench):
    """With `single_video` both sides come from one video, apart in time; it is called a leak."""
    put(bench, "v")
    report, parts = done(bench, single_video=True, held_out=0.5)
    assert not report["leak_free"]
    assert report["leaks"]
    train, val = ([i["frame_index"] for i in parts[n]["images"]] for n in ("train", "val"))
    assert max(train) < min(val) or max(val) < min(train)


def test_background_beside_a_single_video_is_trained_on(bench):
    """Blocks of time are made of the video with labels alone, however short the others are."""
    put(bench, "v")
    put(bench, "empty", labelled=())
    _, parts = done(bench, single_video=True, held_out=0.5)
    assert "empty" in videos_of(parts["train"])
    assert videos_of(parts["val"]) == {"v"}


def test_nothing_may_be_held_out(bench):
    """With a share of 0 everything is trained on, also from one video."""
    put(bench, "v")
    report, parts = done(bench, held_out=0)
    assert videos_of(parts["val"]) == set()
    assert report["sides"]["train"]["images"] == 4


def test_videos_without_labels_are_background(bench):
    """Footage in which nothing was found goes to training and unbalances nothing."""
    put(bench, "a")
    put(bench, "b")
    put(bench, "empty", labelled=())
    _, parts = done(bench)
    assert "empty" in videos_of(parts["train"])
    assert len(videos_of(parts["val"])) == 1


def test_test_videos_are_never_trained_on(bench):
    """A video with the role test is on no side, whatever labels lie there."""
    for name in ("a", "b"):
        put(bench, name)
    put(bench, "t", role="test")
    _, parts = done(bench)
    assert "t" not in set.union(*(videos_of(part) for part in parts.values()))


def test_boxes_are_in_pixels_of_the_written_picture(bench):
    """Scale and offset of the picture are applied, and file names lead to it."""
    put(bench, "v")
    _, parts = done(bench, held_out=0)
    note = parts["train"]["annotations"][0]
    assert note["bbox"] == [10 * 0.5 + 3, 20 * 0.25 + 7, 10.0, 10.0]
    image = parts["train"]["images"][0]
    assert (image["width"], image["height"]) == (80, 60)
    home = bench.workspace.round_dir(0) / "dataset"
    picture = (home / image["file_name"]).resolve()
    assert picture == (bench.root / "frames/v/0.jpg").resolve()


def test_the_three_states_reach_the_data_set(bench):
    """Ignore regions are crowds, hard negatives stand with their picture, and both are counted."""
    put(bench, "v")
    rows = [label("v", 0), label("v", 0, "ignore"), label("v", 1, "negative")]
    bench.workspace.write(LABELS, "v", LABELS.from_rows(rows), fingerprint="t")
    report, parts = done(bench, held_out=0)
    counts = report["sides"]["train"]
    assert (counts["boxes"], counts["ignored"], counts["negatives"]) == (1, 1, 1)
    assert sorted(note["iscrowd"] for note in parts["train"]["annotations"]) == [0, 1]
    assert [len(image.get("hard_negatives", ())) for image in parts["train"]["images"]] == [
        0,
        1,
        0,
        0,
    ]


def test_labels_that_leave_the_picture_are_clipped(bench):
    """What reaches the data set lies in the written picture; what has no area there is left out."""
    put(bench, "v")
    over = label("v", 0) | {"x1": -50.0, "y1": -90.0, "x2": 400.0, "y2": 900.0}
    outside = label("v", 0) | {"x1": 300.0, "x2": 400.0}
    flat = label("v", 0, "negative") | {"x2": 10.0}
    rows = LABELS.from_rows([over, outside, flat])
    bench.workspace.write(LABELS, "v", rows, fingerprint="t")
    report, parts = done(bench, held_out=0)
    assert [note["bbox"] for note in parts["train"]["annotations"]] == [[0, 0, 80, 60]]
    assert len(parts["train"]["images"][0]["left_out"]) == 2
    counts = report["sides"]["train"]
    assert (counts["boxes"], counts["negatives"]) == (1, 0)


def test_no_labels_at_all_are_refused(bench):
    """A student cannot learn from nothing; the error names the settings to look at."""
    put(bench, "a", labelled=())
    put(bench, "b", labelled=())
    with pytest.raises(SplitError, match=r"clean\.score"):
        done(bench)


def test_shares_must_leave_something_to_train_on(bench):
    """What is held out and what is kept for a last test cannot be everything."""
    with pytest.raises(ConfigError, match="leave something to train on"):
        bench.run("split", held_out=0.5, test_share=0.5)


def test_frames_that_may_show_the_object_are_left_out_and_counted(bench):
    """A weak detection or no pass of the teacher leaves a frame unlabelled, by reason."""
    put(bench, "v")
    put(bench, "weak", labelled=())
    found = {k: v for k, v in label("weak", 1).items() if k in DETECTIONS.schema.names}
    rows = [found | {"score": 0.3}, found | {"pts": 2, "frame_index": 2, "score": 0.1}]
    bench.workspace.write(DETECTIONS, "weak", DETECTIONS.from_rows(rows), fingerprint="t")
    put(bench, "not_processed", labelled=())
    bench.workspace.write(SEEN, "not_processed", SEEN.from_rows([]), fingerprint="t")
    report, parts = done(bench, held_out=0, background={"by_evidence": True})
    used = {v: sum(i["video"] == v for i in parts["train"]["images"]) for v in report["videos"]}
    assert used == {"v": 4, "weak": 3, "not_processed": 0}
    assert report["unlabelled"] == {"detection": 1, "not processed": 4}
    report, parts = done(bench, held_out=0)
    assert len(parts["train"]["images"]) == 12
    assert not report["unlabelled"]


@pytest.mark.parametrize(
    ("complete", "used"), [(None, {0, 3, 4, 24}), (["ball"], {0, 3, 4, 24}), (["cat"], {0})]
)
def test_frames_that_a_person_annotated_are_used_as_drawn(bench, disc_clips, complete, used):
    """Without boxes too, and whatever the sampling and the teacher brought, if for all classes."""
    put(bench, "v", labelled=(0,))
    ws = bench.workspace
    clip = {"path": str(disc_clips[0]), "width": 160, "height": 96}
    ws.write(
        VIDEOS, "v", VIDEOS.from_rows([ws.read(VIDEOS, "v").to_pylist()[0] | clip]), fingerprint="t"
    )
    ws.write(SEEN, "v", SEEN.from_rows([]), fingerprint="t")
    frames = [
        {"video_id": "v", "pts": i, "frame_index": i, "complete": complete} for i in (3, 4, 24)
    ]
    ws.write(IMPORTED_FRAMES, "v", IMPORTED_FRAMES.from_rows(frames), fingerprint="t")
    _, parts = done(bench, held_out=0, background={"by_evidence": True})
    assert {image["pts"] for image in parts["train"]["images"]} == used
