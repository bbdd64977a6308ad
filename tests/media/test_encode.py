"""Written videos hold exactly the frames and times that they were given."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.errors import UsageError, WorkspaceError
from reelabel.media.encode import VideoWriter, written_behind
from reelabel.media.probe import probe
from reelabel.media.video import decode


def level(number: int, size_wh: tuple[int, int] = (52, 38)) -> np.ndarray:
    """Return a picture of one colour that tells its number."""
    return np.full((size_wh[1], size_wh[0], 3), (number * 9 % 256, 90, 200), np.uint8)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([(1, 12800), (1, 1000), (1, 90000), (1, 25), (1001, 30000)]),
    first=st.integers(0, 3000),
    gaps=st.lists(st.integers(1, 400), max_size=12),
    suffix=st.sampled_from([".mp4", ".mov"]),
)
def test_times_come_back_exactly(tmp_path: Path, *, base, first: int, gaps, suffix: str) -> None:
    """Each frame is shown at the very time it was given, in whatever time base."""
    times = [first + sum(gaps[:i]) for i in range(len(gaps) + 1)]
    path = tmp_path / f"x{suffix}"
    with VideoWriter(path, time_base=Fraction(*base)) as writer:
        for number, time in enumerate(times):
            writer.write(level(number), time)
    info = probe(path)
    assert [f.pts * info.time_base for f in decode(path)] == [t * Fraction(*base) for t in times]


def test_variable_frame_rate_survives(data_dir: Path, tmp_path: Path) -> None:
    """Footage of uneven rate, written frame by frame, keeps its time stamps and pictures."""
    src = data_dir / "videos/awkward/vfr_train_day.mp4"
    base = probe(src).time_base
    with VideoWriter(tmp_path / "x.mp4", time_base=base, crf=1) as writer:
        for frame in decode(src, end_s=2.0):
            writer.write(frame.rgb(), frame.pts)
    pairs = list(zip(decode(src, end_s=2.0), decode(tmp_path / "x.mp4"), strict=True))
    assert all(a.pts == b.pts for a, b in pairs)
    for a, b in pairs[::12]:
        assert np.abs(a.rgb().astype(int) - b.rgb()).mean() < 3


def test_colours_and_odd_sizes(tmp_path: Path) -> None:
    """Colours come back as they were; an odd size grows by one line and column."""
    with VideoWriter(tmp_path / "x.mp4", time_base=Fraction(1, 25), crf=5) as writer:
        writer.write(level(5, (51, 37)), 0)
    found = next(decode(tmp_path / "x.mp4")).rgb()
    assert found.shape == (38, 52, 3)
    assert np.abs(found.astype(int) - level(5)).max() <= 4


def test_quick_films_hold_the_same_frames(tmp_path: Path) -> None:
    """A film that is encoded quickly has the same times, and pictures close to those given."""
    with VideoWriter(tmp_path / "x.mp4", time_base=Fraction(1, 90000), quick=True) as writer:
        for number in range(9):
            writer.write(level(number), 3750 * number + 7)
    found = list(decode(tmp_path / "x.mp4"))
    assert [frame.pts for frame in found] == [3750 * number + 7 for number in range(9)]
    for number, frame in enumerate(found):
        assert np.abs(frame.rgb().astype(int) - level(number)).max() < 12


def test_negative_times_are_moved_up(tmp_path: Path) -> None:
    """Footage whose first time stamp lies before zero keeps its distances."""
    with VideoWriter(tmp_path / "x.mp4", time_base=Fraction(1, 1000)) as writer:
        for number, time in enumerate([-80, -40, 3]):
            writer.write(level(number), time)
    assert [f.pts for f in decode(tmp_path / "x.mp4")] == [0, 40, 83]


def write(path: Path, *frames: tuple[np.ndarray, int], fault: Exception | None = None) -> None:
    """Write frames with their times, and then fail if asked to."""
    with VideoWriter(path, time_base=Fraction(1, 25)) as writer:
        for rgb, pts in frames:
            writer.write(rgb, pts)
        if fault is not None:
            raise fault


def test_a_failed_video_is_not_there(tmp_path: Path) -> None:
    """If the block fails, or no frame comes, nothing is left, and an old file stays."""
    path = tmp_path / "x.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError, match="stop"):
        write(path, (level(0), 0), fault=RuntimeError("stop"))
    with pytest.raises(UsageError, match="no frame"):
        write(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.mp4"]


def test_what_cannot_be_written_says_why(tmp_path: Path) -> None:
    """Wrong order, wrong size, unknown suffix and a file for a folder each have their message."""
    path = tmp_path / "a.mp4"
    with pytest.raises(UsageError, match="increase"):
        write(path, (level(0), 3), (level(1), 3))
    with pytest.raises(UsageError, match="all frames must be"):
        write(path, (level(0), 0), (level(1, (60, 40)), 1))
    with pytest.raises(UsageError, match="output format"):
        write(tmp_path / "a.nonsense", (level(0), 0))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(WorkspaceError, match="file"):
        write(tmp_path / "file" / "a.mp4", (level(0), 0))


def test_frames_written_behind_are_those_of_one_thread(tmp_path):
    """A thread of its own changes neither the order nor a byte."""
    for name in ("a", "b"):
        writer = VideoWriter(tmp_path / f"{name}.mp4", time_base=Fraction(1, 25))
        with writer, written_behind(writer) as behind:
            for number in range(20):
                (behind if name == "a" else writer.write)(level(number), number)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_errors_of_frames_written_behind_are_raised(tmp_path):
    """A frame that cannot be written is an error, even if it is the last; no file is left."""
    writer = VideoWriter(tmp_path / "a.mp4", time_base=Fraction(1, 25))
    with pytest.raises(UsageError), writer, written_behind(writer) as write:  # noqa: PT012 -- one with
        write(level(0), 5)
        write(level(1), 5)
    assert not list(tmp_path.iterdir())
