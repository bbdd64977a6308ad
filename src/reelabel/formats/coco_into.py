"""Adds pictures with their boxes to a COCO file that exists; what stood in it stays as it is.

Entries of the file keep their place, their ids and every key, known or not. New images and
annotations come behind them, with ids above all others. Categories are matched by name; one that is
missing is added. A hard negative is written where `reelabel.formats.coco` has it, in
``hard_negatives`` of its image: never as an annotation. A picture that the file holds already is
left alone, so that adding the same twice adds it once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.data.dataset import Dataset
from reelabel.errors import FormatError, counted
from reelabel.files import read_text, write_text
from reelabel.formats.checked import Row, bad, id_of, rows_of, text_of
from reelabel.formats.coco import to_coco
from reelabel.json_text import each_key_once

_FRAME = ("video", "frame_index", "pts")


@dataclass(frozen=True)
class Added:
    """What became of pictures that were to be added.

    Attributes:
        images: how many were added.
        annotations: objects in them.
        ignore_regions: regions in them that neither train nor count.
        hard_negatives: boxes in them that are known to be background.
        known: pictures that the file held already and that were left alone.
        new_classes: classes that the file had no category for.
    """

    images: int
    annotations: int
    ignore_regions: int
    hard_negatives: int
    known: int
    new_classes: tuple[str, ...]

    def sentences(self) -> Iterator[str]:
        """Yield what a user should know."""
        yield (
            f"{counted(self.images, 'picture')} added, with "
            f"{counted(self.annotations, 'box', 'boxes')} "
            f"and {counted(self.hard_negatives, 'hard negative')}"
            + (
                f", {counted(self.ignore_regions, 'region')} to ignore"
                if self.ignore_regions
                else ""
            )
        )
        if self.known:
            yield f"{counted(self.known, 'picture')} in the file already, unchanged"
        if self.new_classes:
            yield (
                f"new categories: {', '.join(self.new_classes)}; readers will assume that the "
                "earlier pictures show none of them"
            )


@dataclass(frozen=True)
class CocoFile:
    """A COCO file in memory, as it stands.

    Attributes:
        raw: its whole content.
    """

    raw: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> CocoFile:
        """Return the content of a file.

        Raises:
            FormatError: if it is no COCO file, or an entry has no id, or a category no name.
        """
        raw = _parsed(path)
        if not isinstance(raw, dict) or not isinstance(raw.get("images"), list):
            raise FormatError(
                f"{path}: expected a COCO file with the lists 'images', 'annotations' and "
                f"'categories', but got {type(raw).__name__} without 'images'"
            )
        for key in ("images", "annotations", "categories"):
            for where, row in rows_of(str(path), raw, key):
                id_of(where, row, "id")
                text_of(where, row, "file_name")
                if key == "categories" and not isinstance(row.get("name"), str):
                    raise bad(f"{where}: 'name'", "a class name", row.get("name"))
        return cls(raw)

    @classmethod
    def empty(cls) -> CocoFile:
        """Return a file that holds nothing yet."""
        return cls({"images": [], "annotations": [], "categories": []})

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the categories, each once."""
        return tuple(dict.fromkeys(row["name"] for row in self.raw.get("categories", ())))

    def add(self, dataset: Dataset) -> Added:
        """Add the pictures that are not there yet, with all their boxes.

        A picture is known by its file name, or, without one, by its video and frame. If the file
        has classes that the data set has not, new pictures are marked as complete for those
        of the data set alone (``complete_categories``).

        Raises:
            FormatError: if the file holds the frame of another video under a picture's name.
        """
        before = self.classes
        part = dataset.subset(self._unknown(dataset))
        new = to_coco(part, crowds=False)
        ids = self._category_ids(dataset.classes)
        every = tuple(range(len(dataset.classes))) if set(before) - set(dataset.classes) else None
        for image, row in zip(part.images, new["images"], strict=True):
            searched = every if image.complete is None else image.complete
            if searched is not None:
                row["complete_categories"] = [ids[class_id] for class_id in searched]
        for row in new["annotations"]:
            row["category_id"] = ids[row["category_id"] - 1]
        self._append(new["images"], new["annotations"])
        return Added(
            images=len(part.images),
            annotations=len(new["annotations"]),
            ignore_regions=sum(len(row.get("ignore_regions", ())) for row in new["images"]),
            hard_negatives=sum(len(row.get("hard_negatives", ())) for row in new["images"]),
            known=len(dataset.images) - len(part.images),
            new_classes=tuple(name for name in dataset.classes if name not in before),
        )

    def _unknown(self, dataset: Dataset) -> list[int]:
        """Return the positions of the images that the file does not hold."""
        known = {_key(row): row for row in self.raw["images"]}
        rows = to_coco(Dataset(dataset.classes, dataset.images))["images"]
        for row in rows:
            there = known.get(_key(row), {})
            if any(there.get(key, row.get(key)) != row.get(key, there.get(key)) for key in _FRAME):
                raise FormatError(
                    f"expected {row['file_name']} to be {_frame(row)}, but the COCO file holds "
                    f"{_frame(there)} under that name; give the new pictures another folder"
                )
        return [i for i, row in enumerate(rows) if _key(row) not in known]

    def _append(self, images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> None:
        """Put entries whose ids count from 1 behind the others, with ids above theirs."""
        there = self.raw.setdefault("annotations", [])
        above_image, above_annotation = _highest(self.raw["images"]), _highest(there)
        for row in images:
            row["id"] += above_image
        for row in annotations:
            row["id"] += above_annotation
            row["image_id"] += above_image
        self.raw["images"].extend(images)
        there.extend(annotations)

    def _category_ids(self, classes: Sequence[str]) -> list[Any]:
        """Return the category id of each class, after adding what is missing."""
        rows = self.raw.setdefault("categories", [])
        highest = _highest(rows)
        missing = [name for name in classes if name not in self.classes]
        rows.extend({"id": highest + i, "name": name} for i, name in enumerate(missing, start=1))
        id_of_name = {row["name"]: row["id"] for row in reversed(rows)}
        return [id_of_name[name] for name in classes]

    def write(self, path: Path) -> None:
        """Write the file; it is either whole or what it was before.

        Raises:
            FormatError: if an `extra` holds what JSON cannot.
            WorkspaceError: if the file system refuses.
        """
        try:
            text = json.dumps(self.raw)
        except (TypeError, ValueError, RecursionError) as exc:
            raise FormatError(f"{path}: expected values that JSON can hold, but {exc}") from exc
        write_text(path, text + "\n")


def _parsed(path: Path) -> Any:
    """Return the content; NaN, which some tools write, stays what it is."""
    try:
        return json.loads(read_text(path), object_pairs_hook=each_key_once)
    except (ValueError, RecursionError) as exc:
        raise FormatError(f"{path}: expected JSON, but {exc}; correct or replace it") from exc


def _key(row: Row) -> object:
    """Return what a picture is known by."""
    return row.get("file_name") or tuple(map(repr, map(row.get, _FRAME)))


def _frame(row: Row) -> str:
    return f"the frame { {key: row[key] for key in _FRAME if key in row} }"


def _highest(rows: Sequence[Mapping[str, Any]]) -> int:
    """Return the highest id that is a number, at least 0; those that are text take none away."""
    return max((0, *(row["id"] for row in rows if isinstance(row["id"], int))))
