"""A frame is the same frame, bit for bit, however it is reached."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.errors import DecodeError
from reelabel.media import cursor
from reelabel.media.stream import scan
from reelabel.media.video import Frame, decode, frames

REAL = [
    "numbers_462_frames.mp4",
    "vfr_mp4_named_webm.webm",
    "fades.mp4",
    "hevc_128.mp4",
    "av1_testsrc.mkv",
    "odd_size_321x181.webm",
    "interlaced_576i.mpg",
    "bit_errors.mp4",
    "newtonscradle.gif",
]


def likeness(frame: Frame) -> tuple[int, int, str]:
    """Return what must not depend on the way: time stamp, index and every pixel."""
    return frame.pts, frame.index, hashlib.sha256(frame.rgb()).hexdigest()


@cache
def through(path: Path) -> list[tuple[int, int, str]]:
    """Return all frames, decoded from start to end."""
    return [likeness(frame) for frame in decode(path)]


@pytest.fixture
def jumps(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that fills with the outcome of every jump."""
    made: list[bool] = []
    jump = cursor.Cursor._jump

    def spy(self: cursor.Cursor, key_pts: int, here: int) -> bool:
        made.append(jump(self, key_pts, here))
        return made[-1]

    monkeypatch.setattr(cursor.Cursor, "_jump", spy)
    return made


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_subset_of_frames_is_exact(clips: dict[str, Path], data: st.DataObject) -> None:
    """Wanted frames come in order, each once, with the pixels that decoding through gives."""
    path = clips[data.draw(st.sampled_from(sorted(clips)))]
    every = through(path)
    at = data.draw(st.lists(st.integers(0, len(every) - 1), max_size=4))
    wanted = [every[i][0] for i in at]
    assert [likeness(f) for f in frames(path, wanted)] == [every[i] for i in sorted(set(at))]


@pytest.mark.parametrize("name", REAL)
def test_frames_of_real_files_are_exact(data_dir: Path, name: str) -> None:
    """Sparse and neighbouring frames of real files are those of decoding through."""
    path = data_dir / "videos/awkward" / name
    every = through(path)
    last = len(every) - 1
    for at in ([last], [0, last], [last // 3, last // 3 + 1, last // 2]):
        expected = [every[i] for i in sorted(set(at))]
        assert [likeness(f) for f in frames(path, [pts for pts, _, _ in expected])] == expected


@pytest.mark.parametrize(
    ("name", "succeeds"),
    [
        ("h264_b_frames.mp4", True),
        ("h264_open_gop.mkv", True),
        ("hevc_open_gop.mp4", True),
        ("vp9.webm", True),
        ("av1.mkv", True),
        ("h264_no_key_frames.mp4", False),
    ],
)
def test_far_frames_are_reached_by_jumping(
    clips: dict[str, Path], jumps: list[bool], name: str, *, succeeds: bool
) -> None:
    """A far frame costs a seek; where key frames are none, decoding starts over instead."""
    if name not in clips:
        pytest.skip("this FFmpeg has no such encoder")
    every, key_pts = through(clips[name]), int(scan(clips[name]).key_pts[-2])
    wanted = next(each for each in every if each[0] > key_pts)
    jumps.clear()
    assert [likeness(f) for f in frames(clips[name], [wanted[0]])] == [wanted]
    assert jumps == [succeeds]


@pytest.mark.parametrize("name", ["mpeg2.ts", "mpeg4_b_frames.avi", "mjpeg.avi"])
def test_containers_without_exact_seeking_are_decoded_through(
    clips: dict[str, Path], jumps: list[bool], name: str
) -> None:
    """Where a seek would land nearby only, none is made."""
    last = through(clips[name])[-1]
    assert [likeness(f) for f in frames(clips[name], [last[0]])] == [last]
    assert jumps == []


def test_dense_frames_are_decoded_through(clips: dict[str, Path], jumps: list[bool]) -> None:
    """Every other frame needs no seek: emptying the decoder costs more than it saves."""
    every = through(clips["h264_b_frames.mp4"])
    wanted = [pts for pts, _, _ in every[::2]]
    assert [f.pts for f in frames(clips["h264_b_frames.mp4"], wanted)] == wanted
    assert jumps == []


def test_numbers_are_on_the_frames_that_they_name(data_dir: Path) -> None:
    """Frame 12800 / 25 * i of the counting video has index i."""
    path = data_dir / "videos/awkward/numbers_462_frames.mp4"
    wanted = [0, 100, 249, 250, 251, 461]
    assert [f.index for f in frames(path, [i * 512 for i in wanted])] == wanted


def test_a_time_stamp_between_frames_names_the_nearest(data_dir: Path) -> None:
    """There is no rounding to the next frame: a wrong time stamp is an error."""
    path = data_dir / "videos/awkward/numbers_462_frames.mp4"
    with pytest.raises(DecodeError, match="no frame at pts 1000; the nearest is at pts 1024"):
        list(frames(path, [512, 1000]))
    with pytest.raises(DecodeError, match="nearest is at pts 236032"):
        list(frames(path, [999_999]))


def test_a_damaged_frame_is_left_out_on_request(data_dir: Path) -> None:
    """With someone to tell, the other wanted frames still come."""
    path = data_dir / "videos/awkward/truncated_moov_first.mp4"
    errors: list[DecodeError] = []
    found = [f.pts for f in frames(path, [0, 13824, 15872], on_error=errors.append)]
    assert found == [0, 13824]
    assert "cannot be decoded" in str(errors[0])
    with pytest.raises(DecodeError, match="cannot be decoded"):
        list(frames(path, [15872]))
