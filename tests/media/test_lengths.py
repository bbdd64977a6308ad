"""Lengths, rates and times in containers that say nothing of them, or something wrong."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from reelabel.media.probe import probe
from reelabel.media.stream import scan
from reelabel.media.video import decode

MakeClip = Callable[[Path, str, dict[str, str], list[int]], Path]
TIMES = [24 * i for i in range(60)]
LOST = range(20, 40)


def chunks(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield id, start and size of the content of each RIFF chunk in a part of a file."""
    while at + 8 <= end:
        name, size = struct.unpack_from("<4sI", data, at)
        yield name, at + 8, size
        at += 8 + size + size % 2


def without_frames(source: Path, target: Path, lost: range) -> Path:
    """Copy an AVI file with empty chunks for some frames, as recorders write for dropped ones."""
    data = source.read_bytes()
    head = next(at for name, at, _ in chunks(data, 12, len(data)) if data[at : at + 4] == b"movi")
    size = struct.unpack_from("<I", data, head - 4)[0]
    frames = [
        b"" if number in lost else data[at : at + length]
        for number, (_, at, length) in enumerate(chunks(data, head + 4, head + size))
    ]
    movi, index = b"movi", b""
    for content in frames:
        index += struct.pack("<4sIII", b"00dc", 16, len(movi), len(content))
        movi += struct.pack("<4sI", b"00dc", len(content)) + content + b"\0" * (len(content) % 2)
    body = data[12 : head - 8] + struct.pack("<4sI", b"LIST", len(movi)) + movi
    body += struct.pack("<4sI", b"idx1", len(index)) + index
    target.write_bytes(struct.pack("<4sI4s", b"RIFF", len(body) + 4, b"AVI ") + body)
    return target


def copied(source: Path, target: Path) -> Path:
    """Copy the packets into another container, as ``ffmpeg -c copy`` does."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = stream
                writer.mux(packet)
    return target


def test_dropped_frames_of_avi_take_their_time(tmp_path: Path, make_clip: MakeClip) -> None:
    """Empty chunks are no frames, but the frames behind them keep their time."""
    whole = make_clip(tmp_path / "whole.avi", "mjpeg", {}, list(range(60)))
    path = without_frames(whole, tmp_path / "dropped.avi", LOST)
    info = probe(path)
    assert info.duration_s == pytest.approx(2.4)
    assert info.fps == Fraction(40, 60) * 25
    times = [frame.time_s for frame in decode(path)]
    assert times == pytest.approx([i / 25 for i in range(60) if i not in LOST])
    assert [f.time_s for f in decode(path, start_s=2.2, end_s=2.3)] == pytest.approx([
        2.2,
        2.24,
        2.28,
    ])


@pytest.mark.parametrize(("encoder", "options"), [("mjpeg", {}), ("mpeg4", {"bf": "2"})])
def test_an_avi_with_a_finer_clock_keeps_length_and_rate(
    tmp_path: Path, make_clip: MakeClip, encoder: str, options: dict[str, str]
) -> None:
    """The clock of an AVI may tick more often than there are frames."""
    path = copied(make_clip(tmp_path / "a.mkv", encoder, options, TIMES), tmp_path / "a.avi")
    info = probe(path)
    assert info.duration_s == pytest.approx(2.4, abs=0.003)
    assert float(info.fps) == pytest.approx(25, rel=0.002)
    assert len(scan(path).pts) == 60


@pytest.mark.parametrize(
    ("name", "encoder"),
    [
        ("a.mkv", "libx264"),
        ("a.ts", "libx264"),
        ("a.ts", "mpeg2video"),
        ("a.mpg", "mpeg2video"),
        ("a.h264", "libx264"),
        ("a.flv", "flv"),
        ("a.gif", "gif"),
    ],
)
def test_length_and_rate_are_those_of_the_frames(
    tmp_path: Path, make_clip: MakeClip, name: str, encoder: str
) -> None:
    """60 frames at 25 a second last 2.4 s, whatever the container stores."""
    times = list(range(60)) if name == "a.h264" else TIMES
    info = probe(make_clip(tmp_path / name, encoder, {}, times))
    assert info.duration_s == pytest.approx(2.4, abs=0.003)
    assert float(info.fps) == pytest.approx(25, rel=0.002)


def test_matroska_without_a_length_is_measured(tmp_path: Path, make_clip: MakeClip) -> None:
    """A live recording, whose header was never finished, has the length of its frames."""
    whole = make_clip(tmp_path / "whole.mkv", "libx264", {}, TIMES)
    data = whole.read_bytes()
    at = data.index(b"\x44\x89\x88")  # the element Duration, eight bytes long
    path = tmp_path / "live.mkv"
    path.write_bytes(data[: at + 3] + b"\0" * 8 + data[at + 11 :])
    assert probe(path).duration_s == pytest.approx(2.4, abs=0.003)


def test_joined_transport_streams_go_on(tmp_path: Path, make_clip: MakeClip) -> None:
    """Where the clock of a recording starts again, its frames follow at their own distance."""
    once = make_clip(tmp_path / "once.ts", "mpeg2video", {"g": "12"}, TIMES).read_bytes()
    path = tmp_path / "twice.ts"
    path.write_bytes(once + once)
    times = [frame.time_s for frame in decode(path)]
    assert times == pytest.approx([i / 25 for i in range(120)], abs=0.001)
    info = probe(path)
    assert info.duration_s == pytest.approx(4.8, abs=0.001)
    assert info.fps == 25
    assert scan(path).pts.tolist() == [frame.pts for frame in decode(path)]


def test_delays_of_a_gif_are_its_times(tmp_path: Path, make_clip: MakeClip) -> None:
    """Each picture of a GIF is shown as long as it says, the last one too."""
    path = make_clip(tmp_path / "a.gif", "gif", {}, [0, 60, 300, 360])
    assert [frame.time_s for frame in decode(path)] == pytest.approx([0, 0.1, 0.5, 0.6])
    assert probe(path).duration_s == pytest.approx(0.6 + 1 / 25)


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
def test_times_and_lengths_agree_with_ffprobe(tmp_path: Path, make_clip: MakeClip) -> None:
    """Frame times and stream lengths are those of ffprobe."""
    whole = make_clip(tmp_path / "whole.avi", "mjpeg", {}, list(range(60)))
    matroska = make_clip(tmp_path / "a.mkv", "libx264", {"bf": "2"}, TIMES)
    for path in (
        without_frames(whole, tmp_path / "dropped.avi", LOST),
        copied(make_clip(tmp_path / "j.mkv", "mjpeg", {}, TIMES), tmp_path / "copied.avi"),
        copied(matroska, tmp_path / "copied.mp4"),
    ):
        command = ["ffprobe", "-v", "quiet", "-of", "json", "-select_streams", "v:0"]
        wanted = ["-show_entries", "frame=best_effort_timestamp_time:stream=duration"]
        answer = json.loads(subprocess.check_output([*command, *wanted, str(path)]))
        times = [float(frame["best_effort_timestamp_time"]) for frame in answer["frames"]]
        ours = [frame.time_s for frame in decode(path)]
        assert ours == pytest.approx([time - times[0] for time in times], abs=0.002)
        seconds = float(answer["streams"][0]["duration"])
        assert probe(path).duration_s == pytest.approx(seconds, abs=0.05)
