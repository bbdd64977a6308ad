"""Frames that the limits of their quality leave out are counted, and named where missed."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import reelabel as api
from reelabel.media.encode import VideoWriter
from reelabel.media.quality import Quality, QualityLimits, reject_reason, rule_of

N_FRAMES = 6
LINE = re.compile(r"(\d+) of \d+ frames left out by sample.quality: near black \(\1\)\n")


def film(path, *, black):
    """Write a film of bright patches that differ by film and move, or of nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(path.name.encode()))
    still = np.repeat(np.repeat(rng.integers(40, 256, (6, 8, 3), np.uint8), 16, 0), 16, 1)
    with VideoWriter(path, time_base=Fraction(1, 5)) as writer:
        for number in range(N_FRAMES + int(path.stem[-1])):
            writer.write(np.roll(still * (not black), 5 * number, 1).astype(np.uint8), number)


@pytest.fixture
def footage(tmp_path):
    """Return a folder of two classes, of which the films of one are black."""
    for category in ("day", "night"):
        for number in range(3):
            path = tmp_path / "footage" / category / f"{category}{number}.mp4"
            film(path, black=category == "night")
    return tmp_path / "footage"


def test_a_class_without_any_usable_frame_is_explained(footage, tmp_path, reelabel):
    """The run counts what was left out by which rule, and the missing class has that reason."""
    settings = {"sample": {"every": 1}}
    given = {"videos": [footage], "tags": "folders", "settings": settings}
    api.init(tmp_path / "w", task="classify-frames", classes=["day", "night"], **given)
    code, out, err = reelabel("run", tmp_path / "w", "--until", "split")
    assert code == 7
    assert LINE.search(out)
    assert "none of night: of 3 videos (night0.mp4, night1.mp4, night2.mp4) no frame" in err
    assert re.search(r"sample.quality left out all \d\d \(near black\)", err)


def test_boxes_have_the_same_line(footage, tmp_path, reelabel):
    """What is left out is counted in every task, and nothing where all frames are kept."""
    settings = {"sample": {"every": 1}}
    api.init(tmp_path / "w", classes=["x"], videos=[footage], detector="motion", settings=settings)
    out = reelabel("run", tmp_path / "w", "--until", "sample")[1]
    assert LINE.search(out)
    limits = "{drop_near_black: false, min_entropy_bits: 0, min_exposure: 0, min_sharpness: 0, "
    more = f"sample.quality={limits}max_clipped_share: 1}}"
    out = reelabel("run", tmp_path / "w", "--until", "sample", "--set", more)[1]
    assert "left out" not in out


@given(st.lists(st.floats(0, 1e6), min_size=4, max_size=4), st.booleans())
def test_a_rule_holds_no_measured_figure(figures, black):
    """All frames that one limit leaves out are of one rule, so that they can be counted."""
    sharpness, noise, exposure, change = figures
    limits = QualityLimits(min_change=1)
    quality = Quality(sharpness, noise, 4.0, exposure, 0.0, 0.0, black, change, False, 0)  # noqa: FBT003 -- a row of figures
    reason = reject_reason(quality, limits)
    rules = {"near black", "sharpness < 2", "noise > 30", "exposure < 0.5", "exposure > 253"}
    assert reason is None or rule_of(reason) in rules | {"change < 1"}
