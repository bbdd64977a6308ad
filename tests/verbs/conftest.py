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


TINTS = {"red": (1.0, 0.3, 0.3), "green": (0.3, 1.0, 0.3), "blue": (0.3, 0.3, 1.0)}


def tinted_clip(path, seed: int, tint: str, frames: int = 60):
    """Write a clip of 160 x 96 pixels: a textured ground of one colour, and a disc, both moving."""
    rng = np.random.default_rng(seed)
    texture = rng.integers(20, 160, (12, 20), dtype=np.uint8)
    grey = cv2.resize(texture, (160, 96), interpolation=cv2.INTER_CUBIC)
    ground = np.clip(grey[..., None] * np.array(TINTS[tint]), 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, time_base=Fraction(1, 600), rate=25) as writer:
        for i in range(frames):
            picture = np.roll(ground, 2 * i, axis=1).copy()
            centre = (20 + 2 * i, 30 + 12 * (seed % 4))
            cv2.circle(picture, centre, 9, (250, 240, 230), -1, cv2.LINE_AA)
            writer.write(picture, STEP * i)
    return path


RULES = ("contradicts", "stranger", "blank", "copied")
"""By which tags are doubted."""


def make_classified(home):
    """Return a workspace of two classes after its first round: tags, truth, student and scores.

    One red clip lies in the folder of the wrong class, and one in a folder of no class. No tag is
    doubted.
    """
    for i in range(4):
        tinted_clip(home / "footage" / "red" / f"r{i}.mp4", i, "red" if i else "green")
        tinted_clip(home / "footage" / "green" / f"g{i}.mp4", 10 + i, "green")
    tinted_clip(home / "footage" / "other" / "o.mp4", 20, "red")
    for i in range(4):
        tinted_clip(home / "test" / f"t{i}.mp4", 30 + i, ("red", "green")[i % 2])
    (home / "truth.csv").write_text(
        "video,class\nt0.mp4,red\nt1.mp4,green\nt2.mp4,red\nt3.mp4,green\n"
        "r0.mp4,green\nr1.mp4,red\nr2.mp4,red\ng0.mp4,green\ng1.mp4,green\n"
    )
    made = init(
        home / "w",
        classes=["red", "green"],
        videos=[home / "footage"],
        test_videos=[home / "test"],
        tags="folders",
        truth=home / "truth.csv",
        teacher="fake:",
        task="classify-frames",
        settings={
            "engine": {"workers": 1},
            "sample": {"every": 10},
            "clean": {rule: {"enabled": False} for rule in RULES},
            "train": {"student": "fake"},
            "evaluate": {"resamples": 100},
        },
    )
    run(made, read_config(made), Options(quiet=True), rounds=1)
    return made


@pytest.fixture(scope="session")
def classified(tmp_path_factory):
    """Return a workspace of two classes after a round; copy it before you change it."""
    return make_classified(tmp_path_factory.mktemp("classified"))


@pytest.fixture
def classes_copy(classified, tmp_path):
    """Return a copy of that workspace, which a test may change."""
    return copied(classified, tmp_path)
