"""Which picture of a Label Studio task a region is drawn in.

Most tasks have one. A labelling interface may show several: each in a control of its own, which
regions name in ``to_name``, or a list of them in one control, of which regions name the position in
``item_index`` (https://labelstud.io/tags/image).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from reelabel.errors import FormatError
from reelabel.formats.checked import Row, whole_of
from reelabel.formats.label_studio import PICTURE
from reelabel.formats.label_studio_regions import Region

_ADDRESS = re.compile(r"\.\w{2,5}(\?|$)")


def pictures_in(
    where: str, data: Row, regions: Sequence[Region]
) -> list[tuple[Row, Sequence[Region]]]:
    """Return each picture of a task: the data with its address, and the regions in it.

    Args:
        where: the task, for messages.
        data: of the task.
        regions: of its annotation.

    Raises:
        FormatError: if it has several and a region does not state which, or one was turned in the
            editor, which stores places in the turned picture.
    """
    for region in regions:
        if turned := region.row.get("image_rotation"):
            raise FormatError(
                f"{region.where}: expected a picture that stands as it is stored, image_rotation "
                f"0, but got {turned!r}: turn it back in Label Studio, and export again"
            )
    if any(region.row.get("item_index") is not None for region in regions):
        return _of_list(where, data, regions)
    names = list(dict.fromkeys(str(region.row.get("to_name")) for region in regions))
    if all(isinstance(data.get(name), str) for name in names) and names:
        return [({**data, PICTURE: data[name]}, _shown_in(name, regions)) for name in names]
    if len(names) > 1 and len(set(addresses_in(data))) > 1:
        raise FormatError(
            f"{where}: expected the regions of one picture, or controls named as the keys of data, "
            f"but got the controls {', '.join(names)}: export the pictures as tasks of their own"
        )
    return [(data, regions)]


def _shown_in(name: str, regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if str(region.row.get("to_name")) == name]


def _of_list(
    where: str, data: Row, regions: Sequence[Region]
) -> list[tuple[Row, Sequence[Region]]]:
    """Return all pictures of the list that a task shows."""
    lists = [v for v in data.values() if isinstance(v, list) and all(map(_is_address, v)) and v]
    positions = [whole_of(region.where, region.row, "item_index", 0) or 0 for region in regions]
    if len(lists) != 1 or max(positions) >= len(lists[0]):
        raise FormatError(
            f"{where}: expected one list of pictures in data, long enough for each item_index, but "
            f"got {len(lists)} and the position {max(positions)}: correct it"
        )
    pairs = list(zip(positions, regions, strict=True))
    return [
        ({**data, PICTURE: address}, [region for at, region in pairs if at == number])
        for number, address in enumerate(lists[0])
    ]


def addresses_in(data: Row) -> Iterator[str]:
    """Yield what looks like the address of a file."""
    yield from (value for value in data.values() if _is_address(value))


def _is_address(value: object) -> bool:
    return isinstance(value, str) and bool(_ADDRESS.search(value))
