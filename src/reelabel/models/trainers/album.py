"""The data set folder as training reads it: COCO files with hard negatives and ignore regions.

This module does not import torch.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from reelabel.data.boxes import Floats, Ints
from reelabel.data.states import TRACKER
from reelabel.errors import DecodeError, FormatError, MissingInput
from reelabel.models.base import Image
from reelabel.models.trainers.settings import TrainSettings


@dataclass(frozen=True)
class Picture:
    """One picture and its labels; boxes are xyxy in the pixels of the file.

    Attributes:
        path: where the file is.
        size_wh: its size, as the data set says.
        boxes: ``(n, 4)`` positive labels.
        labels: ``(n,)`` class numbers from 0.
        weights: ``(n,)`` in 0..1, how much each counts.
        wanted: ``(n,)`` in 0..1, the score that each is to be given.
        ignore: ``(m, 4)`` regions that the loss must not see.
        negatives: ``(k, 4)`` boxes that are surely background.
    """

    path: Path
    size_wh: tuple[int, int]
    boxes: Floats
    labels: Ints
    weights: Floats
    wanted: Floats
    ignore: Floats
    negatives: Floats


@dataclass(frozen=True)
class Album:
    """The pictures of one split."""

    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]
    labelled: tuple[int, ...] = field(init=False)
    background: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        has = [len(each.boxes) > 0 for each in self.pictures]
        object.__setattr__(self, "labelled", tuple(i for i, some in enumerate(has) if some))
        object.__setattr__(self, "background", tuple(i for i, some in enumerate(has) if not some))


def read_album(dataset_dir: Path, split: str, settings: TrainSettings) -> Album:
    """Read ``<split>.json``; a split that does not exist has no pictures.

    Raises:
        MissingInput: if ``train.json`` does not exist.
        FormatError: if the file is not COCO.
    """
    path = dataset_dir / f"{split}.json"
    if not path.is_file():
        if split == "train":
            raise MissingInput(f"expected a data set in {dataset_dir}: run `split` first")
        return Album((), ())
    try:
        coco = json.loads(path.read_bytes())
        names = {int(each["id"]): str(each["name"]) for each in coco["categories"]}
        number = {id_: i for i, id_ in enumerate(sorted(names))}
        notes = _by_image(coco["annotations"])
        pictures = tuple(
            _picture(dataset_dir, each, _Notes(notes.get(each["id"], []), number, settings))
            for each in sorted(coco["images"], key=lambda image: int(image["id"]))
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise FormatError(f"expected a COCO file, but {path} is wrong: {exc!r}") from exc
    return Album(tuple(names[id_] for id_ in sorted(names)), pictures)


@dataclass(frozen=True)
class _Notes:
    """The annotations of one picture, and what it takes to understand them."""

    notes: list[dict[str, Any]]
    number: dict[int, int]
    settings: TrainSettings


def _by_image(annotations: Iterable[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for each in annotations:
        found[each["image_id"]].append(each)
    return found


def _picture(folder: Path, image: dict[str, Any], about: _Notes) -> Picture:
    notes = [each for each in about.notes if min(each["bbox"][2:4]) > 0]
    crowd = [each["bbox"] for each in notes if each.get("iscrowd", 0)]
    plain = [each for each in notes if not each.get("iscrowd", 0)]
    negatives = [n["bbox"] for n in image.get("hard_negatives", ()) if min(n["bbox"][2:4]) > 0]
    return Picture(
        path=folder / str(image["file_name"]),
        size_wh=(int(image["width"]), int(image["height"])),
        boxes=xyxy_of([each["bbox"] for each in plain]),
        labels=np.array([about.number[each["category_id"]] for each in plain], np.int64),
        weights=np.array([_weight(each) for each in plain], np.float32),
        wanted=np.array([_wanted(each, about.settings) for each in plain], np.float32),
        ignore=xyxy_of(crowd if about.settings.use_ignore else []),
        negatives=xyxy_of(negatives if about.settings.use_negatives else []),
    )


def _weight(note: dict[str, Any]) -> float:
    weight = note.get("weight")
    return float(np.clip(1.0 if weight is None else weight, 0.0, 1.0))


def _wanted(note: dict[str, Any], settings: TrainSettings) -> float:
    """Return the score to be learnt: soft for what the tracker made (arXiv 1904.07305)."""
    score = note.get("score")
    if score is None or note.get("origin") != TRACKER:
        return 1.0
    return float(np.clip(1 - settings.soft_lambda * (1 - score), 0.0, 1.0))


def xyxy_of(xywh: list[list[float]]) -> Floats:
    """Return COCO's boxes as left, top, right, bottom: ``(n, 4)`` float32."""
    boxes = np.array(xywh, np.float32).reshape(-1, 4)
    return np.concatenate((boxes[:, :2], boxes[:, :2] + boxes[:, 2:]), axis=1)


def read_image(path: Path) -> Image:
    """Return a picture file as RGB.

    Raises:
        DecodeError: if it is missing or damaged.
    """
    try:
        coded = np.fromfile(path, np.uint8)
        bgr = cv2.imdecode(coded, cv2.IMREAD_COLOR) if len(coded) else None
    except (OSError, cv2.error) as exc:
        raise DecodeError(f"expected a picture at {path}: run `sample` again ({exc})") from exc
    if bgr is None:
        raise DecodeError(f"expected a picture, but {path} is damaged: run `sample` again")
    rgb: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    return rgb
