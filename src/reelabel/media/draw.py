"""Boxes drawn on pictures, readable at any size, captions below them, and contact sheets."""

from __future__ import annotations

import colorsys
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, State
from reelabel.errors import UsageError
from reelabel.media.convert import Picture
from reelabel.media.pictures import fit

Colour = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

Style = Literal["solid", "dashed", "filled"]
"""``solid`` for positives, ``dashed`` for what is to be ignored, ``filled`` for hard negatives."""

STYLES: dict[State, Style] = {POSITIVE: "solid", IGNORE: "dashed", NEGATIVE: "filled"}
"""How each state of a label is drawn."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_LARGEST_PX = 1 << 20  # beyond this a box's edge is at infinity for every picture
_FILL = 0.35  # how much of a filled box is colour
_PAPER: Colour = (235, 235, 235)  # behind the texts of a sheet
_STRIP: Colour = (24, 26, 30)  # behind captions


def colour_of(class_name: str) -> Colour:
    """Return the colour of a class: the same in every run and for every set of classes.

    >>> colour_of("dog") == colour_of("dog") != colour_of("cat")
    True
    """
    digest = hashlib.blake2b(class_name.encode(), digest_size=4).digest()
    hue = int.from_bytes(digest[:2], "big") / 65536
    saturation = 0.65 + 0.35 * digest[2] / 255
    value = 0.75 + 0.25 * digest[3] / 255
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_boxes(
    rgb: Picture,
    xyxy: NDArray[Any],
    texts: Sequence[str],
    colours: Sequence[Colour],
    *,
    styles: Sequence[Style] | None = None,
    line_px: int | None = None,
) -> Picture:
    """Return a copy of the picture with boxes and a text for each.

    Lines and letters grow with the picture. A text stands above its box, or inside where there is
    no room, and never outside the picture. Boxes may reach outside.

    Args:
        rgb: ``(height, width, 3)`` uint8; it is not changed.
        xyxy: ``(n, 4)`` left, top, right, bottom in pixels of the picture.
        texts: n texts; an empty one draws none.
        colours: n colours.
        styles: n styles; None draws all solid.
        line_px: width of the lines; None fits the picture.

    Raises:
        UsageError: if these are not equally many, or a box is not four finite numbers.
    """
    boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
    styles = ["solid"] * len(boxes) if styles is None else styles
    if not len(boxes) == len(texts) == len(colours) == len(styles):
        raise UsageError(
            f"expected one text, colour and style per box, but got {len(boxes)} boxes, "
            f"{len(texts)} texts, {len(colours)} colours, {len(styles)} styles"
        )
    if not np.isfinite(boxes).all():
        raise UsageError("boxes to draw must be finite numbers")
    picture = np.ascontiguousarray(rgb).copy()
    corners = np.clip(np.rint(boxes), -_LARGEST_PX, _LARGEST_PX).astype(int).tolist()
    width = line_px or _line_width(picture)
    for corner, colour, style in zip(corners, colours, styles, strict=True):
        _draw_box(picture, corner, (colour, style), width)
    for corner, text, colour in zip(corners, texts, colours, strict=True):
        if text:
            _draw_text(picture, text, corner, colour)
    return picture


def montage(
    pictures: Sequence[Picture],
    columns: int,
    *,
    tile_wh: tuple[int, int] = (320, 240),
    texts: Sequence[str] = (),
) -> Picture:
    """Return a contact sheet: the pictures row by row, each in a tile of its own.

    Args:
        pictures: ``(height, width, 3)`` uint8 each, of any sizes; their shapes are kept.
        columns: tiles per row.
        tile_wh: size of a tile in pixels.
        texts: one for the lower left corner of each picture; none at all draws none.

    Raises:
        UsageError: if there are no pictures or no columns, or texts for other pictures.
    """
    if not pictures or columns < 1:
        raise UsageError(f"a sheet needs pictures and columns, but got {len(pictures)}, {columns}")
    if texts and len(texts) != len(pictures):
        raise UsageError(f"expected {len(pictures)} texts, one per picture, but got {len(texts)}")
    tiles = [fit(picture, "letterbox", tile_wh)[0] for picture in pictures]
    for tile, text in zip(tiles, texts, strict=False):
        if text:
            _draw_text(tile, text, [0, tile.shape[0], 0, 0], _PAPER)
    columns = min(columns, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % columns)
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    return np.vstack(rows)


@dataclass(frozen=True)
class Bar:
    """One line of `draw_bars`.

    Attributes:
        text: what stands in it.
        share: how much of it is coloured, 0..1.
        colour: of that part.
    """

    text: str
    share: float
    colour: Colour


def draw_bars(rgb: Picture, bars: Sequence[Bar]) -> Picture:
    """Return a copy of the picture with lines of text over coloured bars in its upper left corner.

    Lines and letters grow with the picture. What does not fit into its height is left out.

    Args:
        rgb: ``(height, width, 3)`` uint8; it is not changed.
        bars: the lines, from top to bottom.
    """
    picture = np.ascontiguousarray(rgb).copy()
    height, width = picture.shape[:2]
    thickness = max(1, _line_width(picture) // 2)
    texts = [_drawable(bar.text) for bar in bars]
    longest = max(texts, key=lambda text: _text_width(text, 1.0, thickness), default="")
    scale = _text_scale(picture, longest, thickness)
    (_, text_h), baseline = cv2.getTextSize("Ag", _FONT, scale, thickness)
    step = text_h + baseline + 4
    length = min(width, max(width // 3, _text_width(longest, scale, thickness) + 6))
    for i, (text, bar) in enumerate(zip(texts, bars, strict=True)):
        if (i + 1) * step > height:
            break
        place = picture[i * step : (i + 1) * step, :length]
        _blend(place, _STRIP, 0.75)
        _blend(place[:, : round(length * min(max(bar.share, 0.0), 1.0))], bar.colour, 0.75)
        origin = (3, i * step + text_h + 2)
        cv2.putText(picture, text, origin, _FONT, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return picture


def _blend(place: Picture, colour: Colour, opacity: float) -> None:
    """Mix a colour into a part of a picture."""
    place[:] = np.rint(place * (1 - opacity) + np.array(colour) * opacity).astype(np.uint8)


def captioned(rgb: Picture, lines: Sequence[tuple[str, Colour]], rows: int) -> Picture:
    """Return the picture with a strip below it that holds some lines of text.

    Long lines go on in the next row, at a space; what does not fit into the strip is left out. The
    strip is as high whatever the texts are, so that pictures of a film keep one size.

    Args:
        rgb: ``(height, width, 3)`` uint8.
        lines: texts with their colours.
        rows: height of the strip in rows of text.
    """
    width = rgb.shape[1]
    scale, thickness = max(0.45, width / 2000), max(1, round(width / 1280))
    (_, text_h), baseline = cv2.getTextSize("Ag", _FONT, scale, thickness)
    step = text_h + baseline + 4
    strip = np.full((rows * step + 6, width, 3), _STRIP, np.uint8)
    wrapped = [
        (part, colour)
        for text, colour in lines
        for part in _wrapped(text, lambda t: _text_width(t, scale, thickness) <= width - 12)
    ]
    for i, (part, colour) in enumerate(wrapped[:rows]):
        origin = (6, 5 + text_h + i * step)
        cv2.putText(strip, part, origin, _FONT, scale, colour, thickness, cv2.LINE_AA)
    return np.vstack([rgb, strip])


def _wrapped(text: str, fits: Callable[[str], bool]) -> list[str]:
    """Return the text in lines that fit; a word that fits in none stands alone."""
    lines: list[str] = []
    for word in _drawable(text).split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and fits(longer):
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _text_width(text: str, scale: float, thickness: int) -> int:
    return int(cv2.getTextSize(text, _FONT, scale, thickness)[0][0])


def _drawable(text: str) -> str:
    """Return what the font can draw: it holds no other letters than ASCII."""
    return text.encode("ascii", "replace").decode()


def _line_width(picture: Picture) -> int:
    """About 2 pixels at 640 x 480, 1 at thumbnails, 6 at 4K."""
    return max(1, round(sum(picture.shape[:2]) / 2 * 0.003))


def _draw_box(
    picture: Picture, corner: list[int], drawn_as: tuple[Colour, Style], width: int
) -> None:
    left, top, right, bottom = corner
    colour, style = drawn_as
    if style == "filled":
        _fill(picture, corner, colour)
    if style == "dashed":
        _draw_dashes(picture, corner, colour, width)
    else:
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colour, width)


def _fill(picture: Picture, corner: list[int], colour: Colour) -> None:
    left, top, right, bottom = (max(0, side) for side in corner)
    _blend(picture[top:bottom, left:right], colour, _FILL)


def _draw_dashes(picture: Picture, corner: list[int], colour: Colour, width: int) -> None:
    dash = 4 * width
    left, top, right, bottom = corner
    # Only the part of the picture that the lines can touch is gone through.
    x_0, y_0 = max(0, left - 2 * width), max(0, top - 2 * width)
    part = picture[y_0 : max(0, bottom + 2 * width), x_0 : max(0, right + 2 * width)]
    if not part.size:
        return
    outline = np.zeros(part.shape[:2], np.uint8)
    ends = (left - x_0, top - y_0), (right - 1 - x_0, bottom - 1 - y_0)
    cv2.rectangle(outline, *ends, 1, width)
    # Counted along x + y from the box's corner, dashes are as long on every side and move with it.
    y, x = np.nonzero(outline)
    drawn = ((x + x_0 - left + y + y_0 - top) // dash) % 2 == 0
    part[y[drawn], x[drawn]] = colour


def _draw_text(picture: Picture, text: str, corner: list[int], colour: Colour) -> None:
    height, width = picture.shape[:2]
    thickness = max(1, _line_width(picture) // 2)
    text = _drawable(text)
    scale = _text_scale(picture, text, thickness)
    (text_w, text_h), baseline = cv2.getTextSize(text, _FONT, scale, thickness)
    box_h = text_h + baseline + 2
    left = min(max(corner[0], 0), max(0, width - text_w - 2))
    above = corner[1] - box_h
    top = min(max(above if above >= 0 else corner[1], 0), max(0, height - box_h))
    cv2.rectangle(picture, (left, top), (left + text_w + 1, top + box_h - 1), colour, cv2.FILLED)
    ink = (0, 0, 0) if _is_light(colour) else (255, 255, 255)
    origin = (left + 1, top + text_h + 1)
    cv2.putText(picture, text, origin, _FONT, scale, ink, thickness, cv2.LINE_AA)


def _text_scale(picture: Picture, text: str, thickness: int) -> float:
    """Return a scale at which the text is readable and not wider than the picture."""
    scale = max(0.35, sum(picture.shape[:2]) / 2 * 0.0009)
    (text_w, _), _ = cv2.getTextSize(text, _FONT, scale, thickness)
    return float(scale * min(1.0, picture.shape[1] / (text_w + 2)))


def _is_light(colour: Colour) -> bool:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue > 128  # noqa: PLR2004 -- BT.601 luma, half
