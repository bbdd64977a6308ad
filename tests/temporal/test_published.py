"""The published miner's rule: byte for byte on real footage, and what bad input means."""

from __future__ import annotations

import re
import weakref

import cv2
import numpy as np
import pytest

from reelabel.errors import DecodeError, FormatError
from reelabel.temporal.pictures import LazyGrey
from reelabel.temporal.published import PublishedSettings, mine_published

NAME = re.compile(r"mined_score(.*)_alpha(.*)_sim(.*)_iou(.*)_beta(.*)\.txt")


def read_blocks(path):
    """Read the published text format."""
    lines = path.read_text().splitlines()
    blocks, at = [], 0
    while at < len(lines):
        n = int(lines[at + 1])
        rows = [[float(x) for x in line.split()] for line in lines[at + 2 : at + 2 + n]]
        blocks.append(np.array(rows).reshape(-1, 5))
        at += 2 + n
    return blocks


def greys(path):
    """Yield functions that make the grey pictures as OpenCV does."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield lambda frame=frame: cv2.cvtColor(
                frame.to_ndarray(format="bgr24"), cv2.COLOR_BGR2GRAY
            )


def text(mined):
    """Write the published text format."""
    lines = []
    for number, boxes in mined:
        lines += [f"frame{number}.jpg", str(len(boxes))]
        lines += [" ".join(f"{x:f}" for x in box[:4]) + f" {box[4]}" for box in boxes]
    return "".join(line + "\n" for line in lines)


def test_golden_sets_are_reproduced_byte_for_byte(mined_footage):
    """Every golden output of the published miner comes out unchanged."""
    video, folder = mined_footage
    blocks = read_blocks(folder / "detections.txt")
    outputs = sorted(folder.glob("mined_*.txt"))
    assert outputs
    # The small videos have three outputs each: decoded once, and each frame converted once.
    held = [LazyGrey(make) for make in greys(video)] if len(outputs) > 2 else None
    for output in outputs:
        score, alpha, sim, iou, beta = NAME.fullmatch(output.name).groups()
        settings = PublishedSettings(float(score), int(alpha), float(sim), float(iou), float(beta))
        mined = mine_published(held or greys(video), blocks, settings)
        assert text(mined) == output.read_text()


def scene(frames, size=200, seed=0):
    """Return the same structured picture again and again."""
    picture = np.random.default_rng(seed).integers(0, 255, (size, size)).astype(np.uint8)
    return [picture] * frames


FAR = np.array([[60.0, 60, 20, 20, 0.9]])
LONE = np.array([[100.0, 100, 45, 45, 0.9]])


def test_a_lone_box_among_found_neighbours_is_mined():
    """A box that its neighbours find again, but that no box of theirs touches, gets flag 0."""
    blocks = [FAR] * 5 + [LONE] + [FAR] * 5
    (mined,) = mine_published(scene(11), blocks, PublishedSettings(alpha=2, beta=10))
    assert mined.number == 6
    assert mined.boxes == [(100.0, 100.0, 45.0, 45.0, 0)]


def test_a_box_whose_neighbours_are_empty_is_mined_without_looking():
    """Frames without boxes are skipped, so that no picture is ever made for them."""
    blocks = [np.zeros((0, 5))] * 5 + [LONE] + [np.zeros((0, 5))] * 5
    made = []

    def picture(number):
        made.append(number)
        return scene(1)[0]

    frames = (lambda number=n: picture(number) for n in range(11))
    assert [m.number for m in mine_published(frames, blocks, PublishedSettings(alpha=2))] == [6]
    assert made == [5]


def test_a_place_that_cannot_be_found_again_is_support():
    """Where the correlation is too low the box is kept: it may be hidden, or the scene was cut."""
    frames = scene(5) + scene(1, seed=1) + scene(5)
    blocks = [FAR] * 5 + [LONE] + [FAR] * 5
    assert list(mine_published(frames, blocks, PublishedSettings(alpha=2, beta=10))) == []


def test_the_window_is_one_frame_shorter_before_than_after():
    """The first frame that is asked about has alpha - 1 predecessors, the last alpha successors."""
    empty = np.zeros((0, 5))
    blocks = [empty] * 10
    for at in range(10):
        doubtful = [*blocks[:at], LONE, *blocks[at + 1 :]]
        found = [m.number for m in mine_published(scene(10), doubtful, PublishedSettings(alpha=3))]
        assert found == ([at + 1] if 2 <= at < 7 else [])


@pytest.mark.parametrize(
    "exempt",
    [
        [100, 100, 45, 45, 0.98],
        [100, 100, 38, 38, 0.9],
        [49, 100, 60, 45, 0.9],
        [100, 49, 60, 45, 0.9],
        [100, 100, 50, 45, 0.9],
        [100, 100, 45, 50, 0.9],
        [-500, -500, 45, 45, 0.9],
    ],
)
def test_certain_small_and_border_boxes_are_exempt(exempt):
    """Boxes that are certain, small, or near or over the border are kept untested."""
    blocks = [np.zeros((0, 5))] * 5 + [np.array([exempt], float)] + [np.zeros((0, 5))] * 5
    assert list(mine_published(scene(11), blocks, PublishedSettings(alpha=2))) == []


@pytest.mark.parametrize("box", [[400, 200, 0.4, 1200, 0.9], [400, 200, 0, 1700, 0.9]])
def test_a_box_of_no_whole_pixel_is_kept_untested(box):
    """There is no picture of it to look for."""
    pictures = [np.random.default_rng(0).integers(0, 255, (2000, 800)).astype(np.uint8)] * 11
    others = np.array([[60, 60, 50, 50, 0.9]])
    blocks = [np.array([box], float) if i == 5 else others for i in range(11)]
    assert 6 not in [m.number for m in mine_published(pictures, blocks, PublishedSettings(alpha=2))]


def test_pictures_of_two_sizes_are_refused():
    """What cannot be compared is said, not guessed."""
    pictures = [*scene(6), *(picture[:-40, :-40] for picture in scene(6))]
    blocks = [LONE if i == 5 else FAR for i in range(12)]
    with pytest.raises(DecodeError, match="one size"):
        list(mine_published(pictures, blocks, PublishedSettings(alpha=2)))


@pytest.mark.parametrize(
    "block",
    [
        np.array([[100, 100, np.nan, 45, 0.9]]),
        np.array([[100, 100, np.inf, 45, 0.9]]),
        np.array([[100, 100, -45, 45, 0.9]]),
        np.ones((3, 4)),
        np.ones(5),
    ],
)
def test_bad_blocks_are_named(block):
    """NaN, infinity, negative sizes and wrong shapes end in an error that names the block."""
    with pytest.raises(FormatError, match="block 3"):
        list(mine_published(scene(5), [FAR, FAR, block, FAR, FAR]))


def test_a_video_that_ends_early_is_an_error():
    """More blocks than frames cannot belong together."""
    with pytest.raises(FormatError, match="after 4 frames and block 5"):
        list(mine_published(scene(4), [FAR] * 5))


def test_fewer_blocks_than_frames_end_the_mining():
    """The number of blocks counts: later frames are not read."""
    blocks = [np.zeros((0, 5))] * 3 + [LONE] + [np.zeros((0, 5))] * 3
    settings = PublishedSettings(alpha=2)
    assert list(mine_published(scene(50), blocks, settings)) == list(
        mine_published(scene(7), blocks, settings)
    )


def test_no_more_blocks_are_read_than_the_limit():
    """The published cap on frames works like a shorter file."""
    blocks = [np.zeros((0, 5))] * 3 + [LONE] + [np.zeros((0, 5))] * 3
    assert list(mine_published(scene(7), blocks, PublishedSettings(alpha=2, frame_limit=5))) == []


def test_memory_does_not_grow_with_the_video():
    """Of the pictures of a long video only one window's worth is alive at a time."""
    alive, most = weakref.WeakSet(), 0

    class Source:
        def __call__(self):
            return scene(1)[0]

    def frames():
        nonlocal most
        for _ in range(100):
            source = Source()
            alive.add(source)
            yield source
            del source
            most = max(most, len(alive))

    list(mine_published(frames(), [LONE] * 100, PublishedSettings(alpha=3)))
    assert most <= 2 * 3 + 2


def test_one_frame_and_no_frame_give_nothing():
    """A window never fits into one frame."""
    assert list(mine_published(scene(1), [LONE])) == []
    assert list(mine_published([], [])) == []


def test_negative_windows_are_refused():
    """Alpha and beta count frames and pixels."""
    with pytest.raises(ValueError, match="alpha and beta"):
        PublishedSettings(alpha=-1)
