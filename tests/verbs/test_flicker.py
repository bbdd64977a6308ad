"""The verb flicker: the published miner's output byte for byte, and what bad input means."""

from __future__ import annotations

import re
from fractions import Fraction

import cv2
import numpy as np
import pytest

import reelabel as api
from reelabel.errors import FormatError, MediaError, UsageError
from reelabel.formats.detections_txt import write_detections
from reelabel.formats.mined_txt import write_mined
from reelabel.media.encode import VideoWriter
from reelabel.media.pictures import read_rgb
from reelabel.media.video import decode

NAME = re.compile(r"mined_score(.*)_alpha(.*)_sim(.*)_iou(.*)_beta(.*)\.txt")
EMPTY = np.zeros((0, 5))
LONE = np.array([[100.0, 60, 45, 45, 0.9]])
FRAMES = 11


def test_golden_sets_come_out_of_the_command_byte_for_byte(mined_footage, tmp_path, reelabel):
    """Every golden set, every parameter, through the command line: the same bytes."""
    video, folder = mined_footage
    outputs = sorted(folder.glob("mined_*.txt"))
    assert outputs
    for output in outputs:
        score, alpha, sim, iou, beta = NAME.fullmatch(output.name).groups()
        flags = ("--valid-score", score, "--alpha", alpha, "--valid-sim-score", sim)
        flags += ("--iou-thr", iou, "--beta", beta, "--out", tmp_path / output.name, "--quiet")
        code, _, _ = reelabel("flicker", video, folder / "detections.txt", *flags)
        assert code == 0
        assert (tmp_path / output.name).read_bytes() == output.read_bytes()


@pytest.fixture
def lone(tmp_path):
    """Return detections of eleven frames: one box, in the sixth."""
    path = tmp_path / "lone.txt"
    write_detections(path, [LONE if i == 5 else EMPTY for i in range(FRAMES)])
    return path


def test_a_lone_box_is_mined_with_its_raw_frame(video, lone, tmp_path, reelabel):
    """The list names the folder that was asked for; the raw frame is the frame of that number."""
    out, frames = tmp_path / "mined.txt", tmp_path / "frames"
    flags = ("--out", out, "--frames", frames, "--image-prefix", "video7", "--alpha", 2)
    code, told, _ = reelabel("flicker", video, lone, *flags)
    assert code == 0
    assert "1 hard negatives in 1 of 11 frames" in told
    assert out.read_text() == ("video7/frame6.jpg\n1\n100.000000 60.000000 45.000000 45.000000 0\n")
    assert [path.name for path in frames.glob("*.jpg")] == ["frame6.jpg"]
    sixth = list(decode(video))[5].rgb().mean(axis=2)
    assert np.abs(read_rgb(frames / "frame6.jpg").mean(axis=2) - sixth).mean() < 2


def test_each_raw_frame_is_the_one_of_its_number(tmp_path):
    """Whatever alpha is, the picture that is written is the mined frame and no neighbour."""
    video = tmp_path / "levels.mp4"
    ground = np.random.default_rng(0).integers(0, 60, (18, 32, 3), dtype=np.uint8)
    with VideoWriter(video, time_base=Fraction(1, 25), rate=25) as writer:
        for i in range(FRAMES):
            writer.write(cv2.resize(ground, (320, 180)) + np.uint8(15 * i), i)
    text = tmp_path / "dets.txt"
    for alpha, lone_in in ((1, {4, 6}), (3, {5})):
        write_detections(text, [LONE if i in lone_in else EMPTY for i in range(FRAMES)])
        found = api.flicker(video, text, alpha=alpha, frames=tmp_path / f"frames{alpha}")
        assert [path.name for path in found.pictures] == [
            f"frame{frame.number}.jpg" for frame in found.frames
        ]
        level = [round((read_rgb(path).mean() - 29) / 15) + 1 for path in found.pictures]
        assert level == [frame.number for frame in found.frames] != []


def test_fewer_blocks_than_frames_are_mined_to_their_end(video, tmp_path, reelabel):
    """The video's rest is not looked at, and the command says so."""
    text = tmp_path / "dets.txt"
    write_detections(text, [LONE if i == 3 else EMPTY for i in range(7)])
    code, told, err = reelabel("flicker", video, text, "--alpha", 2, "--out", tmp_path / "m.txt")
    assert code == 0
    assert "in 1 of 7 frames" in told
    assert "behind frame 7" in err


def test_more_blocks_than_frames_are_an_error(video, tmp_path, reelabel):
    """Such detections are of another video, or the video ends early: exit code 5, no output."""
    text = tmp_path / "dets.txt"
    write_detections(text, [EMPTY] * (FRAMES + 1))
    code, _, err = reelabel("flicker", video, text, "--out", tmp_path / "m.txt")
    assert code == 5
    assert "ends after 11 frames and block 12" in err
    assert not (tmp_path / "m.txt").exists()


def clip(path, pictures, pts=None):
    """Write a clip of these pictures, at these time stamps of 1/1000 s, and return it."""
    with VideoWriter(path, time_base=Fraction(1, 1000), rate=25) as writer:
        for i, picture in enumerate(pictures):
            writer.write(picture, 40 * i if pts is None else pts[i])
    return path


def patterns(count):
    """Return pictures of 320 x 180 of which none is like another."""
    rng = np.random.default_rng(0)
    return [
        cv2.resize(rng.integers(0, 255, (18, 32, 3), dtype=np.uint8), (320, 180))
        for _ in range(count)
    ]


def test_a_video_that_ends_early_is_an_error(tmp_path, reelabel):
    """A file that was cut off holds fewer frames than its detections: exit code 5, no output."""
    whole = clip(tmp_path / "whole.mkv", patterns(60))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    left = sum(1 for _ in decode(cut))
    assert 0 < left < 60
    write_detections(tmp_path / "d.txt", [EMPTY] * 60)
    code, _, err = reelabel("flicker", cut, tmp_path / "d.txt", "--out", tmp_path / "m.txt")
    assert code == 5
    assert f"ends after {left} frames" in err
    assert not (tmp_path / "m.txt").exists()


def test_blocks_go_by_position_whatever_the_time(tmp_path, lone):
    """In a video of uneven frame rate a block is its frame's, and the written picture too."""
    still = [patterns(1)[0] // 2] * FRAMES
    still[5] = still[5] + np.uint8(60)
    pts = [0, 7, 400, 403, 2000, 2001, 2600, 2650, 9000, 9001, 9500]
    video = clip(tmp_path / "uneven.mp4", still, pts)
    found = api.flicker(video, lone, alpha=2, frames=tmp_path / "f")
    assert [m.number for m in found.frames] == [6]
    assert read_rgb(found.pictures[0]).mean() == pytest.approx(still[5].mean(), abs=5)


@pytest.mark.parametrize(("pictures", "mined"), [("still", [6]), ("cuts", [])])
def test_what_cannot_be_compared_is_kept(tmp_path, pictures, mined):
    """With a cut at every frame no place is found again, and so no box is a hard negative."""
    shown = patterns(FRAMES) if pictures == "cuts" else [patterns(1)[0]] * FRAMES
    elsewhere = np.array([[220.0, 100, 45, 45, 0.9]])
    video = clip(tmp_path / "v.mp4", shown)
    rows = [np.concatenate([LONE, elsewhere]) if i == 5 else elsewhere for i in range(FRAMES)]
    write_detections(tmp_path / "d.txt", rows)
    found = api.flicker(video, tmp_path / "d.txt", alpha=2)
    assert [m.number for m in found.frames] == mined
    assert all([box[4] for box in m.boxes] == [0, 1] for m in found.frames)


def block(number, *boxes):
    """Return one block of text."""
    return "\n".join([f"FRAME NUMBER: {number}", str(len(boxes)), *boxes]) + "\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (block(1) + block(3), "FRAME NUMBER: 2"),
        (block(1) + block(2) + block(1) + block(2), "FRAME NUMBER: 3"),
        (block(1, "1 2 -3 4 0.9"), "size from 0 up"),
        (block(1, "1 2 nan 4 0.9"), "left top width height score"),
        (block(1, "1 2 3 4"), "left top width height score"),
        ("FRAME NUMBER: 1\n2\n1 2 3 4 0.9\n", "box 2 of 2 of frame 1"),
    ],
)
def test_damaged_detections_are_named_by_line(video, tmp_path, text, said):
    """Missing and doubled blocks, negative sizes, NaN and short rows say the line and the wish."""
    path = tmp_path / "dets.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match=f"line .*{re.escape(said)}"):
        api.flicker(video, path)


def test_headers_can_be_ignored_as_the_published_miner_does(video, tmp_path):
    """With any_header a block's position alone is its frame, whatever its header says."""
    path = tmp_path / "dets.txt"
    rows = [("100 60 45 45 0.9",) if i == 5 else () for i in range(FRAMES)]
    path.write_text("".join(block(7, *row) for row in rows))
    assert [m.number for m in api.flicker(video, path, alpha=2, any_header=True).frames] == [6]


def test_one_frame_and_no_frame_give_an_empty_list(tmp_path):
    """A window never fits: the output is there, and empty."""
    clip = tmp_path / "one.mp4"
    with VideoWriter(clip, time_base=Fraction(1, 25), rate=25) as writer:
        writer.write(np.zeros((64, 64, 3), np.uint8), 0)
    for blocks in ([LONE], []):
        write_detections(tmp_path / "dets.txt", blocks)
        found = api.flicker(clip, tmp_path / "dets.txt", out=tmp_path / "m.txt")
        assert (found.frames, found.longer) == ([], not blocks)
        assert (tmp_path / "m.txt").read_bytes() == b""


def test_boxes_outside_the_picture_are_kept_untested(video, tmp_path):
    """What reaches over the border is exempt, as all near it is."""
    outside = np.array([[-500.0, 60, 45, 45, 0.9], [400, 60, 45, 45, 0.9], [100, 500, 45, 45, 0.9]])
    write_detections(tmp_path / "d.txt", [outside if i == 5 else EMPTY for i in range(FRAMES)])
    assert api.flicker(video, tmp_path / "d.txt", alpha=2).frames == []


@pytest.mark.parametrize(
    "wrong", [{"alpha": -1}, {"beta": -1}, {"beta": float("nan")}, {"iou_thr": float("inf")}]
)
def test_parameters_out_of_range_are_usage_errors(video, lone, wrong):
    """Negative windows and numbers that are none are refused before anything is read."""
    with pytest.raises(UsageError, match=next(iter(wrong))):
        api.flicker(video, lone, **wrong)


def test_what_is_read_is_never_written_over(video, lone, tmp_path, reelabel):
    """Neither the video nor the detections are lost to a slip of the hand."""
    before = video.read_bytes(), lone.read_bytes()
    for target in (video, lone):
        for flag in ("--out", "--coco-out"):
            others = {"--out": tmp_path / "o.txt", "--coco-out": tmp_path / "o.json"}
            others |= {"--class": "ball", flag: target}
            flags = [word for pair in others.items() for word in pair]
            code, _, err = reelabel("flicker", video, lone, *flags)
            assert (code, "be overwritten" in " ".join(err.split())) == (2, True)
    assert (video.read_bytes(), lone.read_bytes()) == before


def test_a_folder_that_holds_something_and_a_file_that_is_no_video_are_refused(
    video, lone, tmp_path
):
    """Raw frames never mix with older ones; text is no video."""
    with pytest.raises(UsageError, match="holds files"):
        api.flicker(video, lone, frames=tmp_path)
    with pytest.raises(MediaError):
        api.flicker(lone, lone)


def test_mined_files_have_the_published_form(tmp_path):
    """Name, number of boxes, and a line of six digits and a flag for each."""
    mined = [
        (2, [(1.5, 2.25, 3.0, 4.0, 0), (0.0, 1.0, 2.0, 3.0, 1)]),
        (9, [(5.0, 6.0, 7.0, 8.0, 0)]),
    ]
    path = tmp_path / "m.txt"
    write_mined(path, mined, prefix="a/video7/")
    assert path.read_text() == (
        "a/video7/frame2.jpg\n2\n"
        "1.500000 2.250000 3.000000 4.000000 0\n"
        "0.000000 1.000000 2.000000 3.000000 1\n"
        "a/video7/frame9.jpg\n1\n"
        "5.000000 6.000000 7.000000 8.000000 0\n"
    )
    with pytest.raises(UsageError, match="line breaks"):
        write_mined(path, mined, prefix="a\nb")
