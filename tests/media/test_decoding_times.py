"""Containers that store one time of each packet: B-frames in them are shown in even steps."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelabel.media.probe import probe
from reelabel.media.stream import scan
from reelabel.media.video import decode, frames

NUMBER = 30
SUFFIXES = [".avi", ".asf", ".wmv"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_frames_are_a_step_apart_whatever_order_they_are_stored_in(
    tmp_path: Path, make_clip, suffix: str, codec: str
):
    """Each frame comes 1/25 s behind the one before, and is found again by its time stamp."""
    path = tmp_path / f"clip{suffix}"
    make_clip(
        path, codec, {"bf": "2", "g": "12"}, [i * STEPS[suffix, codec] for i in range(NUMBER)]
    )
    shown = list(decode(path))
    assert np.allclose([each.time_s for each in shown], np.arange(NUMBER) / 25, atol=2e-3)
    assert scan(path).pts.tolist() == [each.pts for each in shown]
    assert abs(probe(path).duration_s - NUMBER / 25) < 0.01
    for each in shown[::7]:
        (again,) = frames(path, [each.pts])
        assert np.array_equal(again.rgb(), each.rgb())


STEPS = {
    (suffix, codec): 1 if suffix == ".avi" else int(Fraction(600, 25))
    for suffix in SUFFIXES
    for codec in ("libx264", "mpeg4")
}
