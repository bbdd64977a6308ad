"""The published detection text: byte for byte, and wrong lines named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import FormatError
from reelabel.formats.detections_txt import (
    class_folders,
    read_detections,
    write_detections,
)

SETS = [
    "cars_topdown_jitter",
    "dogs_play",
    "highway",
    "soccer_juggle",
    "street_cuts_jitter",
    "train_rain_jitter",
]
# Six digits after the point, as the format holds.
PIXEL = st.integers(-(10**9), 10**10).map(lambda n: n / 1e6)
SIZE = st.integers(0, 10**10).map(lambda n: n / 1e6)
SCORE = st.integers(0, 10**6).map(lambda n: n / 1e6)
BLOCKS = st.lists(st.lists(st.tuples(PIXEL, PIXEL, SIZE, SIZE, SCORE), max_size=3), max_size=5).map(
    lambda blocks: [np.array(rows, np.float64).reshape(-1, 5) for rows in blocks]
)
GOOD = "FRAME NUMBER: 1\n1\n1.0 2.0 3.0 4.0 0.5\nFRAME NUMBER: 2\n0\n"


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    """Return whether two videos hold the same blocks."""
    return len(a) == len(b) and all(map(np.array_equal, a, b))


@pytest.mark.parametrize("name", SETS)
def test_published_files_come_back_byte_for_byte(data_dir: Path, tmp_path: Path, name: str):
    """Reading and writing a golden file leaves it as it was."""
    source = data_dir / "golden" / "flicker" / name / "detections.txt"
    blocks = read_detections(source)
    write_detections(tmp_path / "a.txt", blocks)
    assert (tmp_path / "a.txt").read_bytes() == source.read_bytes()


@given(blocks=BLOCKS, bare=st.booleans())
def test_round_trip(blocks: list[np.ndarray], bare: bool, tmp_path_factory: pytest.TempPathFactory):
    """What is written is read back the same, under either header."""
    path = tmp_path_factory.mktemp("txt") / "a.txt"
    write_detections(path, blocks)
    path.write_text(path.read_text().replace("FRAME NUMBER: ", "" if bare else "FRAME NUMBER: "))
    assert same(read_detections(path), blocks)
    assert same(read_detections(path, strict=False), blocks)


def test_the_text_is_the_published_one(tmp_path: Path):
    """Header, count and six digits stand as the published detector writes them."""
    blocks = [np.array([[1, 2.5, 3, 4, 0.123456789]]), np.zeros((0, 5))]
    write_detections(tmp_path / "a.txt", blocks)
    text = "1.000000 2.500000 3.000000 4.000000 0.123457\n"
    assert (tmp_path / "a.txt").read_text() == f"FRAME NUMBER: 1\n1\n{text}FRAME NUMBER: 2\n0\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD.replace("FRAME NUMBER: 1", "FRAME NUMBER: 2"), 1),
        (GOOD.replace("FRAME NUMBER: 2", "FRAME NUMBER: 1"), 4),
        (GOOD.replace("FRAME NUMBER: 2", "FRAME NUMBER: 3"), 4),
        (GOOD.replace("FRAME NUMBER: 1", "FRAME: 1"), 1),
        (GOOD.replace("\n1\n", "\n2\n"), 4),
        (GOOD.replace("\n1\n", "\n0\n"), 3),
        (GOOD.replace("\n1\n", "\n-1\n"), 2),
        (GOOD.replace("\n1\n", "\n99999999\n"), 4),
        (GOOD.replace("\n0\n", "\n1\n"), 6),
        (GOOD.replace("\n0\n", "\n"), 5),
        (GOOD.replace("3.0", "-3.0"), 3),
        (GOOD.replace("3.0", "nan"), 3),
        (GOOD.replace("3.0", "inf"), 3),
        (GOOD.replace("3.0", "1_0"), 3),
        (GOOD.replace("3.0 ", ""), 3),
        (GOOD.replace("0.5", "1.5"), 3),
        (GOOD.replace("0.5", "0.5 1"), 3),
        (GOOD.replace("FRAME NUMBER: 2", "\nFRAME NUMBER: 2"), 4),
    ],
)
def test_wrong_lines_are_named(tmp_path: Path, text: str, line: int):
    """A file that is not what the format says is refused with the line's number."""
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=f"line {line}: expected"):
        read_detections(path)


def test_lax_reading_does_not_look_at_headers(tmp_path: Path):
    """With strict=False a block's position is its frame, whatever its header says."""
    path = tmp_path / "a.txt"
    path.write_text(GOOD.replace("FRAME NUMBER: 1", "hello").replace("NUMBER: 2", "NUMBER: 9"))
    assert [len(block) for block in read_detections(path, strict=False)] == [1, 0]
    path.write_text(GOOD.replace("3.0", "nan"))
    with pytest.raises(FormatError, match="line 3"):
        read_detections(path, strict=False)


@pytest.mark.parametrize(
    "block",
    [
        np.array([[1, 2, -3, 4, 0.5]]),
        np.array([[1, 2, 3, np.nan, 0.5]]),
        np.array([[1, 2, 3, 4, 1.5]]),
        np.zeros((1, 4)),
        np.zeros(5),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, block: np.ndarray):
    """Boxes that a reader would refuse are refused when writing, with the frame's number."""
    with pytest.raises(FormatError, match="frame 2"):
        write_detections(tmp_path / "a.txt", [np.zeros((0, 5)), block])
    assert not (tmp_path / "a.txt").exists()


def test_each_class_has_a_folder_of_its_own():
    """Names become safe folders; two that would share one are refused, whatever their case."""
    assert class_folders(["sports ball", "../dog", ""]) == {
        "sports ball": "sports_ball",
        "../dog": "dog",
        "": "picture",
    }
    with pytest.raises(FormatError, match="'sports ball' and 'Sports_Ball'"):
        class_folders(["sports ball", "dog", "Sports_Ball"])
