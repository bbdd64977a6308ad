"""The whole loop on real footage with real weights, through the command line."""

from __future__ import annotations

import json

import pytest

pytestmark = pytest.mark.real


def test_a_ball_is_learnt_from_a_juggler(data_dir, tmp_path, reelabel):
    """From one video and YOLOX-nano to labels, a student, scores and a report, in one command."""
    root = tmp_path / "w"
    flags = (
        "--classes",
        "sports ball",
        "--videos",
        data_dir / "videos/sports/soccer_juggle.mp4",
        "--detector",
        f"onnx:{data_dir / 'weights/yolox_nano.onnx'}",
        "--set",
        "train.student=fake",
        "--set",
        "sample.every=4",
        "--set",
        "clean.score=0.3",
    )
    assert reelabel("init", root, *flags)[0] == 0
    code, out, err = reelabel("run", root, "--rounds", 1, "--quiet")
    assert (code, err) == (0, "")
    assert "Decision:" in out
    split = json.loads((root / "rounds/0/dataset/split.json").read_text())
    assert split["sides"]["train"]["boxes"] >= 5
    assert not split["leak_free"]
    assert (root / "rounds/0/report.html").stat().st_size > 10_000
    assert reelabel("status", root)[0] == 0
