"""Wrong tags: how well probes tell classes apart, and how many wrong tags and frames are found.

Real footage: indoor and outdoor, as one person judged 48 videos and 111 pictures of COCO by eye
(159 groups; up to six frames of a video). Rendered footage: 96 videos of four kinds of walls or six
kinds of floors. A fifth of the tags is flipped, a fifth of each video shows something else: title
cards, black frames, a stretch of a video of another class, or an intro that many videos share.
Three seeds draw which.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator

from common import DATA
from reelabel.labels.dedup import find_duplicates
from reelabel.labels.tags.claims import BLANK, CONTRADICTS, COPIED, STRANGER, TaggedMoments
from reelabel.labels.tags.doubt import Doubts, DoubtSettings, find_doubts
from reelabel.labels.tags.folds import out_of_fold
from reelabel.labels.tags.stranger import BlankSettings, CopiedSettings, StrangerSettings
from reelabel.labels.tags.video_tags import ContradictsSettings
from reelabel.media.convert import Picture
from reelabel.media.pictures import fit
from reelabel.media.quality import ANALYSIS_WH, measure
from reelabel.media.video import decode
from reelabel.models.base import Embed
from reelabel.models.registry import load_embedder
from reelabel.synthetic import scenery
from reelabel.synthetic.footage import make_shot

OPTIONS: dict[str, dict[str, Any]] = {
    "yolox_nano": {},
    "nanodet_m_320": {},
    "FastestDet": {"mean": (0, 0, 0), "std": (1, 1, 1), "order": "bgr"},
}
"""Networks, and how those are prepared that are not recognised."""
SEEDS = (0, 1, 2)
SHARE = 0.2
RENDERED, FRAMES = 96, 15
RENDERED_WH = (160, 120)
LONGEST_PX = 480
SIMILARITY = 0.95
WALLS = (scenery.foliage, scenery.bricks, scenery.lights, scenery.sky)
FLOORS = (scenery.grass, scenery.parquet, scenery.clay, scenery.tiles, scenery.asphalt)
FLOORS += (scenery.carpet,)
OFF_TOPIC = ("card", "black", "scene", "intro")
WITHOUT_FRAMES = DoubtSettings(
    blank=BlankSettings(enabled=False),
    copied=CopiedSettings(enabled=False),
    stranger=StrangerSettings(enabled=False),
)
LEAKING = WITHOUT_FRAMES.model_copy(
    update={"contradicts": ContradictsSettings(min_accuracy=0, fits=1)}
)
"""Nothing but the probes, whatever they are worth."""
RESERVED = 6
"""Every so many clips are not judged: other scenes are taken from them."""


Masks = list[np.ndarray] | None


@dataclass(frozen=True)
class Clip:
    """Frames of one video, or one picture, and its class."""

    label: int
    frames: list[Picture]


@dataclass(frozen=True)
class Footage:
    """Clips as arrays; `clip` and `off_topic` are ``(n,)``, `label` is ``(clips,)``."""

    features: np.ndarray
    clip: np.ndarray
    label: np.ndarray

    @property
    def group(self) -> np.ndarray:
        """Names of the clips, ``(n,)``."""
        return np.array([f"clip_{i:03}" for i in self.clip])

    def target(self, label: np.ndarray) -> np.ndarray:
        """Return targets ``(n, k)`` for labels of the clips."""
        return np.eye(int(self.label.max()) + 1)[label][self.clip]


def main() -> None:
    """Print all tables."""
    real, long = list(real_clips(6)), list(real_clips(20, pictures=False))
    walls, floors = rendered_clips()
    print("probes: share of frames and of groups that are right, folds by group, 3 seeds")
    for name, embed in embeds().items():
        accuracy_row("indoor or outdoor", name, read(real, embed))
    for name, embed in embeds([]).items():
        accuracy_row("rendered walls", name, read(walls, embed))
        accuracy_row("rendered floors", name, read(floors, embed))
    print(f"\ncontradicts: {SHARE:.0%} of the tags flipped, 3 seeds together")
    for name, embed in embeds(["yolox_nano", "nanodet_m_320"]).items():
        if "mean of" not in name:
            flipped_row("indoor or outdoor", name, read(real, embed))
            flipped_row("rendered walls", name, read(walls, embed), by_frame=True)
            flipped_row("rendered floors", name, read(floors, embed), by_frame=True)
    print(f"\nframes: {SHARE:.0%} of each video off topic, 3 seeds together")
    for name, embed in embeds(["yolox_nano"]).items():
        if "mean of" not in name:
            off_topic_rows("real videos", name, [c for c in long if len(c.frames) > 9], embed)
            off_topic_rows("rendered", name, walls, embed)


# -- footage --------------------------------------------------------------------------------------


def real_clips(most: int, *, pictures: bool = True) -> Iterator[Clip]:
    """Yield up to so many frames of each real video that is indoor or outdoor, and pictures."""
    for row in rows_of(DATA / "annotated" / "video_labels.csv", "scene"):
        path = DATA / row["file"]
        count = sum(1 for _ in decode(path))
        wanted = set(np.linspace(0, count - 1, most + 2).round().astype(int)[1:-1].tolist())
        frames = [small(f.rgb()) for i, f in enumerate(decode(path)) if i in wanted]
        yield Clip(int(row["scene"] == "outdoor"), frames)
    for name in ("coco_val", "coco_train_focus") if pictures else ():
        folder = DATA / "annotated" / name
        for row in rows_of(folder / "images.csv", "scene_by_eye"):
            picture = cv2.imread(str(folder / "images" / row["file"]))
            yield Clip(int(row["scene_by_eye"] == "outdoor"), [small(picture[..., ::-1])])


def rows_of(path: Path, column: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV file that are clearly indoor or outdoor."""
    with path.open(encoding="utf-8", newline="") as lines:
        yield from (row for row in csv.DictReader(lines) if row[column] in {"indoor", "outdoor"})


def small(picture: Picture) -> Picture:
    """Return a picture whose longest side is at most 480 pixels."""
    if max(picture.shape[:2]) <= LONGEST_PX:
        return np.ascontiguousarray(picture)
    return fit(np.ascontiguousarray(picture), "longest", (LONGEST_PX, LONGEST_PX))[0]


def rendered_clips() -> tuple[list[Clip], list[Clip]]:
    """Return the same rendered videos with the class of their wall, and of their floor."""
    rng = np.random.default_rng(0)
    by_wall, by_floor = [], []
    for number in range(RENDERED):
        wall, floor = number % len(WALLS), int(rng.integers(len(FLOORS)))
        shot = make_shot(
            int(rng.integers(2**31)),
            frames=200,
            size_wh=RENDERED_WH,
            place=scenery.Place(WALLS[wall], FLOORS[floor]),
            pan_px=float(rng.uniform(-60, 60)),
        )
        frames = [shot.draw(int(i))[0] for i in np.linspace(0, 199, FRAMES)]
        by_wall.append(Clip(wall, frames))
        by_floor.append(Clip(floor, frames))
    return by_wall, by_floor


def card(rng: Generator, size_wh: tuple[int, int]) -> Picture:
    """Return a title card: up to three lines of text on one colour."""
    w, h = size_wh
    ground = rng.integers(0, 256, 3)
    light = int(ground.sum()) < 3 * 128
    picture = np.full((h, w, 3), ground, np.uint8)
    for line in range(int(rng.integers(1, 4))):
        text = "".join(rng.choice(list("ABCDEFGHIKLMNOPRSTU "), int(rng.integers(5, 12))))
        at, colour = (w // 10, int(h * (0.35 + 0.18 * line))), (240 * light,) * 3
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(picture, text, at, font, h / 140, colour, max(1, h // 80), cv2.LINE_AA)
    return picture


def black(rng: Generator, size_wh: tuple[int, int]) -> Picture:
    """Return a nearly black frame with a little noise."""
    noise = rng.normal(rng.uniform(0, 12), 1.5, (size_wh[1], size_wh[0], 1))
    return np.clip(noise, 0, 255).astype(np.uint8).repeat(3, axis=2)


# -- features -------------------------------------------------------------------------------------


def embeds(networks: Iterable[str] = OPTIONS) -> dict[str, Embed]:
    """Return the compared features by name."""
    found = {"tiny": load_embedder("tiny").open()}
    for name in networks:
        spec = f"onnx-features:{DATA}/weights/{name}.onnx"
        last = load_embedder(spec, options={**OPTIONS[name], "levels": 1})
        found[f"{name}, mean of the last level"] = first_half(last.open(), last.dimensions // 2)
        found[f"{name}, means and maxima of three"] = load_embedder(
            spec, options=OPTIONS[name]
        ).open()
    return found


def first_half(embed: Embed, dimensions: int) -> Embed:
    """Return only the means of a level."""
    return lambda pictures: embed(pictures)[:, :dimensions]


def read(clips: Sequence[Clip], embed: Embed) -> Footage:
    """Return the features of all frames."""
    features = np.concatenate([embed(clip.frames) for clip in clips])
    clip = np.repeat(np.arange(len(clips)), [len(clip.frames) for clip in clips])
    return Footage(features, clip, np.array([clip.label for clip in clips]))


def accuracy_row(title: str, name: str, footage: Footage) -> None:
    """Print how often probes are right without a wrong tag."""
    frames, groups = [], []
    for seed in SEEDS:
        target = footage.target(footage.label)
        found = out_of_fold(footage.features, target, footage.group, seed=seed)
        frames.append((found.argmax(1) == footage.label[footage.clip]).mean())
        sums = np.stack([np.bincount(footage.clip, column) for column in found.T], axis=1)
        groups.append((sums.argmax(1) == footage.label).mean())
    size = f"{footage.features.shape[1]:4} numbers"
    print(f"  {title:18} {name:42} {size}  {np.mean(frames):.3f}  {np.mean(groups):.3f}")


# -- wrong tags -----------------------------------------------------------------------------------


def flipped(label: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of which a fifth is another class, and which these are."""
    rng = np.random.default_rng(seed)
    wrong = np.zeros(len(label), bool)
    wrong[rng.permutation(len(label))[: round(SHARE * len(label))]] = True
    classes = int(label.max()) + 1
    return np.where(wrong, (label + rng.integers(1, classes, len(label))) % classes, label), wrong


def flipped_row(title: str, name: str, footage: Footage, *, by_frame: bool = False) -> None:
    """Print how many flipped tags are found, with folds by group and by frame."""
    right, estimated, found, hidden, flips = [], [], [], [], []
    for seed in SEEDS:
        label, wrong = flipped(footage.label, seed)
        moments = TaggedMoments(
            tuple(map(str, range(int(label.max()) + 1))),
            footage.group,
            footage.group,
            footage.features,
            footage.target(label),
        )
        doubts = find_doubts(moments, WITHOUT_FRAMES, seed=seed)
        right.append((doubts.probability.argmax(1) == footage.label[footage.clip]).mean())
        estimated.append(doubts.judgements[0].frame_accuracy.value)
        found.append(contradicted(doubts, footage))
        flips.append(wrong)
        if by_frame:
            frames = replace(moments, group=np.arange(len(footage.clip)).astype(str))
            hidden.append(contradicted(find_doubts(frames, LEAKING, seed=seed), footage))
    shown = f"right on {np.mean(right):.2f} of frames, estimated {np.mean(estimated):.2f}"
    leaks = f"; folds by frame {scores(hidden, flips)}" if hidden else ""
    print(f"  {title:18} {name:42} {shown}; {scores(found, flips)}{leaks}", flush=True)


def contradicted(doubts: Doubts, footage: Footage) -> np.ndarray:
    """Return which clips have a doubted tag."""
    mask = np.zeros(len(footage.label), bool)
    mask[footage.clip[doubts.row[doubts.rule == CONTRADICTS]]] = True
    return mask


def scores(found: list[np.ndarray], true: list[np.ndarray], *, own: Masks = None) -> str:
    """Return precision against what is true, and recall of that or of a part of it, together."""
    masks = [np.concatenate(part) for part in (found, true, own or true)]
    precision = f"{(masks[0] & masks[1]).sum() / masks[0].sum():.2f}" if masks[0].any() else "-"
    recall = (masks[0] & masks[2]).sum() / max(masks[2].sum(), 1)
    return f"P {precision} R {recall:.2f} of {masks[2].sum()}"


# -- frames ---------------------------------------------------------------------------------------


def off_topic_rows(title: str, name: str, clips: Sequence[Clip], embed: Embed) -> None:
    """Print how many frames of each kind each rule finds."""
    settings = DoubtSettings(contradicts=ContradictsSettings(enabled=False))
    parts = {BLANK: ("card", "black"), COPIED: ("intro",), STRANGER: OFF_TOPIC, "all": OFF_TOPIC}
    found: dict[str, list[np.ndarray]] = {rule: [] for rule in parts}
    kinds = []
    for seed in SEEDS:
        mixed, kind = spoiled(clips, seed)
        moments = tagged(mixed, embed)
        for rule in parts:
            doubts = find_doubts(moments, replace_rules(settings) if rule == STRANGER else settings)
            rows = doubts.row[(doubts.rule == rule) | (rule == "all")]
            found[rule].append(np.isin(np.arange(len(kind)), rows))
        kinds.append(kind)
    off = [kind != "" for kind in kinds]
    for rule, part in parts.items():
        own = [np.isin(kind, part) for kind in kinds]
        print(f"  {title:12} {name:42} {rule:10} {scores(found[rule], off, own=own)}")
    by_kind = {k: np.concatenate(found[STRANGER])[np.concatenate(kinds) == k] for k in OFF_TOPIC}
    shown = ", ".join(f"{kind} {mask.mean():.2f}" for kind, mask in by_kind.items())
    print(f"  {title:12} {name:42} recall of stranger by kind: {shown}", flush=True)


def replace_rules(settings: DoubtSettings) -> DoubtSettings:
    """Return the settings with `stranger` alone."""
    off = {"blank": BlankSettings(enabled=False), "copied": CopiedSettings(enabled=False)}
    return settings.model_copy(update=off)


def spoiled(clips: Sequence[Clip], seed: int) -> tuple[list[Clip], np.ndarray]:
    """Return clips with a stretch that shows something else, and its kind for each frame."""
    rng = np.random.default_rng(seed)
    spoiler = Spoiler(clips[::RESERVED], rng, seed)
    judged = [clip for number, clip in enumerate(clips) if number % RESERVED]
    mixed, kinds = [], []
    for number, clip in enumerate(judged):
        one, kind = spoiler.spoiled(clip, OFF_TOPIC[(number // 4 + number) % len(OFF_TOPIC)])
        mixed.append(one)
        kinds.append(kind)
    return mixed, np.concatenate(kinds)


class Spoiler:
    """Replaces stretches of clips by something else."""

    def __init__(self, sources: Sequence[Clip], rng: Generator, seed: int) -> None:
        """Take the clips that other scenes come from, and the seed of the shared intro."""
        place = scenery.UNSEEN_PLACES[0]
        intro = make_shot(seed, frames=9, size_wh=RENDERED_WH, place=place)
        self._rng = rng
        self._makers: dict[str, Callable[[Clip, int], list[Picture]]] = {
            "card": lambda clip, n: [card(rng, size_of(clip))] * n,
            "black": lambda clip, n: [black(rng, size_of(clip)) for _ in range(n)],
            "scene": lambda clip, n: elsewhere(sources, clip, rng).frames[:n],
            "intro": lambda _, n: [intro.draw(i)[0] for i in range(n)],
        }

    def spoiled(self, clip: Clip, kind: str) -> tuple[Clip, list[str]]:
        """Return the clip with a fifth of it replaced, and the kind of each frame, or nothing."""
        made = self._makers[kind](clip, max(1, round(SHARE * len(clip.frames))))
        at = 0 if kind == "intro" else int(self._rng.integers(len(clip.frames) - len(made) + 1))
        end = at + len(made)
        frames = [*clip.frames[:at], *made, *clip.frames[end:]]
        return Clip(clip.label, frames), [
            kind if at <= i < end else "" for i in range(len(clip.frames))
        ]


def size_of(clip: Clip) -> tuple[int, int]:
    """Return width and height."""
    return clip.frames[0].shape[1], clip.frames[0].shape[0]


def elsewhere(clips: Sequence[Clip], clip: Clip, rng: Generator) -> Clip:
    """Return a clip of another class."""
    others = [other for other in clips if other.label != clip.label]
    return others[rng.integers(len(others))]


def tagged(clips: Sequence[Clip], embed: Embed) -> TaggedMoments:
    """Return rightly tagged moments with all figures."""
    footage = read(clips, embed)
    tiny = load_embedder("tiny").open()
    vectors = np.concatenate([tiny(clip.frames) for clip in clips])
    leader = find_duplicates(vectors, SIMILARITY).leader
    quality = [measure(grey(frame)) for clip in clips for frame in clip.frames]
    return TaggedMoments(
        tuple(map(str, range(int(footage.label.max()) + 1))),
        footage.group,
        footage.group,
        footage.features,
        footage.target(footage.label),
        entropy_bits=np.array([q.entropy_bits for q in quality]),
        sharpness=np.array([q.sharpness for q in quality]),
        kept_video=footage.group[leader],
        kept_pts=leader,
    )


def grey(picture: Picture) -> Picture:
    """Return a grey picture of the size on which figures are taken."""
    reduced = picture
    if max(picture.shape[:2]) > ANALYSIS_WH[0]:
        reduced = fit(picture, "longest", ANALYSIS_WH)[0]
    return cv2.cvtColor(reduced, cv2.COLOR_RGB2GRAY)


if __name__ == "__main__":
    main()
