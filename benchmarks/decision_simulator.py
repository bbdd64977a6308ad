"""Simulated teachers, starts and students on the worlds of `temporal_world`.

A model misses objects, shakes boxes, shifts them systematically, and invents some. Its two views of
a frame share a part of every error, as those of a real network do; the student takes over a part of
its teacher's systematic error through the labels. How large these parts are is assumed, within
wide limits: the figures show how the rule behaves if that is so, not that it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decision_pairs import MIRRORED, PLAIN, USED
from reelabel.data.states import GAP, IGNORE, POSITIVE
from temporal_world import LEVELS, SIZE_WH, World, make

Floats = NDArray[np.float64]
PREFIX = "simulated_"
FRAMES, HELD_OUT_FROM, TRUTH_EVERY = 240, 190, 4
SURE, FLOOR = 0.5, 0.05
WORLDS = tuple(level for level in LEVELS if level.name in {"easy", "pan", "crossing", "crowd"})
SEEDS = range(3, 6)
"""Seeds 0 to 2 were looked at while the rule was chosen."""
STUDENTS = (0.5, 0.7, 0.85, 1.0, 1.2, 1.5, 2.2)
"""Noise, misses and inventions of a student, as a multiple of its start's."""


@dataclass(frozen=True)
class Model:
    """How a model errs.

    Attributes:
        noise: standard deviation of box edges, as a share of the side.
        missed: share of the objects that it does not find.
        invented: false boxes per frame.
        bias: systematic error of left, top, right and bottom, as shares of the side.
        common: share of the variance of errors that both views have in common.
    """

    noise: float
    missed: float
    invented: float
    bias: tuple[float, float, float, float]
    common: float

    def scaled(self, factor: float) -> Model:
        """Return a model whose errors are so many times as large."""
        missed = min(0.9, self.missed * factor)
        return replace(
            self, noise=self.noise * factor, missed=missed, invented=self.invented * factor
        )


def make_pairs(home: Path) -> None:
    """Write all simulated scenes into a folder."""
    for level in WORLDS:
        for seed in SEEDS:
            folder = home / f"{PREFIX}{level.name.replace(' ', '')}_{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            _make_scene(folder, make(level, seed, FRAMES), np.random.default_rng(seed))


def _make_scene(folder: Path, world: World, rng: np.random.Generator) -> None:
    bias = rng.normal(0, 0.02, 4)
    common = float(rng.uniform(0.3, 0.8))
    teacher = Model(rng.uniform(0.03, 0.08), 0.25, 0.15, tuple(bias), common)
    start = replace(teacher.scaled(rng.uniform(0.6, 1.1)), bias=tuple(rng.normal(0, 0.01, 4)))
    rows = _rows(world, teacher, rng, flip_test=False)
    _save(folder, "teacher", rows)
    _save(folder, "start", _rows(world, start, rng, flip_test=True))
    taken_over = tuple(0.7 * np.array(teacher.bias) + 0.3 * np.array(start.bias))
    for factor in STUDENTS:
        student = replace(start.scaled(factor), bias=taken_over)
        _save(folder, f"student{factor}", _rows(world, student, rng, flip_test=True))
    _write(folder, world, rows)


def _rows(
    world: World, model: Model, rng: np.random.Generator, *, flip_test: bool
) -> dict[int, Floats]:
    """Return the detections of a model by view, as rows of frame, box and score."""
    n, sides = len(world.frame), np.tile(world.xyxy[:, 2:] - world.xyxy[:, :2], 2)
    found = rng.random(n) >= model.missed
    shared = rng.normal(size=(n, 4))
    views = {}
    false = _invented(model, rng)
    for view in (PLAIN, MIRRORED):
        own = rng.normal(size=(n, 4))
        error = model.noise * (
            np.sqrt(model.common) * shared + np.sqrt(1 - model.common) * own
        ) + np.array(model.bias)
        score = np.clip(0.85 - 3 * np.abs(error).mean(axis=1) + rng.normal(0, 0.12, n), 0.06, 0.99)
        seen = found & (rng.random(n) >= 0.1 * model.missed)
        true = np.column_stack((world.frame, world.xyxy + error * sides, score))[seen]
        moved = false.copy()
        moved[:, 1:5] += rng.normal(0, 8, (len(false), 4))
        kept = rng.random(len(false)) < 0.7
        views[view] = np.concatenate((true, moved[kept]))
    views[USED] = _joined(views[PLAIN], views[MIRRORED]) if flip_test else views[PLAIN]
    return views


def _invented(model: Model, rng: np.random.Generator) -> Floats:
    n = round(model.invented * FRAMES)
    corner, side = rng.uniform(0, 1, (n, 2)) * (np.array(SIZE_WH) - 70), rng.uniform(24, 70, (n, 2))
    score = np.clip(rng.normal(0.35, 0.15, n), 0.06, 0.9)
    return np.column_stack((rng.integers(0, FRAMES, n), corner, corner + side, score))


def _joined(a: Floats, b: Floats) -> Floats:
    """Return the boxes of two views, those of one object averaged: close boxes of a frame."""
    result, free = [], np.ones(len(b), bool)
    for row in a[np.argsort(-a[:, 5])]:
        near = np.flatnonzero(free & (b[:, 0] == row[0]))
        apart = np.abs(b[near, 1:5] - row[1:5]).max(axis=1) if len(near) else np.zeros(0)
        if len(near) and apart.min() < 0.4 * (row[3] - row[1]):
            other = near[apart.argmin()]
            free[other] = False
            mean = (row[1:5] + b[other, 1:5]) / 2
            result.append([row[0], *mean, max(row[5], b[other, 5])])
        else:
            result.append(row.tolist())
    return np.concatenate((np.array(result).reshape(-1, 6), b[free]))


def _save(folder: Path, name: str, views: dict[int, Floats]) -> None:
    rows = [
        np.column_stack((np.zeros(len(r)), r[:, 0], np.full(len(r), view), r[:, 1:]))
        for view, r in views.items()
    ]
    np.savez_compressed(folder / f"{name}.npz", rows=np.concatenate(rows).astype(np.float32))


def _write(folder: Path, world: World, teacher: dict[int, Floats]) -> None:
    frames = range(HELD_OUT_FROM, FRAMES)
    truth: list[Any] = []
    for t in range(0, FRAMES, TRUTH_EVERY):
        boxes = world.xyxy[world.frame == t]
        xywh = np.column_stack((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]))
        truth.append(["world", t, xywh.tolist()])
    scene = {
        "clips": ["world"],
        "truth": truth,
        "held_out": {"world": list(frames)},
        "labels": {"world": [_label(row) for row in teacher[USED] if row[0] in frames]},
        "mirrored_teacher": True,
    }
    (folder / "scene.json").write_text(json.dumps(scene))
    pairs = {f"student{factor}": {"start": "start"} for factor in STUDENTS}
    (folder / "pairs.json").write_text(json.dumps(pairs))


def _label(row: Sequence[float]) -> dict[str, Any]:
    """Return the label that a teacher's box becomes; a weak one here and there fills a gap."""
    frame, x1, y1, x2, y2, score = (float(v) for v in row)
    in_gap = FLOOR < score < SURE and int(frame) % 3 == 0
    return {
        "frame_index": int(frame),
        "x1": x1,
        "y1": y1,
        "x2": x2,
        "y2": y2,
        "score": score,
        "state": POSITIVE if score >= SURE or in_gap else IGNORE,
        "rule": GAP if in_gap else "confident",
    }
