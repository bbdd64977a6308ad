"""What LVIS adds to COCO: which classes each picture was searched for.

A picture lists the ids of categories that were looked for and are not there, ``neg_category_ids``,
and of those that it shows more of than is annotated, ``not_exhaustive_category_ids``
(https://www.lvisdataset.org/dataset). Of all others nothing is known in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from reelabel.data.boxes import Boxes
from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.formats.checked import bad

ABSENT, PARTLY = "neg_category_ids", "not_exhaustive_category_ids"
_KEYS = frozenset({ABSENT, PARTLY})


def with_searched(where: str, data: Dataset, class_id: Callable[[str, object], int]) -> Dataset:
    """Return a data set whose pictures are complete for the classes that they were searched for.

    Args:
        where: the file, for messages.
        data: with the lists of its pictures in `ImageEntry.extra`, which are taken out of it.
        class_id: returns the class of a category's id, after its place for messages.

    Raises:
        FormatError: if a list is none of ids of categories.
    """
    if not any(ABSENT in image.extra for image in data.images):
        return data

    def searched(image: ImageEntry, boxes: Boxes) -> ImageEntry:
        listed: dict[str, set[int]] = {}
        for key in sorted(_KEYS):
            given, here = image.extra.get(key, []), f"{where}: {image}: '{key}'"
            if not isinstance(given, list):
                raise bad(here, "a list of category ids", given)
            listed[key] = {class_id(here, each) for each in given}
        complete = {*boxes.class_id.tolist()} | listed[ABSENT]
        extra = {key: value for key, value in image.extra.items() if key not in _KEYS}
        return replace(image, complete=tuple(sorted(complete - listed[PARTLY])), extra=extra)

    pairs = zip(data.images, data.boxes, strict=True)
    return replace(
        data,
        images=tuple(
            searched(image, boxes) if ABSENT in image.extra and image.complete is None else image
            for image, boxes in pairs
        ),
    )
