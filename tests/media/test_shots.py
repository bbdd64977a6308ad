"""Shots are what lies between hard cuts and gradual transitions."""

from __future__ import annotations

import csv
from fractions import Fraction
from itertools import pairwise

import cv2
import numpy as np
import pytest

from reelabel.media.encode import VideoWriter
from reelabel.media.probe import probe
from reelabel.media.shots import TransitionDetector, find_shots
from reelabel.media.video import decode


def shots_of(path, **options):
    """Return the shots of a file."""
    return find_shots(decode(path), probe(path).duration_s, **options)


def still(seed):
    """Return a picture of soft patches that no other seed has."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(noise, (160, 120), interpolation=cv2.INTER_CUBIC).astype(np.float32)


def film(path, pictures):
    """Write a film of 25 pictures per second."""
    with VideoWriter(path, time_base=Fraction(1, 25)) as writer:
        for number, picture in enumerate(pictures):
            writer.write(np.clip(picture, 0, 255).astype(np.uint8), number)
    return path


def gone_over(a, b, count):
    """Return pictures that go over from one into the other."""
    return [a + (b - a) * (i + 1) / (count + 1) for i in range(count)]


def test_known_cuts_are_found_to_the_frame(data_dir):
    """Each shot of the film begins with the frame that was written down, and ends at the next."""
    with (data_dir / "annotated/shot_boundaries.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    path = data_dir / rows[0]["file"]
    fps = float(probe(path).fps)
    shots = shots_of(path)
    assert [round(shot.start_s * fps) for shot in shots] == [
        int(row["first_frame_of_shot"]) for row in rows
    ]
    assert all(a.end_s == b.start_s for a, b in pairwise(shots))
    assert shots[-1].end_s == pytest.approx(probe(path).duration_s)


@pytest.mark.parametrize("name", ["street_cuts.mp4", "six_shots_known_cuts.mp4"])
def test_hard_cuts_are_those_of_another_detector(data_dir, name):
    """PySceneDetect finds the same cuts in real footage, at most a frame apart."""
    path = data_dir / "videos/scenes" / name
    fps = float(probe(path).fps)
    other = pytest.importorskip("scenedetect")
    scenes = other.detect(str(path), other.AdaptiveDetector(min_scene_len=1))
    theirs = [start.frame_num for start, _ in scenes[1:]]
    ours = [round(shot.start_s * fps) for shot in shots_of(path, gradual=False)[1:]]
    assert ours == pytest.approx(theirs, abs=1)


@pytest.mark.parametrize("length", [10, 20, 35])
def test_a_dissolve_ends_one_shot_and_begins_another(tmp_path, length):
    """Its frames belong to neither; without looking for dissolves all is one shot."""
    a, b = still(1), still(2)
    path = film(tmp_path / "x.mp4", [*[a] * 60, *gone_over(a, b, length), *[b] * 60])
    first, second = shots_of(path)
    assert first.end_s == pytest.approx(60 / 25, abs=0.3)
    assert second.start_s == pytest.approx((60 + length) / 25, abs=0.3)
    assert len(shots_of(path, gradual=False)) == 1


def test_a_fade_through_black_is_one_transition(tmp_path):
    """The black between is no shot."""
    a, b = still(1), still(2)
    black = np.zeros_like(a)
    fades = [*gone_over(a, black, 15), *[black] * 4, *gone_over(black, b, 15)]
    path = film(tmp_path / "x.mp4", [*[a] * 50, *fades, *[b] * 50])
    first, second = shots_of(path)
    assert first.end_s == pytest.approx(2, abs=0.2)
    assert second.start_s == pytest.approx(84 / 25, abs=0.2)


@pytest.mark.parametrize(
    "name", ["scenes/great_wall_still_move.mp4", "dogs/dog_fetch.mp4", "traffic/highway.mp4"]
)
def test_moving_cameras_and_things_are_no_transitions(data_dir, name):
    """A clip of one shot stays one."""
    assert len(shots_of(data_dir / "videos" / name)) == 1


def test_a_pan_is_no_dissolve():
    """Pictures that slide are no mixtures of the first and the last."""
    wide = cv2.resize(np.random.default_rng(0).integers(0, 256, (6, 40, 3), np.uint8), (800, 120))
    detector = TransitionDetector()
    for number in range(60):
        detector.add(number / 25, np.ascontiguousarray(wide[:, number * 10 : number * 10 + 160]))
    assert detector.found == []


def test_without_frames_there_is_no_shot():
    """Nothing was decoded."""
    assert find_shots([], 5.0) == []
