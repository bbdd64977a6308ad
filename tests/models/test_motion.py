"""Finding what moves, without weights: still and moving cameras, balls and other things."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reelabel.data.boxes import iou
from reelabel.errors import ModelError
from reelabel.models.detectors.background import Background
from reelabel.models.registry import load_detector

SIZE_WH = (320, 240)


def ground(seed=0, size_wh=(440, 360)):
    """Return a smooth textured ground, larger than a picture."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(
            rng.uniform(0, 80, (360 // s, 440 // s, 3)), size_wh, interpolation=cv2.INTER_CUBIC
        )
        for s in (3, 10, 40)
    ]
    return np.clip(sum(layers), 0, 255).astype(np.float32)


def camera(t, *, moves):
    """Return where the picture's corner lies on the ground."""
    return (60 + moves * 25 * np.sin(t / 15), 60 + moves * 15 * np.sin(t / 11))


def ball_at(t):
    """Return centre and radius of the ball."""
    return 30 + 4 * t, 160 - 8 * t + 0.18 * t * t, 9


def clip(n, *, moves=0.0, things=("ball",), seed=0):
    """Return pictures with a ball that flies and a bar that slides, and the ball's boxes."""
    rng = np.random.default_rng(seed)
    base = ground(seed)
    pictures, boxes = [], []
    for t in range(n):
        x, y = camera(t, moves=moves)
        view = cv2.warpAffine(base, np.float32([[1, 0, -x], [0, 1, -y]]), SIZE_WH)
        if "bar" in things:
            left = 280 - 3 * t
            cv2.rectangle(view, (left, 60), (left + 60, 75), (255, 240, 120), -1)
        cx, cy, r = ball_at(t)
        if "ball" in things:
            centre = (round(cx * 16), round(cy * 16))
            cv2.circle(view, centre, r * 16, (255, 240, 120), -1, cv2.LINE_AA, 4)
        noisy = view + rng.normal(0, 2, view.shape)
        pictures.append(np.clip(noisy, 0, 255).astype(np.uint8))
        boxes.append([cx - r, cy - r, cx + r, cy + r])
    return pictures, np.array(boxes, np.float32)


def hits(found, boxes, floor=0.0, at=0.6):
    """Return in how many pictures a box above the floor lies on the ball."""
    return sum(
        bool((iou(f.xyxy[f.score >= floor], b[None]) > at).any())
        for f, b in zip(found, boxes, strict=True)
    )


@pytest.mark.parametrize("moves", [0.0, 1.0])
def test_a_flying_ball_is_found(moves):
    """A ball is boxed tightly in most pictures, whether the camera stands or moves."""
    pictures, boxes = clip(40, moves=moves)
    found = load_detector("motion", wanted=["ball"]).open()(pictures)
    assert hits(found[5:], boxes[5:]) >= 28
    assert sum(len(f) for f in found[5:]) <= 45


def test_a_moving_camera_needs_following():
    """Without compensation a moving camera makes everything move."""
    pictures, boxes = clip(40, moves=1.0)
    blind = load_detector("motion", options={"follow_camera": False}).open()(pictures)
    seeing = load_detector("motion").open()(pictures)
    wrong = [sum(map(len, found[5:])) - hits(found[5:], boxes[5:]) for found in (blind, seeing)]
    assert wrong[0] > 10 * (wrong[1] + 1)


def test_the_camera_path_is_measured():
    """The window on the background follows the camera to a part of a pixel."""
    pictures, _ = clip(30, moves=1.0)
    background = Background(window=60, follow=True)
    for picture in pictures:
        background.distance(picture.astype(np.float32))
    start, end = (np.array(camera(t, moves=1.0)) for t in (0, 29))
    edge = np.array([80, 60])
    assert np.abs(background._at_xy - edge - (end - start)).max() < 0.7


def test_a_far_pan_is_followed():
    """A camera that leaves the canvas keeps its background where it was seen."""
    base = ground(3, (900, 360))
    background = Background(window=60, follow=True)
    distances = [background.distance(base[60:300, 8 * t : 8 * t + 320].copy()) for t in range(60)]
    assert max(float(d.mean()) for d in distances) < 0.5


def test_nothing_moves_in_a_still_scene():
    """A still scene gives no boxes."""
    pictures, _ = clip(20, things=())
    assert sum(map(len, load_detector("motion").open()(pictures))) == 0


def test_round_things_have_two_witnesses():
    """For balls, motion and circle together score above one half; a moving bar stays below."""
    pictures, boxes = clip(40, things=("ball", "bar"))
    found = load_detector("motion", wanted=["ball"], options={"shape": "round"}).open()(pictures)
    sure = [f[f.score >= 0.5] for f in found]
    assert hits(sure[5:], boxes[5:]) >= 20
    assert sum(map(len, sure[5:])) <= hits(sure[5:], boxes[5:]) + 2
    anything = load_detector("motion").open()(pictures)
    assert sum(map(len, anything[5:])) > sum(map(len, sure[5:])) + 20


def test_a_circle_that_does_not_move_scores_low():
    """A circle drawn on the ground is one witness only."""
    pictures, _ = clip(20, things=())
    for picture in pictures:
        cv2.circle(picture, (200, 120), 12, (255, 255, 255), -1, cv2.LINE_AA)
    found = load_detector("motion", options={"shape": "round"}).open()(pictures)
    assert len(found[-1]) > 0
    assert max(f.score.max(initial=0) for f in found) < 0.5


def test_boxes_are_in_the_pixels_of_the_picture():
    """Large pictures are worked on reduced, and the boxes come back in their own pixels."""
    pictures, boxes = clip(25)
    large = [cv2.resize(p, (960, 720), interpolation=cv2.INTER_CUBIC) for p in pictures]
    detector = load_detector("motion", options={"work_side": 320})
    assert detector.fit_wh == (640, 640)
    assert hits(detector.open()(large)[5:], 3 * boxes[5:], at=0.5) >= 12


def test_one_class_only():
    """Motion alone cannot tell classes apart."""
    with pytest.raises(ModelError, match="name one"):
        load_detector("motion", wanted=["ball", "dog"])


def test_in_order():
    """The detector asks for frames in order, and its options are part of its identity."""
    detector = load_detector("motion", wanted=["ball"])
    assert (detector.in_order, detector.classes) == (True, ("ball",))
    assert detector.fingerprint != load_detector("motion", options={"sigmas": 9}).fingerprint
