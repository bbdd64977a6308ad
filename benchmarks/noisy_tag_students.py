"""Students of wrong tags, and the same students of what is left of these after `clean`.

    python benchmarks/noisy_tag_students.py [walls] [floors] [real] [--once]

The footage is that of `noisy_tags.py`. A fifth of the tags that are trained on is flipped, and a
fifth of each video of several frames shows something else. The same student is trained on all
claims, on those that no rule doubts, and on the true ones, and all are scored on the true classes
of groups that none of them saw. For each of three seeds every group is held out once; with `--once`
one third of them, another one for each seed, and nothing is trained on true claims. Differences are
those of paired resamples of groups.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from common import DATA
from noisy_tags import (
    OFF_TOPIC,
    OPTIONS,
    SEEDS,
    Clip,
    Spoiler,
    flipped,
    real_clips,
    rendered_clips,
    tagged,
)
from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments, Predictions
from reelabel.evaluation.classes.compare import ModelPredictions, compare
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.levels import Truth
from reelabel.formats.class_json import class_json
from reelabel.labels.tags.doubt import find_doubts
from reelabel.labels.tags.probe import deal_groups
from reelabel.models.base import Embed
from reelabel.models.registry import load_classifier, load_embedder
from reelabel.training.classes.settings import ClassTrainSettings
from reelabel.training.registry import load_trainer

FOLDS = 3
SOURCES = 2
"""Videos of each class that are not trained on: other scenes are taken from them."""
MOBILENET = {
    "student": "torchvision:mobilenet_v2",
    "weights": DATA / "weights" / "mobilenet_v2_imagenet1001_uint8.safetensors",
    "backbone": "frozen",
    "max_steps": 400,
}
SIMPLE = {"student": "simple", "image_size": 96, "max_steps": 300}


@dataclass(frozen=True)
class Set:
    """Footage, and the student that learns it."""

    clips: Sequence[Clip]
    embed: Embed
    student: Mapping[str, Any]


def main() -> None:
    """Print a table for each set that is named, or for both."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    cv2.setNumThreads(1)
    chosen = [name for name in sys.argv[1:] if name != "--once"] or ["walls", "floors", "real"]
    for name in chosen:
        given = real() if name == "real" else rendered(("walls", "floors").index(name))
        with tempfile.TemporaryDirectory() as folder:
            measure(name, given, Path(folder))


def rendered(which: int) -> Set:
    """Return rendered walls or floors and a student that starts from random weights."""
    return Set(rendered_clips()[which], load_embedder("tiny").open(), SIMPLE)


def real() -> Set:
    """Return indoor and outdoor and a frozen backbone of ImageNet."""
    network = "nanodet_m_320"
    spec = f"onnx-features:{DATA}/weights/{network}.onnx"
    embed = load_embedder(spec, options=OPTIONS.get(network, {})).open()
    return Set(list(real_clips(6)), embed, MOBILENET)


def measure(name: str, given: Set, folder: Path) -> None:
    """Train all students and print how they differ."""
    began, parts, once = time.process_time(), [], "--once" in sys.argv
    for seed in SEEDS:
        label = np.array([clip.label for clip in given.clips])
        fold = deal_groups(np.arange(len(label)), label, FOLDS, 0 if once else seed)
        for part in [seed % FOLDS] if once else range(FOLDS):
            home = folder / f"{seed}-{part}"
            train = [c for c, f in zip(given.clips, fold, strict=True) if f != part]
            test = {i: given.clips[i] for i in np.flatnonzero(fold == part).tolist()}
            parts.append(answers(given, train, test, home=home, seed=seed))
            print(f"  seed {seed}, fold {part}: {time.process_time() - began:.0f} s", flush=True)
            compared(f"{name} {seed}-{part}", parts[-1:], int(label.max()) + 1)
    compared(name, parts, int(label.max()) + 1)


# -- training -------------------------------------------------------------------------------------


def answers(
    given: Set, train: Sequence[Clip], test: Mapping[int, Clip], *, home: Path, seed: int
) -> tuple[Truth, dict[str, Predictions]]:
    """Return what is true of held-out clips, and what each student predicts of them."""
    noisy, true, off = wrongly_tagged(train, seed)
    doubts = find_doubts(tagged(noisy, given.embed), seed=seed)
    counts = [len(clip.frames) for clip in noisy]
    wrong = off | np.repeat([a.label != b for a, b in zip(noisy, true, strict=True)], counts)
    kept = np.ones(len(off), bool)
    kept[doubts.row] = False
    print(f"    wrong claims {wrong.mean():.3f}, among those kept {wrong[kept].mean():.3f}, "
          f"right ones doubted {(~kept & ~wrong).sum() / (~wrong).sum():.3f}")  # fmt: skip
    data = written(noisy, home / "train", int(max(true)) + 1)
    clean = [replace(clip, label=label) for clip, label in zip(noisy, true, strict=True)]
    rows = {
        "noisy": data,
        "cleaned": data[kept],
    }
    if "--once" not in sys.argv:
        rows["true"] = replace(data, target=target_of(clean, data.target.shape[1]))[~off]
    truth, windows = held_out(test, seed, data.target.shape[1])
    return truth, {
        name: Predictions(truth.moments, trained(one, given.student, home / name, seed)(windows))
        for name, one in rows.items()
    }


def wrongly_tagged(clips: Sequence[Clip], seed: int) -> tuple[list[Clip], list[int], np.ndarray]:
    """Return clips with wrong labels and stretches, their true labels, and which frames are off."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(clips)).tolist()
    long = [i for i in order if len(clips[i].frames) > 1]
    sources = [i for c in {c.label for c in clips} for i in of_class(clips, long, c)[:SOURCES]]
    used = [clips[i] for i in range(len(clips)) if i not in sources]
    spoiler = Spoiler([clips[i] for i in sources], rng, seed)
    label = flipped(np.array([clip.label for clip in used]), seed)[0].tolist()
    found, off = [], []
    for number, clip in enumerate(used):
        one, kinds = clip, [""] * len(clip.frames)
        if len(clip.frames) > 1:
            one, kinds = spoiler.spoiled(clip, OFF_TOPIC[number % len(OFF_TOPIC)])
        found.append(replace(one, label=label[number]))
        off += [kind != "" for kind in kinds]
    return found, [clip.label for clip in used], np.array(off)


def of_class(clips: Sequence[Clip], numbers: Sequence[int], label: int) -> list[int]:
    """Return which of some clips are of a class."""
    return [i for i in numbers if clips[i].label == label]


def target_of(clips: Sequence[Clip], classes: int) -> np.ndarray:
    """Return the targets of all frames, ``(n, classes)``."""
    label = np.repeat([c.label for c in clips], [len(c.frames) for c in clips])
    return np.eye(classes, dtype=np.float32)[label]


def written(clips: Sequence[Clip], folder: Path, classes: int) -> ClassDataset:
    """Write the frames as PNG files and return them with their labels."""
    folder.mkdir(parents=True)
    rows = list(frames_of(clips))
    files = [str(folder / f"{clip}_{number}.png") for clip, number in rows]
    for file, (clip, number) in zip(files, rows, strict=True):
        bgr = cv2.cvtColor(clips[clip].frames[number], cv2.COLOR_RGB2BGR)
        cv2.imwrite(file, bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    pts = np.array([number for _, number in rows])
    video = np.array([f"{clip:03}" for clip, _ in rows])
    return ClassDataset(
        tuple(f"class_{i}" for i in range(classes)),
        exclusive=True,
        moments=Moments(video, pts, pts),
        pictures=tuple((file,) for file in files),
        target=target_of(clips, classes),
        weight=np.ones(len(rows), np.float32),
        group=video,
    )


def frames_of(clips: Sequence[Clip]) -> Iterator[tuple[int, int]]:
    """Yield the number of a clip and of its frame, for all frames."""
    yield from ((c, i) for c, clip in enumerate(clips) for i in range(len(clip.frames)))


def trained(data: ClassDataset, student: Mapping[str, Any], home: Path, seed: int) -> Any:
    """Return the function of a trained student."""
    home.mkdir(parents=True)
    for name, one in (("train", data), ("val", data[:0])):
        (home / f"{name}.json").write_text(json.dumps(class_json(one)))
    settings = ClassTrainSettings(seed=seed, accelerator="cpu", check_every=1000, **student)
    load_trainer(settings).fit(home, home / "model", lambda *_: None)
    return load_classifier(f"student:{home / 'model'}").open()


# -- scores ---------------------------------------------------------------------------------------


def held_out(test: Mapping[int, Clip], seed: int, classes: int) -> tuple[Truth, list[Any]]:
    """Return the truth of clips, and their frames as windows."""
    clips, numbers = list(test.values()), list(test)
    rows = list(frames_of(clips))
    pts = np.array([number for _, number in rows])
    moments = Moments(np.array([f"{seed}/{numbers[c]:03}" for c, _ in rows]), pts, pts)
    group = np.array([f"{numbers[c]:03}" for c, _ in rows])
    windows = [[clips[c].frames[number]] for c, number in rows]
    return Truth(moments, target_of(clips, classes), group), windows


def compared(
    title: str, parts: Sequence[tuple[Truth, Mapping[str, Predictions]]], classes: int
) -> None:
    """Print the scores of all students, and the difference of each to that of noisy labels."""
    truth = Truth(
        Moments.joined(one.moments for one, _ in parts),
        np.concatenate([one.target for one, _ in parts]),
        np.concatenate([one.group for one, _ in parts]),
    )
    models = [
        ModelPredictions(name, Predictions.joined([found[name] for _, found in parts]))
        for name in parts[0][1]
    ]
    names = tuple(f"class_{i}" for i in range(classes))
    settings = ScoreSettings(names, n_resamples=2000)
    for whole in (False, True):
        found = compare(models, truth, settings, against="noisy", whole_videos=whole)
        for one in found.models:
            top1 = one.scores.overall["top1"]
            line = f"{title:9} {found.level:6} {one.name:8} right {shown(top1)}"
            if one.name != found.against:
                gain = found.difference(one.name, "top1")
                line += f"   against noisy {shown(gain.gain)} {'real' if gain.differs else ''}"
            print(line, flush=True)


def shown(figure: Any) -> str:
    """Return a figure with its interval."""
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


if __name__ == "__main__":
    main()
