"""What a frame is worth, and where shots are cut."""

from __future__ import annotations

import re

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.media.quality import (
    CutDetector,
    QualityLimits,
    measure,
    noise_sigma,
    perceptual_hash,
    reject_reason,
)
from reelabel.media.video import decode

ANALYSIS_WH = (320, 320)


def scene(seed: int = 0, *, blur: float = 2.0) -> np.ndarray:
    """Return a 180 x 320 picture of soft blobs."""
    noise = np.random.default_rng(seed).normal(size=(180, 320)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), blur)
    return np.clip(128 + 45 * soft / soft.std(), 0, 255).astype(np.uint8)


def noisy(picture: np.ndarray, sigma: float, seed: int = 1) -> np.ndarray:
    """Return the picture with white noise on it."""
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def looks(path) -> list[np.ndarray]:
    """Return all frames of a video, reduced."""
    return [frame.rgb(ANALYSIS_WH) for frame in decode(path)]


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0, 20.0])
def test_noise_is_measured(sigma):
    """The noise estimate is within a tenth of the noise that was added to a smooth picture."""
    smooth = cv2.GaussianBlur(scene(), (0, 0), 6)
    assert noise_sigma(noisy(smooth, sigma)) == pytest.approx(sigma, rel=0.1)


def test_noise_does_not_pass_for_sharpness():
    """A blurred and noisy picture is less sharp than the clean one it was made from."""
    clean = scene()
    worse = noisy(cv2.GaussianBlur(clean, (0, 0), 6), 12)
    raw = [float(cv2.Laplacian(p, cv2.CV_64F).var()) for p in (clean, worse)]
    assert raw[1] > 5 * raw[0]
    assert measure(worse).sharpness < 0.5 * measure(clean).sharpness


def test_sharpness_falls_with_blur():
    """The more a picture is blurred, the less sharp it is."""
    found = [measure(cv2.GaussianBlur(scene(), (0, 0), s)).sharpness for s in (0.5, 1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)
    assert found[0] > 10 * found[-1]


def test_levels_are_counted():
    """Exposure, entropy and clipping are those of the grey levels."""
    half = np.zeros((100, 200), np.uint8)
    half[:, :100] = 255
    q = measure(half)
    assert (q.exposure, q.entropy_bits) == (pytest.approx(127.5), pytest.approx(1.0))
    assert (q.dark_share, q.bright_share, q.clipped_share) == (0.5, 0.5, 1.0)
    assert not q.near_black


def test_change_is_the_mean_difference():
    """Change is the mean difference to the frame before, and unknown without one."""
    one = scene()
    assert measure(one).change is None
    assert measure(one, one[:-2]).change is None
    assert measure(one, np.where(one < 250, one + 3, one - 3).astype(np.uint8)).change == 3


def test_a_small_moving_thing_is_not_frozen():
    """A repeated frame with codec noise is frozen; one with a small moving thing is not."""
    one = scene()
    repeated, moved = one.copy(), one.copy()
    repeated[::10, ::10] ^= 1
    moved[50:54, 50:54] = 255 - moved[50:54, 50:54]
    assert measure(repeated, one).frozen
    assert not measure(moved, one).frozen


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 2), (24, 30)])
def test_tiny_pictures_are_measured(shape):
    """Even pictures smaller than a kernel get finite figures."""
    q = measure(np.full(shape, 7, np.uint8))
    assert (q.sharpness, q.noise, q.entropy_bits, q.exposure) == (0, 0, 0, 7)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((90, 160), np.uint8), "near black"),
        (np.full((90, 160), 128, np.uint8), "entropy 0 < 0.05"),
        (np.full((90, 160), 255, np.uint8), "entropy 0 < 0.05"),
        (cv2.GaussianBlur(scene(), (0, 0), 12), "sharpness "),
        (scene(), None),
        (noisy(scene(), 20), None),
    ],
)
def test_only_useless_frames_are_rejected(picture, reason):
    """Black, blank and hopelessly blurred frames go, and the reason says which limit was broken."""
    found = reject_reason(measure(picture), QualityLimits())
    assert found is None if reason is None else found.startswith(reason)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"min_sharpness": 1e6}, r"sharpness \S+ < 1e\+06"),
        ({"max_noise": 0}, r"noise \S+ > 0"),
        ({"min_entropy_bits": 8}, r"entropy \S+ < 8"),
        ({"max_entropy_bits": 1}, r"entropy \S+ > 1"),
        ({"min_exposure": 200}, r"exposure \S+ < 200"),
        ({"max_exposure": 50}, r"exposure \S+ > 50"),
        ({"max_clipped_share": 0}, r"clipped \S+ > 0"),
        ({"min_change": 90}, r"change \S+ < 90"),
        ({"drop_frozen": True}, None),
    ],
)
def test_every_limit_has_effect(limits, reason):
    """Each limit alone rejects a frame that breaks it, and names itself."""
    quality = measure(scene(1), scene(2))
    found = reject_reason(quality, QualityLimits(**limits))
    assert found is None if reason is None else re.fullmatch(reason, found)


def test_frozen_frames_go_on_request():
    """Frozen frames are left to the search for duplicates unless they are to be dropped."""
    quality = measure(scene(), scene())
    assert reject_reason(quality, QualityLimits()) is None
    assert reject_reason(quality, QualityLimits(drop_frozen=True)) == "frozen"


@given(st.integers(0, 20))
def test_hash_survives_scaling_and_light(seed):
    """A hash hardly changes when a picture is scaled, relit and compressed, but for another one."""
    picture = scene(seed, blur=12)
    small = cv2.resize(picture, (200, 113), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imencode(".jpg", (small * 0.8 + 20).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 40])
    same = cv2.imdecode(jpeg[1], cv2.IMREAD_GRAYSCALE)
    found = perceptual_hash(picture)
    assert (found ^ perceptual_hash(same)).bit_count() <= 8
    assert (found ^ perceptual_hash(scene(seed + 100, blur=12))).bit_count() >= 14


def test_blank_pictures_have_hash_zero():
    """Blank pictures of any brightness have the same hash, noise of rounding aside."""
    assert {perceptual_hash(np.full((90, 160), v, np.uint8)) for v in range(0, 256, 15)} == {0}


def find_cuts(pictures):
    """Return the positions of the frames at which a new shot begins, but for the first."""
    detector = CutDetector()
    return [i for i, picture in enumerate(pictures) if detector.is_cut(picture)]


def test_a_cut_is_found_where_it_is():
    """A change of scene is a cut; noise, a fade, a shift and a flash of light are none."""
    a, b = scene(1, blur=12), scene(2, blur=12)
    still = [noisy(a, 4, seed) for seed in range(6)]
    fade = [(a * k).astype(np.uint8) for k in np.linspace(1, 0.3, 8)]
    pan = [np.roll(a, 4 * i, axis=1) for i in range(8)]
    lit = [a, a, a, np.clip(a.astype(int) + 60, 0, 255).astype(np.uint8), a, a]
    assert find_cuts(still) == find_cuts(fade) == find_cuts(pan) == find_cuts(lit) == []
    assert find_cuts([*still, *(noisy(b, 4, seed) for seed in range(6))]) == [6]


def test_pictures_of_another_size_begin_a_shot():
    """Where colour gives way to grey there is a cut, and no error."""
    grey = scene()
    assert find_cuts([np.dstack([grey] * 3), grey, grey]) == [1]


def test_detectors_do_not_share_their_past():
    """A new detector knows nothing of the frames that another one saw."""
    CutDetector().is_cut(scene(1))
    assert not CutDetector().is_cut(scene(2))


@pytest.mark.parametrize(
    ("name", "cuts"),
    [
        ("scenes/six_shots_known_cuts.mp4", [48, 96, 144, 180, 216]),
        ("scenes/sintel_cuts.mp4", [214]),
        ("scenes/street_cuts.mp4", [30, 76, 137, 187, 242]),
        ("trains/train_rain.mp4", []),
        ("dogs/dog_closeup_256.mp4", []),
    ],
)
def test_cuts_of_real_footage(data_dir, name, cuts):
    """Hard cuts are found to the frame; motion, pans and fades are none."""
    assert find_cuts(looks(data_dir / "videos" / name)) == cuts


@pytest.mark.parametrize(
    ("name", "rejected", "frozen"),
    [
        ("awkward/fades.mp4", 250, None),
        ("awkward/static_60_frames.mp4", 0, 59),
        ("awkward/each_frame_x4.mp4", 0, 96),
        ("trains/train_night.mp4", 0, 0),
        ("action/apply_eye_makeup.avi", 0, 2),
        ("dogs/dog_closeup_256.mp4", 0, 0),
    ],
)
def test_quality_of_real_footage(data_dir, name, rejected, frozen):
    """Blank frames are rejected and repeated ones marked; dark and blurred footage passes."""
    greys = [frame.grey(ANALYSIS_WH) for frame in decode(data_dir / "videos" / name)]
    found = [measure(grey, before) for before, grey in zip([None, *greys], greys, strict=False)]
    assert sum(reject_reason(q, QualityLimits()) is not None for q in found) == rejected
    assert frozen is None or sum(q.frozen for q in found) == frozen
