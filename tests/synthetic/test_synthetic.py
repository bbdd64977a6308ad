"""Rendered footage: its truth is exact, and a seed is all that decides it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reelabel.errors import UsageError
from reelabel.formats.coco import read_coco
from reelabel.media.quality import CutDetector, QualityLimits, measure, reject_reason
from reelabel.media.video import decode
from reelabel.synthetic.footage import HELD_OUT, make_shot, render, visible_box
from reelabel.synthetic.objects import (
    INSTANTS,
    Ball,
    Bounds,
    Distractor,
    Post,
    Sprite,
    ball_sprite,
    bounce_path,
    distractor_sprite,
    drift_path,
    roll_path,
)
from reelabel.synthetic.scenery import PLACES, UNSEEN_PLACES, backdrop

STILL = np.zeros((INSTANTS, 2), np.float32)


def ball_on(*centres: tuple[float, float], radius: float = 8.0) -> Ball:
    """Return a ball that is at these centres in turn during one frame."""
    share = np.linspace(0, 1, 2 * INSTANTS)
    at = np.linspace(0, 1, len(centres)) if len(centres) > 1 else np.zeros(1)
    path = np.stack([np.interp(share, at, [c[i] for c in centres]) for i in range(2)], 1)
    return Ball(path.astype(np.float32), radius, "soccer", 0.02, 200.0, ((255,) * 3, (0,) * 3))


def empty_shot(**parts):
    """Return a shot without anything in it but the given parts."""
    shot = make_shot(3, frames=2, size_wh=(128, 96))
    return replace(shot, balls=(), distractors=(), posts=(), noise=0.0, **{"shutter": 0.5} | parts)


@given(x=st.floats(20, 40), y=st.floats(20, 40), radius=st.floats(4, 15))
def test_the_box_of_a_resting_ball_is_its_circle(x, y, radius):
    """The box of a ball at rest is the square around its circle to a third of a pixel."""
    sprite = ball_sprite(ball_on((x, y), radius=radius), 0, STILL, 0.5)
    box = visible_box(sprite.alpha, (sprite.x, sprite.y))
    assert box == pytest.approx((x - radius, y - radius, x + radius, y + radius), abs=0.34)


def test_the_box_of_a_moving_ball_holds_its_blur():
    """Motion blur widens the box along the motion only, by less than the way travelled."""
    ball = ball_on((30, 30), (54, 30))
    sprite = ball_sprite(ball, 0, STILL, 1.0)
    x1, y1, x2, y2 = visible_box(sprite.alpha, (sprite.x, sprite.y))
    travelled = float(ball.path[INSTANTS, 0] - ball.path[0, 0])
    assert travelled > 10
    assert 16 + 0.4 * travelled < x2 - x1 < 16 + travelled
    assert 14.5 < y2 - y1 < 16.3
    assert sprite.alpha.max() <= 1


def test_a_camera_that_follows_takes_the_blur_away():
    """A ball that the camera follows exactly is as sharp as one at rest."""
    ball = ball_on((30, 30), (54, 30))
    followed = ball_sprite(ball, 0, ball.path[:INSTANTS] - ball.path[0], 1.0)
    assert followed.alpha.sum() == pytest.approx(np.pi * 64, rel=0.05)
    assert (followed.alpha > 0.99).sum() > 150


def test_boxes_end_at_the_edge_of_the_picture():
    """A ball that is half outside has a box that ends at the picture's edge."""
    shot = empty_shot()
    inside = replace(shot, balls=(ball_on((2, 40)),))
    _, truth = inside.draw(0)
    assert truth.xyxy[0, 0] == 0
    assert truth.xyxy[0, 2] == pytest.approx(10, abs=0.4)
    assert truth.visible[0] == pytest.approx(0.65, abs=0.06)


@pytest.mark.parametrize(
    ("cover", "listed"), [(4.0, True), (9.0, True), (14.0, False), (20.0, False)]
)
def test_hidden_balls_are_not_listed(cover, listed):
    """A ball of which a post hides more than 70 percent is no part of the truth."""
    post = Post(x=40.0, width=cover, foot_y=90.0, colour=(80.0, 80.0, 80.0))
    shot = replace(empty_shot(), balls=(ball_on((48, 50)),), posts=(post,))
    _, truth = shot.draw(0)
    assert (len(truth.xyxy) == 1) == listed
    if listed:
        assert truth.xyxy[0, 0] == pytest.approx(40 + cover, abs=1.2)
        assert truth.visible[0] >= 0.3


def test_a_ball_hides_the_ball_behind_it():
    """Of two balls at one place only the nearer one is listed, and numbers stay in place."""
    shot = replace(empty_shot(), balls=(ball_on((48, 50)), ball_on((49, 50)), ball_on((90, 30))))
    _, truth = shot.draw(0)
    assert truth.ball.tolist() == [0, 2]


def test_the_ball_is_where_the_truth_says():
    """What a ball changes in the picture lies in its box, but for its faint rim."""
    shot = replace(empty_shot())
    ball = replace(ball_on((60, 30), (70, 34)), floor_y=500.0)
    without, nothing = shot.draw(0)
    picture, truth = replace(shot, balls=(ball,)).draw(0)
    changed = np.abs(picture.astype(int) - without).max(2) > 60
    rows, columns = np.nonzero(changed)
    x1, y1, x2, y2 = truth.xyxy[0]
    assert len(nothing.xyxy) == 0
    assert x1 - 1 <= columns.min() < x1 + 3
    assert x2 - 3 < columns.max() + 1 <= x2 + 1
    assert y1 - 1 <= rows.min() < y1 + 3
    assert y2 - 3 < rows.max() + 1 <= y2 + 1


@pytest.mark.parametrize("shape", ["square", "bar", "ring"])
def test_other_things_are_no_truth(shape):
    """Boxes, bars and hoops are drawn and never listed."""
    path = np.full((2 * INSTANTS, 2), 48, np.float32)
    distractor = Distractor(path, 9.0, shape, 0.01, (255.0, 0.0, 0.0), in_front=True)
    sprite = distractor_sprite(distractor, 0, STILL, 0.5)
    without, _ = empty_shot().draw(0)
    picture, truth = replace(empty_shot(), distractors=(distractor,)).draw(0)
    assert len(truth.xyxy) == 0
    assert (picture != without).any(2).sum() == pytest.approx((sprite.alpha > 0.01).sum(), rel=0.15)


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), wait=st.sampled_from([0, 10]))
def test_paths_stay_in_their_room(seed, wait):
    """Nothing falls through the floor or leaves through the sides; resting balls rest."""
    bounds = Bounds(10, 310, 180, 240)
    bounce = bounce_path(np.random.default_rng(seed), bounds, 60, wait=wait)
    roll = roll_path(np.random.default_rng(seed), bounds, 60)
    drift = drift_path(np.random.default_rng(seed), bounds, 60)
    for path in (bounce, roll):
        assert path.shape == (60 * INSTANTS, 2)
        assert path[:, 0].min() >= 10
        assert path[:, 0].max() <= 310
        assert path[:, 1].max() <= 180
    assert (bounce[: wait * INSTANTS] == bounce[0]).all()
    assert np.ptp(bounce[:, 1]) > 40
    assert np.ptp(roll[:, 1]) == 0
    assert np.isfinite(drift).all()


def test_scenes_depend_on_their_seed_alone():
    """The same seed gives the same pictures, frame by frame in any order; another seed others."""
    one, two = (make_shot(7, frames=6, size_wh=(128, 96), pan_px=20) for _ in range(2))
    pictures = [one.draw(i)[0] for i in range(6)]
    assert all((two.draw(i)[0] == pictures[i]).all() for i in (5, 2, 0))
    assert (make_shot(8, frames=6, size_wh=(128, 96)).draw(0)[0] != pictures[0]).any()


def test_a_pan_moves_the_background():
    """A panning camera shows another part of the background at the end, by as much as was asked."""
    shot = replace(make_shot(5, frames=10, size_wh=(128, 96), pan_px=-24), balls=(), distractors=())
    left = shot.camera_xy[:, 0]
    assert left[0] == 24
    assert left[-1] == pytest.approx(0, abs=1e-4)
    assert np.abs(shot.draw(0)[0].astype(int) - shot.draw(9)[0]).mean() > 5


@pytest.mark.parametrize("place", [*PLACES, *UNSEEN_PLACES], ids=lambda p: f"{p.wall.__name__}")
def test_places_are_textured(place):
    """Every background has texture, uses the range of brightness, and is no useless frame."""
    picture = backdrop(place, np.random.default_rng(0), (160, 120), 70)
    assert picture.shape == (120, 160, 3)
    assert picture.min() >= 0
    assert picture.max() <= 255
    quality = measure(picture.mean(2).astype(np.uint8))
    assert reject_reason(quality, QualityLimits()) is None
    assert quality.entropy_bits > 4


def test_held_out_places_are_unseen():
    """No wall and no floor of the held-out videos is in the others."""
    seen = {texture for p in PLACES for texture in (p.wall, p.floor)}
    assert not seen & {texture for p in UNSEEN_PLACES for texture in (p.wall, p.floor)}


def test_patches_outside_the_picture_are_left_out():
    """Something that lies wholly outside of what is seen has no box."""
    assert visible_box(np.zeros((0, 0), np.float32)) is None
    assert visible_box(np.full((4, 4), 0.2, np.float32)) is None
    sprite = Sprite(-50, 0, np.ones((4, 4), np.float32), np.zeros((4, 4, 3), np.float32))
    assert sprite.ball is None
    gone = replace(empty_shot(), balls=(ball_on((-40, 40)), ball_on((400, 40))))
    assert len(gone.draw(0)[1].xyxy) == 0


@pytest.fixture(scope="module")
def footage(tmp_path_factory):
    """Return a folder with three short videos and the two held out."""
    folder = tmp_path_factory.mktemp("footage")
    render(folder, videos=3, frames=8, size_wh=(160, 120), seed=1)
    return folder


def test_the_truth_names_every_frame(footage):
    """The COCO file lists every frame of every video, complete, and boxes inside pictures."""
    truth = json.loads((footage / "truth.json").read_text())
    frames = {(i["video"], i["frame_index"]) for i in truth["images"]}
    names = {f"video_{i:02}.mp4" for i in range(3)} | {
        f"held_out_{i:02}.mp4" for i in range(HELD_OUT)
    }
    assert frames == {(name, i) for name in names for i in range(8)}
    assert {i["id"] for i in truth["images"]} >= {a["image_id"] for a in truth["annotations"]}
    assert all(i["complete_categories"] == [1] for i in truth["images"])
    x, y, w, h = np.array([a["bbox"] for a in truth["annotations"]]).T
    assert (x >= 0).all()
    assert (y >= 0).all()
    assert (x + w <= 160 + 1e-9).all()
    assert (y + h <= 120 + 1e-9).all()
    assert len(w) >= 40


def test_the_truth_is_read_as_it_was_drawn(footage):
    """Our reader returns every ball with its number and how much of it can be seen."""
    data = read_coco(footage / "truth.json")
    assert data.classes == ("ball",)
    assert data.left_out == []
    extra = [one for boxes in data.boxes for one in boxes.extra if boxes.extra is not None]
    tracks = {track for boxes in data.boxes if len(boxes) for track in boxes.track_id.tolist()}
    assert min(tracks) >= 0
    assert len(tracks) > 1
    assert all(0.3 <= one["visible"] <= 1 for one in extra)


def test_the_videos_are_what_the_truth_describes(footage):
    """Every video has the frames, times and size that the truth gives."""
    truth = json.loads((footage / "truth.json").read_text())
    times = {(i["video"], i["frame_index"]): i["pts_time"] for i in truth["images"]}
    for path in footage.glob("*.mp4"):
        frames = list(decode(path))
        assert len(frames) == 8
        assert frames[0].rgb().shape == (120, 160, 3)
        assert [f.time_s for f in frames] == pytest.approx([times[path.name, i] for i in range(8)])


def test_the_manifest_says_what_is_held_out_and_cut(footage):
    """The manifest marks held-out videos, and its cuts are those that can be seen."""
    manifest = json.loads((footage / "manifest.json").read_text())
    assert manifest["footage"] == [f"video_{i:02}.mp4" for i in range(3)]
    assert manifest["held_out"] == [f"held_out_{i:02}.mp4" for i in range(HELD_OUT)]
    assert len(manifest["videos"]) == 3 + HELD_OUT
    for video in manifest["videos"]:
        pictures = [frame.rgb() for frame in decode(footage / video["file_name"])]
        detector = CutDetector()
        assert [i for i, one in enumerate(pictures) if detector.is_cut(one)] == video["cuts"]


def test_rendering_again_gives_the_same(footage, tmp_path):
    """The same seed gives the same truth and the same pictures; progress is told."""
    told = []
    path = render(
        tmp_path, videos=3, frames=8, size_wh=(160, 120), seed=1, log=lambda *a: told.append(a)
    )
    assert path.read_bytes() == (footage / "truth.json").read_bytes()
    again = decode(tmp_path / "video_01.mp4")
    for one, two in zip(decode(footage / "video_01.mp4"), again, strict=True):
        # The pictures are the same; encoders with several threads may spend their bits otherwise.
        assert np.abs(one.rgb().astype(int) - two.rgb()).mean() < 4
    assert [name for _, name in told][-1] == "held_out_01.mp4"
    assert [share for share, _ in told] == sorted(share for share, _ in told)


@pytest.mark.parametrize(
    "wrong", [{"videos": 0}, {"frames": 1}, {"size_wh": (62, 64)}, {"size_wh": (321, 240)}]
)
def test_impossible_footage_is_refused(tmp_path, wrong):
    """Numbers out of range are refused before anything is written."""
    with pytest.raises(UsageError, match="expected at least 1 video"):
        render(tmp_path / "new", **wrong)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("shapes", [("bar",), ("square", "bar")])
def test_distractors_are_drawn_from_the_given_shapes(shapes):
    """Whoever renders chooses what moves beside the balls."""
    assert set(distractors_of(range(20), shapes=shapes)) == set(shapes)


def test_hoops_are_rare_by_default():
    """They have the outline of a ball."""
    whole = distractors_of(range(40))
    assert 0 < whole.count("ring") < len(whole) / 3


def distractors_of(seeds, **given):
    """Return the shapes of the distractors of small shots."""
    shots = (make_shot(seed, frames=2, size_wh=(64, 64), **given) for seed in seeds)
    return [one.shape for shot in shots for one in shot.distractors]
