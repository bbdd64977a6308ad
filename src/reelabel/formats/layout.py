"""Recognises COCO boxes that are not left, top, width, height in pixels."""

from __future__ import annotations

from collections.abc import Sequence

from reelabel.data.dataset import ImageEntry
from reelabel.errors import FormatError
from reelabel.formats.entries import Four

Drawn = tuple[ImageEntry, Four]
"""An image, and the four numbers of one of its boxes as they stand in the file."""


def check_layout(path: str, drawn: Sequence[Drawn], *, loose: bool) -> None:
    """Refuse boxes that can only be left, top, right, bottom, or shares of the picture.

    They are corners if all lie inside their pictures when read that way, and leave them when read
    as COCO: all of them, or, where the annotations have no ids as COCO has (`loose`), any. They are
    shares if all numbers of the file are in 0..1 and some are fractions.

    Raises:
        FormatError: naming the file and the layout.
    """
    if not drawn:
        return
    if all(_is_share(image, given) for image, given in drawn) and any(
        value % 1 for _, given in drawn for value in given
    ):
        raise FormatError(
            f"{path}: expected bbox in pixels, but all numbers are in 0..1, as shares of the "
            "picture are: multiply them by its width and height; if the boxes are that small, "
            "read it with xyxy=False"
        )
    if not all(_inside_as_xyxy(image, given) for image, given in drawn):
        return
    leave = [_leaves_as_xywh(image, given) for image, given in drawn]
    if all(leave) or (loose and any(leave)):
        raise FormatError(
            f"{path}: expected bbox = [left, top, width, height], but all boxes look like "
            "[left, top, right, bottom]: read it with xyxy=True; "
            "if the boxes do leave their pictures, with xyxy=False"
        )


def _is_share(image: ImageEntry, given: Four) -> bool:
    # In a picture of one pixel they would be pixels; of an unknown size nobody draws such boxes.
    return 1 not in image.size_wh and all(0 <= value <= 1 for value in given)


def _inside_as_xyxy(image: ImageEntry, given: Four) -> bool:
    left, top, right, bottom = given
    return left < right <= image.width and top < bottom <= image.height


def _leaves_as_xywh(image: ImageEntry, given: Four) -> bool:
    x, y, w, h = given
    # One pixel is what rounding and 1-based corners may be off.
    return x + w > image.width + 1 or y + h > image.height + 1
