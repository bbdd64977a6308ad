"""Students of clips on sets whose classes only motion tells, and on one that a picture tells.

    python benchmarks/motion_sets.py [camera] [shapes] [rest]

- camera: real pictures under camera motion, 8 pictures of 64 x 64; left, right, up, down, in, out.
  Test pictures are none of the training's.
- shapes: a shape that moves over a smooth ground, 8 pictures of 32 x 32; eight paths on a torus.
- rest: the same shapes at rest; the class is the kind of shape, so each picture tells it.

All are drawn here; appearance is drawn at random, apart from the class. For each student: accuracy
on the test clips, with the order of their pictures shuffled too, and processor time of its training
on one thread. Of camera, the first and the last student are also compared on the test clips as
videos, by `reelabel.compare`.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

import reelabel
from common import DATA
from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments
from reelabel.data.tag_rows import TagRow
from reelabel.formats.class_json import class_json, read_class_json
from reelabel.formats.tags import write_tags_csv
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import read_rgb
from reelabel.models.registry import load_classifier
from reelabel.training.classes.settings import ClipTrainSettings
from reelabel.training.registry import load_trainer

FRAMES = 8
CAMERA = ("left", "right", "up", "down", "in", "out")
PATHS = ("left", "right", "up", "down", "clockwise", "anticlockwise", "sideways", "upright")
KINDS = ("disc", "square", "triangle")
SUBPIXEL = 4
"""Shapes are placed to 1 / 2**4 of a pixel."""

Clip = np.ndarray
"""``(8, side, side, 3)`` uint8."""
Draw = Callable[[str, np.random.Generator], Clip]


@dataclass(frozen=True)
class Case:
    """One training: a student on a set, with the settings that differ from their defaults."""

    student: str
    settings: dict[str, object]
    seeds: int = 1


@dataclass(frozen=True)
class MotionSet:
    """A set of clips, and what is trained on it."""

    classes: tuple[str, ...]
    train: int
    test: int
    cases: tuple[Case, ...]


SETS = {
    "camera": MotionSet(
        CAMERA,
        1500,
        360,
        (
            Case("simple", {"image_size": 64, "epochs": 2}),
            Case("cnn-lstm", {"epochs": 12}),
            Case("tsm", {"epochs": 12}),
            Case("cnn3d", {"epochs": 12}),
        ),
    ),
    "shapes": MotionSet(
        PATHS,
        1600,
        400,
        (
            Case("simple", {"image_size": 32, "epochs": 4}),
            Case("tsm", {"image_size": 32}),
            Case("cnn3d", {"image_size": 32}, seeds=3),
        ),
    ),
    "rest": MotionSet(
        KINDS,
        1500,
        360,
        (
            Case("simple", {"image_size": 32, "epochs": 4}),
            Case("cnn3d", {"image_size": 32, "epochs": 12}),
        ),
    ),
}


def coco_pictures() -> list[Clip]:
    """Return the pictures of COCO, their short side 200 pixels, in a fixed random order."""
    found = []
    for folder in ("coco_val", "coco_train_focus"):
        for path in sorted((DATA / "annotated" / folder / "images").glob("*.jpg")):
            picture = read_rgb(path)
            factor = 200 / min(picture.shape[:2])
            size_wh = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
            found.append(cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def camera_clip(pictures: Sequence[Clip]) -> Draw:
    """Return the function that moves a view of 64 x 64 pixels over one of these pictures."""

    def draw(name: str, rng: np.random.Generator) -> Clip:
        picture = pictures[rng.integers(len(pictures))]
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        h, w = picture.shape[:2]
        side, speed = rng.uniform(90, 150), rng.uniform(2.5, 6)
        centre = rng.uniform(side / 2, np.array([w, h]) - side / 2)
        direction = {"left": (1, 0), "right": (-1, 0), "up": (0, 1), "down": (0, -1)}
        growth = {"in": -0.05, "out": 0.05}.get(name, 0.0)
        clip = []
        for u in np.arange(FRAMES) - (FRAMES - 1) / 2:
            scale = 64 / (side * np.exp(growth * u))
            shift = 32 - (centre + speed * u * np.array(direction.get(name, (0, 0)))) * scale
            matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
            clip.append(cv2.warpAffine(
                picture, matrix, (64, 64), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT_101
            ))  # fmt: skip
        return np.stack(clip)

    return draw


def path_of(name: str, rng: np.random.Generator, side: int) -> Clip:
    """Return places ``(8, 2)`` on a torus: the middle is random, so that no place tells a class."""
    speed, t = rng.uniform(0.05, 0.09) * side, np.arange(FRAMES) - FRAMES / 2
    radius, phase = rng.uniform(0.12, 0.2) * side, rng.uniform(0, 2 * np.pi)
    straight = {"left": (-1, 0), "right": (1, 0), "up": (0, -1), "down": (0, 1)}
    if name in straight:
        places = np.outer(t * speed, straight[name])
    elif name in {"clockwise", "anticlockwise"}:
        angle = phase + (1 if name == "clockwise" else -1) * speed / radius * t
        places = radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    else:
        swing = radius * np.sin(phase + 1.5 * speed / radius * t)
        zero = np.zeros_like(swing)
        places = np.stack([swing, zero] if name == "sideways" else [zero, swing], 1)
    return rng.uniform(0, side, 2) + places


def shape_clip(name: str, rng: np.random.Generator) -> Clip:
    """Return a clip of 32 x 32 pixels with a shape that moves, or rests where a kind is named."""
    side = 32
    coarse = rng.integers(0, 256, (*rng.integers(3, 9, 2), 3)).astype(np.uint8)
    ground = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    ground = np.clip(128 + 0.3 * (ground - 128), 0, 255).astype(np.uint8)
    colour = [int(c) for c in rng.choice([0, 255], 3)]
    kind = name if name in KINDS else KINDS[rng.integers(len(KINDS))]
    radius = rng.uniform(0.09, 0.15) * side
    resting = np.repeat(rng.uniform(0, side, (1, 2)), FRAMES, axis=0)
    places = resting if name in KINDS else path_of(name, rng, side)
    clip = []
    for place in places % side:
        picture = ground.copy()
        for wrapped in np.array([(x, y) for x in (-side, 0, side) for y in (-side, 0, side)]):
            draw_shape(picture, kind, (place + wrapped, radius), colour)
        clip.append(np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8))
    return np.stack(clip)


def draw_shape(
    picture: Clip, kind: str, where: tuple[np.ndarray, float], colour: list[int]
) -> None:
    """Draw a shape about a place, so many pixels large."""
    place, radius = where
    unit = 2**SUBPIXEL
    if kind == "disc":
        centre = [int(v) for v in place * unit]
        cv2.circle(
            picture, centre, int(radius * unit), colour, -1, lineType=cv2.LINE_AA, shift=SUBPIXEL
        )
        return
    corners = {
        "square": [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        "triangle": [(0, -1), (-1, 1), (1, 1)],
    }[kind]
    points = ((place + radius * np.array(corners)) * unit).astype(np.int32)
    cv2.fillPoly(picture, [points], colour, lineType=cv2.LINE_AA, shift=SUBPIXEL)


def write_split(
    folder: Path, split: str, drawn: Iterator[tuple[str, Clip]], case: MotionSet
) -> None:
    """Write clips as PNG files, and their classes."""
    (folder / split).mkdir(parents=True)
    files, names = [], []
    for number, (name, clip) in enumerate(drawn):
        names.append(name)
        files.append(tuple(f"{split}/{number}_{t}.png" for t in range(FRAMES)))
        for path, picture in zip(files[-1], clip, strict=True):
            bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(folder / path), bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    n = len(files)
    moments = Moments(np.arange(n).astype(np.str_), np.zeros(n), np.full(n, FRAMES - 1))
    target = (np.array(names)[:, None] == np.array(case.classes)).astype(np.float32)
    data = ClassDataset(
        classes=case.classes,
        exclusive=True,
        moments=moments,
        pictures=tuple(files),
        target=target,
        weight=np.ones(n, np.float32),
        group=moments.video,
        step_s=1.0,
    )
    (folder / f"{split}.json").write_text(json.dumps(class_json(data)))


def write_set(folder: Path, name: str) -> None:
    """Draw a set; its test clips are its validation split."""
    case = SETS[name]
    pictures = coco_pictures() if name == "camera" else []
    cut = len(pictures) * 3 // 4
    for split, count, seed, part in (
        ("train", case.train, 1, pictures[:cut]),
        ("val", case.test, 2, pictures[cut:]),
    ):
        draw = camera_clip(part) if name == "camera" else shape_clip
        rngs = [np.random.default_rng((seed, number)) for number in range(count)]
        chosen = [case.classes[number % len(case.classes)] for number in range(count)]
        drawn = ((each, draw(each, rng)) for each, rng in zip(chosen, rngs, strict=True))
        write_split(folder, split, drawn, case)


def trained(data: Path, case: Case, seed: int, model: Path) -> float:
    """Train; return seconds of processor time."""
    settings = ClipTrainSettings(
        student=case.student, seed=seed, accelerator="cpu", check_every=1000, **case.settings
    )
    began = time.process_time()
    load_trainer(settings).fit(data, model, lambda *_: None)
    return time.process_time() - began


def accuracies(data: Path, model: Path) -> tuple[float, float]:
    """Return the accuracy on the test clips, and that with the order of their pictures shuffled."""
    test = read_class_json(data / "val.json")
    windows = [[read_rgb(data / name) for name in names] for names in test.pictures]
    rng = np.random.default_rng(0)
    shuffled = [[window[i] for i in rng.permutation(FRAMES)] for window in windows]
    classify = load_classifier(f"student:{model}").open()
    right = test.target.argmax(axis=1)
    straight, mixed = (
        float((classify(shown).argmax(axis=1) == right).mean()) for shown in (windows, shuffled)
    )
    return straight, mixed


def measure(name: str, folder: Path) -> None:
    """Draw a set, train each student on it, and print a line for each."""
    data = folder / name
    write_set(data, name)
    print(f"\n{name}: {len(SETS[name].classes)} classes, chance {1 / len(SETS[name].classes):.3f}")
    for case in SETS[name].cases:
        found = []
        for seed in range(case.seeds):
            model = folder / f"{name}-{case.student}-{seed}"
            core_s = trained(data, case, seed, model)
            found.append((*accuracies(data, model), core_s))
            print(
                f"  {case.student:<10} seed {seed}: accuracy {found[-1][0]:.3f}, shuffled "
                f"{found[-1][1]:.3f}, {core_s:4.0f} core-s",
                flush=True,
            )
        if case.seeds > 1:
            mean = statistics.mean(each[0] for each in found)
            print(f"  {case.student:<10} mean of {case.seeds}: accuracy {mean:.3f}")
    if name == "camera":
        first, *_, last = SETS[name].cases
        print_difference(data, {c.student: folder / f"{name}-{c.student}-0" for c in (first, last)})


def print_difference(data: Path, models: dict[str, Path]) -> None:
    """Compare two models on the test clips as videos and print whether the difference is real."""
    home = data / "videos"
    write_tags_csv(home / "classes.csv", list(write_videos(data, home)))
    found = reelabel.compare(models, on=home / "classes.csv", quiet=True, on_message=print)
    videos = found.levels["video"]
    for one in videos.models:
        top1, cost = one.scores.overall["top1"], one.cost
        print(
            f"  compare: {one.name:<8} {top1.value:.3f} ({top1.low:.3f} to {top1.high:.3f}) of "
            f"{videos.moments} videos, {cost.parameters} parameters"
        )
    gain = videos.difference(list(models)[-1], "top1")
    print(
        f"  compare: {gain.gain.value:+.3f} ({gain.gain.low:+.3f} to {gain.gain.high:+.3f}), "
        f"{'a real difference' if gain.differs else 'not told apart'}",
        flush=True,
    )


def write_videos(data: Path, home: Path) -> Iterator[TagRow]:
    """Write the test clips as videos of a frame a second, and yield the class of each."""
    test = read_class_json(data / "val.json")
    for number, names in enumerate(test.pictures):
        path = home / f"{number:03}.mp4"
        with VideoWriter(path, time_base=Fraction(1), rate=1, crf=6) as writer:
            for pts, name in enumerate(names):
                writer.write(read_rgb(data / name), pts)
        yield TagRow(path.name, next(test.names_at(number)))


def main() -> None:
    """Measure the sets that are named, or all."""
    cv2.setNumThreads(1)
    chosen = sys.argv[1:] or list(SETS)
    if set(chosen) - set(SETS):
        raise SystemExit(f"usage: motion_sets.py [{'] ['.join(SETS)}]")
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen:
            measure(name, Path(folder))


if __name__ == "__main__":
    main()
