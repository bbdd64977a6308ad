"""Data sets as the rows of COCO files; see `reelabel.formats.coco`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reelabel.data.boxes import Boxes
from reelabel.data.dataset import DIGITS, Dataset, ImageEntry, fitted
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, State
from reelabel.formats.entries import scores_of

IMAGE_KEYS = frozenset({
    "id",
    "file_name",
    "width",
    "height",
    "video",
    "frame_index",
    "pts",
    "pts_time",
    "complete_categories",
    "categories_without_box",
    "hard_negatives",
    "ignore_regions",
    "left_out",
    "time_base",
    "split",
})
"""What we write of an image itself."""
BOX_KEYS = frozenset({
    "id",
    "image_id",
    "category_id",
    "category",
    "bbox",
    "area",
    "iscrowd",
    "score",
    "origin",
    "segmentation",
    "track_id",
})
"""What we write of a box itself."""
REGIONS: dict[str, State] = {"hard_negatives": NEGATIVE, "ignore_regions": IGNORE}
"""Lists of boxes in an image's own entry, and their state."""


def coco_rows(
    dataset: Dataset, *, crowds: bool, above: tuple[int, int] = (0, 0)
) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Yield the row of each picture, and those of its boxes.

    Args:
        dataset: the pictures and boxes.
        crowds: as in `reelabel.formats.coco.to_coco`.
        above: the highest ids of a picture and a box so far.
    """
    aside = {state: key for key, state in REGIONS.items() if not (crowds and state == IGNORE)}
    first, number = above[0] + 1, above[1]
    pairs = zip(dataset.images, dataset.boxes, strict=True)
    for id_, (image, boxes) in enumerate(pairs, start=first):
        row, rows = image_row(id_, image), []
        for class_id, xywh, state, values in _entries(boxes, image.size_wh):
            if state in aside:
                region = {"bbox": xywh, "category": dataset.classes[class_id], **values}
                row.setdefault(aside[state], []).append(region)
            else:
                number += 1
                rows.append({
                    "id": number,
                    "image_id": id_,
                    "category_id": class_id + 1,
                    "bbox": xywh,
                    "area": round(xywh[2] * xywh[3], 2 * DIGITS),
                    "iscrowd": int(state == IGNORE),
                    **values,
                })
        yield row, rows


def _entries(
    boxes: Boxes, size_wh: tuple[int, int]
) -> Iterator[tuple[int, list[float], State, dict[str, Any]]]:
    """Yield class, box, state and further values of each box that has an area."""
    xyxy, kept = fitted(boxes.xyxy, size_wh)
    count, own = len(boxes), BOX_KEYS
    columns = zip(
        kept.tolist(),
        xyxy.tolist(),
        boxes.class_id.tolist(),
        scores_of(boxes.score),
        [POSITIVE] * count if boxes.state is None else boxes.state.tolist(),
        [""] * count if boxes.origin is None else boxes.origin.tolist(),
        [None] * count if boxes.track_id is None else boxes.track_id.tolist(),
        [{}] * count if boxes.extra is None else boxes.extra.tolist(),
        strict=True,
    )
    for stays, (x1, y1, x2, y2), class_id, score, state, origin, track_id, extra in columns:
        if stays:
            values: dict[str, Any] = {} if score is None else {"score": score}
            values |= {"origin": origin} if origin else {}
            values |= {} if track_id is None or track_id < 0 else {"track_id": track_id}
            values |= unknown(extra, own)
            yield class_id, [x1, y1, round(x2 - x1, DIGITS), round(y2 - y1, DIGITS)], state, values


def image_row(id_: int, image: ImageEntry) -> dict[str, Any]:
    """Return the row of a picture, without its boxes."""
    row: dict[str, Any] = {
        "id": id_,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
    }
    for key in ("frame_index", "pts", "pts_time"):
        if (value := getattr(image, key)) is not None:
            row[key] = value
    row |= {key: value for key in ("video", "split") if (value := getattr(image, key))}
    if image.time_base is not None:
        row["time_base"] = f"{image.time_base.numerator}/{image.time_base.denominator}"
    if image.left_out:
        row["left_out"] = list(image.left_out)
    if image.complete is not None:
        row["complete_categories"] = [class_id + 1 for class_id in image.complete]
    if image.without_box:
        row["categories_without_box"] = [class_id + 1 for class_id in image.without_box]
    return row | unknown(image.extra, IMAGE_KEYS)


def unknown(extra: Mapping[str, Any], own: frozenset[str]) -> dict[str, Any]:
    """Return the further values, without those whose keys we write ourselves."""
    return {key: value for key, value in extra.items() if key not in own}
