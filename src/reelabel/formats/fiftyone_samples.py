"""Folders in FiftyOne's own format, `FiftyOneDataset`, read as its formats of labels alone are.

    metadata.json    what the data set is: media type, fields, class lists
    samples.json     {"samples": [{"filepath": "data/3f2a_0.jpg", "tags": ["train"],
                         "ground_truth": {"_cls": "Detections", "detections": [...]}}, ...]}
    data/            the pictures, if they were exported

Labels stand in fields of any name: ``ground_truth`` counts if it holds labels, else the only field
that does. A tag that names a split is the split of its picture. The number of a track is
``track_id`` or ``index``. The format is documented at https://docs.voxel51.com under
"FiftyOneDataset".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from reelabel.errors import FormatError, few
from reelabel.formats.checked import Row, bad, load_json, rows_of
from reelabel.formats.copied import SPLIT_NAMES

SAMPLES = "samples.json"
BOXES, CLASSES = ("Detections", "Detection"), ("Classifications", "Classification")
"""Types of labels that hold boxes, and that hold classes."""
_USUAL = "ground_truth"
_LISTS = {"Detections": "detections", "Classifications": "classifications"}


def read_samples(path: Path, kinds: Sequence[str]) -> dict[str, Any]:
    """Return ``classes``, and ``labels`` and ``splits`` by picture, as a ``labels.json`` has them.

    A picture that nobody labelled has null. Paths below ``data`` are keys without it.

    Args:
        path: ``samples.json``.
        kinds: types of labels, `BOXES` or `CLASSES`.

    Raises:
        FormatError: if the file is damaged, or it is open which field holds the labels.
    """
    raw = load_json(path)
    if not isinstance(raw, dict):
        raise bad(f"{path}", "an object with 'samples'", raw)
    samples = list(rows_of(str(path), raw, "samples"))
    field = _field(path, [row for _, row in samples], kinds)
    labels, splits = dict[str, Any](), dict[str, str]()
    for where, row in samples:
        key = _key(where, row)
        labels[key] = _labels(where, row.get(field))
        tags = row.get("tags")
        known = [SPLIT_NAMES[tag] for tag in tags if tag in SPLIT_NAMES] if tags else []
        splits[key] = known[0] if known else ""
    return {"classes": _classes(path, field), "labels": labels, "splits": splits}


def _field(path: Path, samples: list[Row], kinds: Sequence[str]) -> str:
    """Return the name of the field that holds the labels."""
    found = sorted({name for row in samples for name in _fields(row, kinds)})
    if _USUAL in found:
        return _USUAL
    if len(found) == 1:
        return found[0]
    came = f"there are {few(found)}" if found else "there is none"
    raise FormatError(
        f"{path}: expected one field with {kinds[0]} of pictures, or one called '{_USUAL}', but "
        f"{came}: export one, as in  dataset.select_fields('NAME').export(...) , of videos "
        "after  dataset.to_frames(sample_frames=True)"
    )


def _fields(row: Row, kinds: Sequence[str]) -> Iterator[str]:
    for name, value in row.items():
        if isinstance(value, dict) and value.get("_cls") in kinds:
            yield name


def _key(where: str, row: Row) -> str:
    """Return the path of a picture, below ``data`` if it lies there."""
    place = row.get("filepath")
    if not isinstance(place, str) or not place:
        raise bad(f"{where}: 'filepath'", "the path of a picture", place)
    return place.replace("\\", "/").removeprefix("data/")


def _labels(where: str, value: object) -> object:
    """Return the labels of a picture: a list, one, or None."""
    if not isinstance(value, dict):
        return None
    kind = str(value.get("_cls"))
    if kind in _LISTS:
        return [_label(row) for _, row in rows_of(where, value, _LISTS[kind])]
    return [_label(value)] if kind in BOXES else value


def _label(row: Row) -> Row:
    """Return a label with its attributes where a ``labels.json`` has them."""
    track = row.get("track_id", row.get("index"))
    own = {"origin": row.get("origin"), "track_id": track}
    return {**row, "attributes": {name: each for name, each in own.items() if each is not None}}


def _classes(path: Path, field: str) -> list[Any]:
    """Return the classes of a field, or of the data set, as far as it lists any."""
    beside = path.parent / "metadata.json"
    raw = load_json(beside) if beside.is_file() else {}
    if not isinstance(raw, dict):
        return []
    by_field = raw.get("classes")
    own = by_field.get(field) if isinstance(by_field, dict) else None
    found = own or raw.get("default_classes")
    return found if isinstance(found, list) else []
