"""Drawn boxes are where they should be, and the picture given stays as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import UsageError
from reelabel.media.draw import captioned, colour_of, draw_boxes, montage

RED = (255, 0, 0)
PERSON = (196, 195, 53)
ANY = st.floats(-1e9, 1e9)


def blank(width: int, height: int) -> np.ndarray:
    """Return a mid-grey picture."""
    return np.full((height, width, 3), 77, np.uint8)


@given(
    w=st.integers(1, 200),
    h=st.integers(1, 200),
    box=st.tuples(ANY, ANY, ANY, ANY),
    style=st.sampled_from(["solid", "dashed", "filled"]),
    text=st.text(max_size=30),
)
def test_any_box_can_be_drawn_on_any_picture(*, w: int, h: int, box, style: str, text: str) -> None:
    """Boxes outside, inverted or huge, and any text, give a picture of the same shape."""
    picture = blank(w, h)
    drawn = draw_boxes(picture, np.array([box]), [text], [RED], styles=[style])
    assert (drawn.shape, drawn.dtype) == (picture.shape, np.uint8)
    assert (picture == 77).all()


@pytest.mark.parametrize("size_wh", [(80, 60), (640, 480), (1920, 1080)])
def test_a_box_is_drawn_on_its_edge(size_wh: tuple[int, int]) -> None:
    """The line lies on the box's edge, is thicker on larger pictures, and leaves the rest alone."""
    w, h = size_wh
    box = np.array([[w // 4, h // 4, w * 3 // 4, h * 3 // 4]])
    drawn = draw_boxes(blank(w, h), box, [""], [RED])
    ys, xs = np.nonzero((drawn == RED).all(axis=2))
    reach = max(1, w // 200)
    assert abs(xs.min() - w // 4) <= reach
    assert abs(ys.max() + 1 - h * 3 // 4) <= reach
    assert (drawn[h // 2, w // 2] == 77).all()
    thickness = int((drawn[h // 2, : w // 2] == RED).all(axis=1).sum())
    assert thickness in {1: (1,), 2: (2, 3), 4: (4, 5)}[max(1, round((w + h) / 2 * 0.003))]


def test_styles_can_be_told_apart() -> None:
    """A dashed line has gaps, and a filled box is tinted inside; a solid one is neither."""
    box = np.array([[20, 20, 180, 180]])
    solid, dashed, filled = (
        draw_boxes(blank(200, 200), box, [""], [RED], styles=[style])
        for style in ("solid", "dashed", "filled")
    )
    painted = [int((p == RED).all(axis=2).sum()) for p in (solid, dashed, filled)]
    assert painted[0] == painted[2]
    assert 0.3 * painted[0] < painted[1] < 0.7 * painted[0]
    assert (solid[100, 100] == 77).all()
    assert filled[100, 100, 0] > 120
    assert filled[100, 100, 1] < 77


@pytest.mark.parametrize("corner", [(0, 0), (190, 0), (0, 140), (190, 140), (-50, 300)])
def test_texts_stay_in_the_picture(corner: tuple[int, int]) -> None:
    """A text at any corner shows as many coloured pixels as one in the middle."""

    def label_area(left: int, top: int) -> int:
        box = np.array([[left, top, left, top]])
        drawn = draw_boxes(blank(200, 150), box, ["person 0.93"], [RED])
        return int((drawn != 77).any(axis=2).sum())

    assert label_area(*corner) == pytest.approx(label_area(60, 80), abs=4)


def test_colours_are_stable_and_differ() -> None:
    """A class has its colour in every run, and usual classes have different ones."""
    assert colour_of("sports ball") == colour_of("sports ball")
    names = ["person", "dog", "train", "car", "sports ball", "bus", "cat", "bicycle", "frisbee"]
    assert len({colour_of(name) for name in names}) == len(names)
    assert colour_of("person") == PERSON


def test_unequal_lists_are_refused() -> None:
    """Each box needs its text, colour and style, and to be a place at all."""
    box = np.array([[1, 1, 5, 5]])
    with pytest.raises(UsageError, match="1 boxes, 0 texts"):
        draw_boxes(blank(9, 9), box, [], [RED])
    with pytest.raises(UsageError, match="finite"):
        draw_boxes(blank(9, 9), box * np.nan, [""], [RED])


def test_montage_puts_pictures_in_rows() -> None:
    """Five pictures in three columns make two rows, each picture whole in its tile."""
    pictures = [np.full((30 + i, 40, 3), 10 + i * 20, np.uint8) for i in range(5)]
    sheet = montage(pictures, 3, tile_wh=(40, 30))
    assert sheet.shape == (60, 120, 3)
    assert sheet[15, 20].tolist() == [10] * 3
    assert sheet[45, 60].tolist() == [90] * 3
    assert sheet[45, 100].tolist() == [0] * 3
    for wrong in (([], 3), (pictures, 0)):
        with pytest.raises(UsageError):
            montage(*wrong)


def test_montage_writes_into_its_tiles() -> None:
    """Each tile bears its text in the lower left corner, on light paper; the rest is untouched."""
    pictures = [blank(80, 60), blank(80, 60)]
    sheet = montage(pictures, 2, tile_wh=(80, 60), texts=["-0.2s", ""])
    assert (sheet[:40] == 77).all()
    assert (sheet[45:, :40] > 200).any()
    assert (sheet[:, 80:] == 77).all()
    with pytest.raises(UsageError, match="2 texts"):
        montage(pictures, 2, texts=["one"])


@pytest.mark.parametrize("width", [40, 320, 1280])
def test_captions_stand_below_the_picture(width: int) -> None:
    """The picture stays as it is; the strip has one height whatever the texts are."""
    picture = blank(width, 50)
    none = captioned(picture, [], 3)
    long = captioned(picture, [("many words " * 40, RED), ("Bälle", RED)], 3)
    assert none.shape == long.shape
    assert long.shape[1] == width
    assert (long[:50] == 77).all()
    reddish = long[50:, :, 0].astype(int) - long[50:, :, 1]
    assert reddish.max() > 100
    assert (np.ptp(none[50:], axis=(0, 1)) == 0).all()


def test_captions_go_on_in_the_next_row() -> None:
    """A text longer than the picture is wide needs more rows than a short one, none goes beyond."""

    def rows_with_ink(text: str) -> int:
        strip = captioned(blank(300, 20), [(text, RED)], 4)[20:]
        inked = (strip[..., 0] > 120).any(axis=1)
        return int((np.diff(inked.astype(int)) == 1).sum())

    assert rows_with_ink("nnn") == 1
    assert rows_with_ink("nnn " * 15) == 2
    assert rows_with_ink("nnn " * 400) == 4


def test_lines_can_be_given_a_width() -> None:
    """A given width holds on a picture of any size, whatever width would fit it."""

    def ink(size_wh: tuple[int, int], line_px: int) -> int:
        drawn = draw_boxes(
            blank(*size_wh), np.array([[8, 8, 32, 32]]), [""], [RED], line_px=line_px
        )
        return int((drawn[20, :20] == RED).all(axis=1).sum())

    assert ink((40, 40), 1) == ink((1920, 1080), 1) == 1
    assert ink((40, 40), 3) == ink((1920, 1080), 3) > 2


@given(corner=st.tuples(*[st.integers(-30, 90)] * 2), size=st.tuples(*[st.integers(1, 90)] * 2))
def test_dashes_lie_on_the_solid_line(corner, size):
    """Wherever a box lies, its dashes paint nothing but pixels of its solid line, and some."""
    box = np.array([[*corner, corner[0] + size[0], corner[1] + size[1]]])
    solid, dashed = (
        (draw_boxes(np.zeros((60, 80, 3), np.uint8), box, [""], [RED], styles=[style]) != 0).any(2)
        for style in ("solid", "dashed")
    )
    assert not (dashed & ~solid).any()
    assert dashed.sum() >= 0.2 * solid.sum() or solid.sum() < 30
