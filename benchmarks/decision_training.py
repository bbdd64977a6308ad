"""Real networks for the benchmark of decisions: students of many qualities on footage with truth.

Footage is the clips with hand-drawn boxes, and rendered videos. Teachers are YOLOX-nano, NanoDet-m
and motion; students are trained for 20 to 400 steps, on labels as they are or spoiled, at other
rates and input sizes. More students come from each training without any further one: their weights
are moved half the way from the start, or more than twice the way, or shaken.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors.numpy import load_file, save_file

import reelabel
from common import DATA
from decision_pairs import MIRRORED, PLAIN, USED
from reelabel.data.boxes import Boxes
from reelabel.media.stream import scan
from reelabel.media.video import frames as decoded
from reelabel.models.base import Detector
from reelabel.models.detector_pool import DetectorPool, detect_frames
from reelabel.models.mirrored import MirroredDetector, single_view
from reelabel.models.registry import load_detector
from reelabel.models.students.folder import START, WEIGHTS, is_finished
from reelabel.models.teacher import load_teacher
from reelabel.pipeline import read_config
from reelabel.synthetic.footage import render
from reelabel.tables import LABELS
from reelabel.training.boxes.settings import BoxTrainSettings
from reelabel.training.registry import load_trainer
from reelabel.workspace import Workspace
from reelabel.workspace.results import InputChoice

CLIPS = {
    "juggle": "sports/soccer_juggle.mp4",
    "fetch": "dogs/dog_fetch.mp4",
    "garden": "dogs/dogs_play_garden.mp4",
    "day": "trains/train_day.mp4",
    "rain": "trains/train_rain.mp4",
}
MOST_HELD_OUT, TRUTH_EVERY = 60, 6
LEAST_SCORE = 0.01


@dataclass(frozen=True)
class Footage:
    """What a scene is made of.

    Attributes:
        name: of the class.
        clips: names in `CLIPS`; none for rendered footage.
        teacher: name of an ONNX network, or "motion".
        joined: other class names of the network that stand for the class.
        seed: of rendered footage.
    """

    name: str
    clips: tuple[str, ...] = ()
    teacher: str = "yolox_nano"
    joined: tuple[str, ...] = ()
    seed: int | None = None


BALL = ("frisbee",)
SCENES = {
    "ball": Footage("sports ball", ("juggle",), joined=BALL),
    "dogs": Footage("dog", ("fetch", "garden")),
    "trains": Footage("train", ("day", "rain")),
    "fetch": Footage("dog", ("fetch",)),
    "garden": Footage("dog", ("garden",)),
    "day": Footage("train", ("day",)),
    "rain": Footage("train", ("rain",)),
    "person": Footage("person", ("juggle",)),
    "ball_nanodet": Footage("sports ball", ("juggle",), "nanodet_m_320", BALL),
    "dogs_nanodet": Footage("dog", ("fetch", "garden"), "nanodet_m_320"),
    "trains_nanodet": Footage("train", ("day", "rain"), "nanodet_m_320"),
    **{
        f"synth{seed}_{name}": Footage("ball", (), teacher, ("sports ball", *BALL), seed)
        for seed in range(3)
        for name, teacher in (("motion", "motion"), ("yolox", "yolox_nano"))
    },
}


@dataclass(frozen=True)
class Recipe:
    """How a student is trained: what is done to its labels, and its settings."""

    spoiled: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


RECIPES = {
    "clean160": Recipe(settings={"max_steps": 160}),
    "grow": Recipe("grow", {"max_steps": 60}),
    "fast": Recipe(settings={"max_steps": 60, "lr": 1e-3, "freeze_backbone": False}),
    "clean20": Recipe(settings={"max_steps": 20}),
    "shift": Recipe("shift", {"max_steps": 60}),
    "random": Recipe("random", {"max_steps": 60}),
    "drop": Recipe("drop", {"max_steps": 60}),
    "clean60": Recipe(settings={"max_steps": 60}),
    "small": Recipe(settings={"max_steps": 60, "image_size": 320}),
    "jitter": Recipe("jitter", {"max_steps": 60}),
    "clean400": Recipe(settings={"max_steps": 400}),
}
MOVED = (0.5, 2.5)
"""How far from its start towards and beyond the trained student a derived one lies."""
SHAKEN = 0.01
"""Noise on the weights of a derived student, as a share of their standard deviation."""


def make_pairs(home: Path) -> None:
    """Train what is missing and write its detections; what is there stays."""
    for name, recipe in RECIPES.items():
        for scene, footage in SCENES.items():
            motion = footage.teacher == "motion"
            if not (motion and recipe.settings.keys() & {"lr", "image_size"}):
                _make_pair(home / scene, footage, name)


def _make_pair(folder: Path, footage: Footage, name: str) -> None:
    workspace = _workspace(folder, footage)
    wanted = _scene(folder, footage, workspace)
    model = folder / "models" / name
    data = _spoiled(workspace.round_dir(0) / "dataset", folder / "data", RECIPES[name].spoiled)
    load_trainer(_settings(footage, name)).fit(data, model, lambda *_: None)
    start = None
    if is_finished(model / START):
        start = f"start_{json.loads((model / START / 'model.json').read_text())['image_size']}"
        _look(folder, start, load_detector(f"student:{model / START}"), wanted)
    _look(folder, name, load_detector(f"student:{model}"), wanted)
    _note(folder, name, start)
    for kind in (*(f"{far}" for far in MOVED), f"noise{SHAKEN}") if start else ():
        derived = _derived(model, kind)
        _look(folder, derived.name, load_detector(f"student:{derived}"), wanted)
        _note(folder, derived.name, start)


def _workspace(folder: Path, footage: Footage) -> Workspace:
    """Return the scene's workspace with labels and a split, made if it is not there."""
    root = folder / "workspace"
    if not root.exists():
        motion = footage.teacher == "motion"
        settings: dict[str, Any] = {"split": {"single_video": len(footage.clips) == 1}}
        if motion:
            settings |= {"detector_options": {"shape": "round"}, "clean": {"score": 0.45}}
        if footage.seed is not None:
            settings |= {"sample": {"every": 2}}
        if footage.joined and not motion:
            settings |= {"class_map": dict.fromkeys(footage.joined, footage.name)}
        reelabel.init(
            root,
            classes=[footage.name],
            videos=list(_videos(folder, footage).values()),
            detector="motion" if motion else f"onnx:{DATA}/weights/{footage.teacher}.onnx",
            settings=settings,
        )
    reelabel.run(root, until="split", rounds=1)
    return Workspace.open(root)


def _videos(folder: Path, footage: Footage) -> dict[str, Path]:
    """Return name -> file of the videos that are labelled."""
    if footage.seed is None:
        return {clip: DATA / "videos" / CLIPS[clip] for clip in footage.clips}
    home = folder / "footage"
    if not (home / "manifest.json").is_file():
        render(home, seed=footage.seed)
    names = json.loads((home / "manifest.json").read_text())["footage"]
    return {Path(name).stem: home / name for name in names}


def _truth(folder: Path, footage: Footage) -> Iterator[tuple[str, int, list[list[float]]]]:
    """Yield clip, frame and true boxes (xywh) of the annotated frames."""
    rendered = footage.seed is not None
    path = (
        folder / "footage/truth.json" if rendered else DATA / "annotated/hand_boxes/instances.json"
    )
    coco = json.loads(path.read_text())
    class_id = next(c["id"] for c in coco["categories"] if c["name"] == footage.name)
    clip_of = {path.name: clip for clip, path in _videos(folder, footage).items()}
    for image in coco["images"]:
        clip = clip_of.get(Path(image["video"]).name)
        complete = class_id in image.get("complete_categories", [class_id])
        if clip and complete and not (rendered and image["frame_index"] % TRUTH_EVERY):
            here = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
            boxes = [a["bbox"] for a in here if a["category_id"] == class_id]
            yield clip, image["frame_index"], boxes


def _scene(folder: Path, footage: Footage, workspace: Workspace) -> dict[str, set[int]]:
    """Write the scene and its teacher's detections; return the frames to look at, by clip."""
    videos = _videos(folder, footage)
    clip_of = {
        video.video_id: clip
        for video in workspace.videos()
        for clip, path in videos.items()
        if path.name == video.name
    }
    held_out: dict[str, list[int]] = {}
    val = json.loads((workspace.round_dir(0) / "dataset/val.json").read_text())
    for image in val["images"]:
        held_out.setdefault(clip_of[image["video"]], []).append(image["frame_index"])
    held_out = {clip: _middle(sorted(frames)) for clip, frames in held_out.items()}
    truth = list(_truth(folder, footage))
    columns = ("frame_index", "x1", "y1", "x2", "y2", "score", "state", "rule")
    labels = {
        clip: [{k: row[k] for k in columns} for row in workspace.read(LABELS, v, 0).to_pylist()]
        for v, clip in clip_of.items()
        if clip in held_out
    }
    scene = {
        "clips": list(videos),
        "truth": truth,
        "held_out": held_out,
        "labels": labels,
        "mirrored_teacher": footage.teacher != "motion",
    }
    (folder / "scene.json").write_text(json.dumps(scene))
    wanted = {clip: set(held_out.get(clip, ())) for clip in videos}
    for clip, frame, _ in truth:
        wanted[clip].add(frame)
    config = read_config(workspace)
    choice = InputChoice.load(workspace.round_dir(0))
    teacher = load_teacher(config.project, workspace.root, config.project.detector, choice)
    _look(folder, "teacher", teacher, wanted)
    return wanted


def _middle(frames: list[int]) -> list[int]:
    first = max(0, (len(frames) - MOST_HELD_OUT) // 2)
    return frames[first : first + MOST_HELD_OUT]


def _look(folder: Path, name: str, detector: Detector, wanted: Mapping[str, set[int]]) -> None:
    """Write what a detector finds in frames: as it is used, and in its two single views."""
    path = folder / f"{name}.npz"
    if path.is_file():
        return
    plain = single_view(detector)
    views = {USED: detector, PLAIN: plain, MIRRORED: cast("Detector", MirroredDetector(plain))}
    scene = json.loads((folder / "scene.json").read_text())
    videos = _videos(folder, SCENES[folder.name])
    rows = [np.zeros((0, 8))]
    for view, one in views.items():
        for number, clip in enumerate(scene["clips"]):
            for frame, boxes in _found(videos[clip], one, wanted[clip]):
                columns = (np.full((len(boxes), 3), (number, frame, view)), boxes.xyxy, boxes.score)
                rows.append(np.column_stack(columns))
    np.savez_compressed(path, rows=np.concatenate(rows).astype(np.float32))


def _found(path: Path, detector: Detector, wanted: set[int]) -> Iterator[tuple[int, Boxes]]:
    """Yield the boxes of the first class in each wanted frame."""
    stamps, size_wh = [], (0, 0)
    for frame in decoded(path, list(scan(path).pts)):
        size_wh = frame.rgb().shape[1::-1]
        stamps += [frame.pts] if frame.index in wanted else []
    for one in detect_frames(path, DetectorPool(detector), stamps, size_wh=size_wh):
        kept = (one.boxes.class_id == 0) & (one.boxes.score >= LEAST_SCORE)
        yield one.index, one.boxes[kept]


def _note(folder: Path, student: str, start: str | None) -> None:
    path = folder / "pairs.json"
    known = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(known | {student: {"start": start}}, indent=1))


def _settings(footage: Footage, name: str) -> BoxTrainSettings:
    seed = sum(map(ord, footage.name + name)) % 1000
    values: dict[str, Any] = {"seed": seed, **RECIPES[name].settings}
    if footage.teacher == "motion":
        return BoxTrainSettings(student="centernet", image_size=320, crop=192, lr=1e-3, **values)
    names = (DATA / "weights/coco_classes_80.txt").read_text().split("\n")
    first = footage.joined[0] if footage.joined else footage.name
    known = tuple(footage.name if one == first else one for one in names if one)
    weights = DATA / "weights/yolox_nano.onnx"
    given = {"student": "yolox", "weights": weights, "source_classes": known, "batch_size": 4}
    return BoxTrainSettings(**given | values)


def _spoiled(source: Path, home: Path, kind: str) -> Path:
    """Return a data set whose training labels are spoiled, or as they are."""
    target = home / (kind or "clean")
    if target.exists():
        return target
    target.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "val"):
        coco = json.loads((source / f"{part}.json").read_text())
        for image in coco["images"]:
            image["file_name"] = os.path.relpath((source / image["file_name"]).resolve(), target)
        if part == "train":
            size = {image["id"]: (image["width"], image["height"]) for image in coco["images"]}
            coco["annotations"] = [
                a | {"bbox": box, "area": box[2] * box[3]}
                for a in coco["annotations"]
                if (box := _changed(a, size[a["image_id"]], kind, rng)) is not None
            ]
        (target / f"{part}.json").write_text(json.dumps(coco))
    return target


def _changed(
    row: Mapping[str, Any], size_wh: Sequence[int], kind: str, rng: np.random.Generator
) -> list[float] | None:
    """Return the box of a label after spoiling it, None if it is dropped."""
    x, y, w, h = row["bbox"]
    if row.get("iscrowd") or not kind:
        return [x, y, w, h]
    if kind == "drop" and rng.random() < 0.6:
        return None
    if kind == "shift":
        x, y = x + 0.15 * w, y + 0.1 * h
    if kind == "grow":
        x, y, w, h = x - 0.15 * w, y - 0.15 * h, 1.3 * w, 1.3 * h
    if kind == "jitter":
        a, b, c, d = rng.normal(0, 0.12, 4)
        x, y, w, h = x + a * w, y + b * h, w * np.exp(c), h * np.exp(d)
    if kind == "random" and rng.random() < 0.4:
        x, y = rng.uniform(0, max(1, size_wh[0] - w)), rng.uniform(0, max(1, size_wh[1] - h))
    left, top = max(0.0, x), max(0.0, y)
    right, bottom = min(size_wh[0], x + w), min(size_wh[1], y + h)
    return [left, top, right - left, bottom - top] if right - left > 1 < bottom - top else None


def _derived(model: Path, kind: str) -> Path:
    """Return a student whose weights were moved from those of a trained one."""
    target = model.with_name(f"{model.name}@{kind}")
    if target.exists():
        return target
    start, trained = load_file(model / START / WEIGHTS), load_file(model / WEIGHTS)
    rng = np.random.default_rng(sum(map(ord, target.name)))
    moved = {}
    for name, value in trained.items():
        if not np.issubdtype(value.dtype, np.floating):
            moved[name] = value
        elif kind.startswith("noise"):
            noise = SHAKEN * value.std() * rng.normal(size=value.shape)
            moved[name] = (value + noise).astype(value.dtype)
        else:
            moved[name] = start[name] + np.float32(kind) * (value - start[name])
    target.mkdir()
    shutil.copy(model / "model.json", target)
    save_file(moved, target / WEIGHTS)
    return target
