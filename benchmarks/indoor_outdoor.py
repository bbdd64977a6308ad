"""Indoor or outdoor on real footage: accuracy of students on unseen groups, and of frozen features.

    python benchmarks/indoor_outdoor.py                     all students, five folds
    python benchmarks/indoor_outdoor.py simple frozen       some of them

Videos and pictures that were judged by eye; each is a group of its own, and a fold never holds a
group that was trained on. Printed are frame and video accuracy with intervals over the groups, and
the leak test: the class of the nearest neighbour among all frames, and among other groups alone.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

import reelabel
from common import DATA
from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments, Predictions
from reelabel.data.tag_rows import TagRow
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.leak_test import leak_test
from reelabel.evaluation.classes.levels import Truth
from reelabel.evaluation.classes.scores import score_levels
from reelabel.formats.class_json import class_json
from reelabel.formats.tags import write_tags_csv
from reelabel.labels.moment_means import moment_means
from reelabel.models.classifier_pool import ClassifierPool, classify_pictures
from reelabel.models.registry import load_classifier
from reelabel.tables import EMBEDDINGS, MOMENTS, TAGS
from reelabel.tables.claims import moments_of
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.registry import load_trainer
from reelabel.workspace import Workspace

CLASSES = ("indoor", "outdoor")
FOLDS = 5
WEIGHTS = DATA / "weights"
MOBILENET = {
    "student": "torchvision:mobilenet_v2",
    "weights": WEIGHTS / "mobilenet_v2_imagenet1001_uint8.safetensors",
}
LITE = {
    "student": "timm:tf_efficientnet_lite0",
    "weights": WEIGHTS / "efficientnet_lite0_imagenet_int8.safetensors",
}
STUDENTS: dict[str, dict[str, Any]] = {
    "simple": {"student": "simple", "max_steps": 300},
    "frozen": {**MOBILENET, "backbone": "frozen", "max_steps": 400},
    "tuned": {**MOBILENET, "backbone": "tuned", "max_steps": 120},
    "staged": {**MOBILENET, "backbone": "staged", "max_steps": 150},
    "lite frozen": {**LITE, "backbone": "frozen", "max_steps": 400},
    "lite tuned": {**LITE, "backbone": "tuned", "max_steps": 150},
}


def tags() -> Iterator[TagRow]:
    """Yield the footage that was judged to be one of the two classes."""
    annotated = DATA / "annotated"
    lists = [(annotated / "video_labels.csv", DATA, "scene")]
    for name in ("coco_val", "coco_train_focus"):
        folder = annotated / name
        lists.append((folder / "images.csv", folder / "images", "scene_by_eye"))
    for file, home, column in lists:
        rows = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
        yield from (TagRow(str(home / r["file"]), r[column]) for r in rows if r[column] in CLASSES)


def workspace(home: Path) -> Workspace:
    """Return a workspace with the moments of all footage."""
    rows = list(tags())
    write_tags_csv(home / "tags.csv", rows)
    ws = reelabel.init(
        home / "w",
        classes=CLASSES,
        videos=[row.video for row in rows],
        tags=home / "tags.csv",
        task="classify-frames",
        settings={
            "sample": {
                "per_video": 6,
            },
            "dedup": {"enabled": False},
        },
    )
    reelabel.run(ws, rounds=1, until="window", quiet=True)
    return ws


def footage(ws: Workspace) -> tuple[ClassDataset, np.ndarray]:
    """Return all moments with their classes, and the features of each."""
    parts, features = [], []
    for video in ws.videos():
        rows, claims = ws.read(MOMENTS, video.video_id), ws.read(TAGS, video.video_id)
        moments, names = moments_of(rows), claims["category"].to_pylist()
        if not len(moments) or not names:
            continue
        target = np.repeat([[float(name == names[0]) for name in CLASSES]], len(moments), axis=0)
        parts.append(
            ClassDataset(
                CLASSES,
                exclusive=True,
                moments=moments,
                pictures=tuple(
                    tuple(str(ws.root / p) for p in paths) for paths in rows["pictures"].to_pylist()
                ),
                target=target.astype(np.float32),
                weight=np.ones(len(moments), np.float32),
                group=np.full(len(moments), video.video_id),
            )
        )
        vectors = ws.read(EMBEDDINGS, video.video_id)
        flat = np.array(vectors["vector"].to_pylist(), np.float32)
        features.append(moment_means(moments, vectors["pts"].to_numpy(), flat))
    return ClassDataset.joined(parts), np.concatenate(features)


def folds(data: ClassDataset) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows to train on and rows to judge; no group is in both."""
    splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    yield from splitter.split(data.target, data.target.argmax(axis=1), data.group)


def answers(data: ClassDataset, settings: Mapping[str, Any], home: Path) -> Predictions:
    """Return what students that never saw a group answer for its moments."""
    parts = []
    for number, (train, test) in enumerate(folds(data)):
        folder = home / f"fold{number}"
        folder.mkdir(parents=True)
        for name, rows in (("train", train), ("val", train[:0])):
            (folder / f"{name}.json").write_text(json.dumps(class_json(data[rows])))
        trainer = load_trainer(ClassTrainSettings(**settings))
        trainer.fit(folder, folder / "model", lambda *_: None)
        pool = ClassifierPool(load_classifier(f"student:{folder / 'model'}"))
        judged = data[test]
        windows = [[Path(p) for p in pictures] for pictures in judged.pictures]
        parts.append(Predictions(judged.moments, classify_pictures(pool, windows)))
    return Predictions.joined(parts)


def report(name: str, data: ClassDataset, found: Predictions, seconds: float) -> None:
    """Print frame and video accuracy with their intervals."""
    at = {key: i for i, key in enumerate(found.moments.ids())}
    rows = np.array([at[key] for key in data.moments.ids()])
    ordered = Predictions(data.moments, found.probability[rows])
    truth = Truth(Moments.joined([data.moments]), data.target, data.group)
    scores = score_levels(ordered, truth, ScoreSettings(CLASSES, n_resamples=1000))
    cells = []
    for level in ("frame", "video"):
        one = scores[level].overall["top1"]
        cells.append(f"{level} {one.value:.3f} ({one.low:.3f}-{one.high:.3f})")
    print(f"{name:<14} {'  '.join(cells)}   {seconds:5.0f} s", flush=True)


def main() -> None:
    """Train and judge the students that are named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("students", nargs="*", help=", ".join(STUDENTS))
    chosen = parser.parse_args().students or list(STUDENTS)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        data, features = footage(workspace(home))
        groups = len(np.unique(data.group))
        print(f"{len(data)} frames of {groups} groups, {FOLDS} folds by group")
        leaks = leak_test(features, data.target.argmax(axis=1), data.group)
        if leaks:
            print(
                f"nearest neighbour: {leaks.random:.3f} among all frames, {leaks.by_group:.3f} "
                "among other groups"
            )
        for student in chosen:
            began = time.process_time()
            found = answers(data, STUDENTS[student], home / student.replace(" ", "_"))
            report(student, data, found, time.process_time() - began)


if __name__ == "__main__":
    main()
