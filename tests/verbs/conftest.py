"""A clip that stands still, and workspaces with evidence of every kind, written by hand."""

from __future__ import annotations

import shutil
from fractions import Fraction

import cv2
import numpy as np
import pytest

from reelabel.engine.run import Options
from reelabel.media.encode import VideoWriter
from reelabel.pipeline import read_config, run
from reelabel.tables import EVIDENCE
from reelabel.verbs.init import init

STEP = 24
"""Ticks of 1/600 s between frames of the clips: 25 frames a second."""


def evidence_row(video_id: str, kind: str, frame: int, **other):
    """Return one row of evidence on a frame of a clip."""
    around = [t * STEP for t in range(max(0, frame - 3), min(20, frame + 4)) if t != frame]
    row = {
        "video_id": video_id,
        "pts": frame * STEP,
        "frame_index": frame,
        "category": "disc",
        "score": 0.6,
        "x1": 40.0,
        "y1": 30.0,
        "x2": 70.0,
        "y2": 56.0,
        "kind": kind,
        "detection": -1,
        "track_id": 0,
        "similarity": 0.8,
        "sigma": 1.5 if kind == "smooth" else None,
        "frames": around,
        "reason": f"because of frame {frame}",
    }
    return row | other


def write_evidence(workspace, rows, number: int = 0):
    """Make these rows the evidence of a round."""
    videos = {row.video_id for row in workspace.videos()}
    for video_id in sorted(videos):
        table = EVIDENCE.from_rows([r for r in rows if r["video_id"] == video_id])
        workspace.write(EVIDENCE, video_id, table, fingerprint="x", round_number=number)


def every_kind(video_id: str):
    """Return a flicker, a doubt, a gap of two boxes, a static repeat of three, and a track."""
    ends = {"frames": [11 * STEP, 14 * STEP], "track_id": 4}
    return [
        evidence_row(video_id, "flicker", 3, detection=1, score=0.9),
        evidence_row(video_id, "unsupported", 5, detection=2, similarity=None),
        evidence_row(video_id, "gap", 12, similarity=0.7, **ends),
        evidence_row(video_id, "gap", 13, similarity=None, score=0.65, **ends),
        *(
            evidence_row(video_id, "static", t, detection=t, frames=[0, 240], reason="again")
            for t in (1, 7, 16)
        ),
        evidence_row(video_id, "smooth", 11, track_id=4, sigma=0.5, frames=[264, 336]),
        evidence_row(video_id, "smooth", 12, track_id=4, sigma=2.5, frames=[264, 336]),
    ]


@pytest.fixture(scope="session")
def labelled(disc_clips, tmp_path_factory):
    """Return a workspace on two clips with labels and no evidence; copy it before you change it."""
    home = tmp_path_factory.mktemp("labelled")
    for clip in disc_clips[:2]:
        shutil.copy(clip, home)
    settings = {
        "engine": {"workers": 1},
        "mine": {kind: {"enabled": False} for kind in ("gap", "smooth")},
    }
    made = init(home / "w", classes=["disc"], videos=[home], detector="fake:", settings=settings)
    run(made, read_config(made), Options(quiet=True), until="merge")
    return made


@pytest.fixture
def timed(labelled, tmp_path):
    """Return a copy of that workspace with evidence of every kind on its first clip."""
    workspace = copied(labelled, tmp_path)
    first = min(workspace.videos(), key=lambda row: row.name).video_id
    write_evidence(workspace, every_kind(first))
    return workspace


@pytest.fixture
def hear(labelled, tmp_path):
    """Return a function that makes a copy of that workspace with given evidence.

    It takes pairs of a clip's number and a kind, and what is different from the usual row.
    """

    def made(*rows):
        workspace = copied(labelled, tmp_path)
        ids = [video.video_id for video in sorted(workspace.videos(), key=lambda video: video.name)]
        written = [
            evidence_row(ids[clip], kind, frame, **other) for clip, kind, frame, other in rows
        ]
        write_evidence(workspace, written)
        return workspace

    return made


def copied(workspace, home):
    """Return a copy of a workspace."""
    shutil.copytree(workspace.root, home / "w")
    return type(workspace)(home / "w")


@pytest.fixture(scope="session")
def video(tmp_path_factory):
    """Return a clip of one structured picture, shown eleven times."""
    path = tmp_path_factory.mktemp("clip") / "still.mp4"
    small = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)
    with VideoWriter(path, time_base=Fraction(1, 25), rate=25) as writer:
        for i in range(11):
            writer.write(cv2.resize(small, (320, 180)), i)
    return path
