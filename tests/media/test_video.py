"""All frames, exactly once, at exactly their times, whatever the file is like."""

from __future__ import annotations

import json
import runpy
import shutil
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from reelabel.errors import DecodeError, UnreadableVideo, UsageError
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.video import decode, decode_spans, frames, time_range

GOLDEN: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_name("golden_ffprobe.json").read_text()
)
MAKER = runpy.run_path(str(Path(__file__).with_name("make_golden_ffprobe.py")))


def stamps_like(golden: dict[str, Any], pts: list[int]) -> list[int | None]:
    """Return our time stamps, with None where ffprobe has none."""
    return [None if i in golden["unknown"] else each for i, each in enumerate(pts)]


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_time_stamps_are_those_of_ffprobe(data_dir: Path, name: str) -> None:
    """Count and time stamps of the frames equal ffprobe's, or the file is refused as there."""
    path, golden = data_dir / "videos" / name, GOLDEN[name]
    try:
        found = list(decode(path))
    except UnreadableVideo:
        assert golden["count"] == 0
        return
    pts = [frame.pts for frame in found]
    assert MAKER["summary"](stamps_like(golden, pts)) == golden
    assert [frame.index for frame in found] == list(range(len(found)))
    assert all(a < b for a, b in pairwise(pts))


@pytest.mark.skipif(not shutil.which("ffprobe"), reason="needs ffprobe")
@pytest.mark.parametrize(
    "name", ["awkward/vfr_train_day.mp4", "awkward/nasa_two_video_streams.mp4"]
)
def test_the_golden_numbers_are_still_ffprobes(data_dir: Path, name: str) -> None:
    """The installed ffprobe says what the golden file says."""
    stamps = MAKER["time_stamps"](data_dir / "videos" / name)
    assert MAKER["summary"](stamps) == GOLDEN[name]


@pytest.mark.parametrize(
    ("name", "count", "where"),
    [
        ("bit_errors.mp4", 47, "0.667 s"),
        ("corrupted_mid.mp4", 49, "3.000 s"),
        ("truncated_moov_first.mp4", 28, "1.292 s"),
    ],
)
def test_damage_is_skipped_and_reported(data_dir: Path, name: str, count: int, where: str) -> None:
    """Decoding goes on behind an error; the error is told once, with its place."""
    errors: list[DecodeError] = []
    path = data_dir / "videos/awkward" / name
    assert sum(1 for _ in decode(path, on_error=errors.append)) == count
    assert len(errors) == 1
    assert where in str(errors[0])
    with pytest.raises(DecodeError, match=where):
        list(decode(path, tolerant=False))


@pytest.mark.parametrize(
    "name",
    ["bit_errors.mp4", "corrupted_mid.mp4", "truncated_moov_first.mp4", "hevc_juggle_3s.mp4"],
)
def test_frames_do_not_depend_on_the_number_of_threads(data_dir: Path, name: str) -> None:
    """One thread and many give the same frames, from damaged files too."""
    path = data_dir / "videos/awkward" / name
    runs = [
        [(f.pts, f.index, f.damaged, f.grey((64, 64)).tobytes()) for f in decode(path, threads=n)]
        for n in (1, 2, 7)
    ]
    assert runs[0] == runs[1] == runs[2]


def test_rotated_files_come_upright(data_dir: Path) -> None:
    """The same scene filmed with the camera turned is upright in each file."""
    awkward = data_dir / "videos/awkward"
    quarter_turns = {"rotate_90.mov": 3, "rotate_180.mov": 2, "rotate_270.mov": 1}
    for name, turns in quarter_turns.items():
        frame = next(decode(awkward / name))
        coded = frame._picture.to_ndarray(format="rgb24")
        np.testing.assert_array_equal(frame.rgb(), np.rot90(coded, turns))
        assert probe(awkward / name).display_wh == frame.rgb().shape[1::-1]


def test_a_phone_video_looks_like_the_original_turned(data_dir: Path) -> None:
    """A file whose matrix says 90 degrees shows its stored pictures turned clockwise."""
    turned = next(decode(data_dir / "videos/awkward/rotated_90_phone_style.mp4")).rgb((90, 160))
    original = next(decode(data_dir / "videos/sports/soccer_juggle.mp4")).rgb((160, 90))
    expected = cv2.rotate(original, cv2.ROTATE_90_CLOCKWISE)
    assert np.abs(turned.astype(int) - expected).mean() < 4


def test_seconds_count_from_the_first_frame(data_dir: Path) -> None:
    """Second 0 is the first frame, also where time stamps begin at 5 s."""
    path = data_dir / "videos/awkward/start_at_5s.mkv"
    found = list(decode(path, start_s=0.5))
    assert found[0].pts == 5500
    assert found[0].time_s == pytest.approx(0.5)
    assert found[0].index == 12
    assert [f.pts for f in decode(path, end_s=0.1)] == [5000, 5041, 5083]


def test_a_span_holds_its_start_and_not_its_end(data_dir: Path) -> None:
    """Any two neighbouring spans share no frame and lose none, at every frame's own time."""
    path = data_dir / "videos/awkward/vfr_train_day.mp4"
    every = [(f.pts, f.index, f.time_s) for f in decode(path)]
    for at in (1, 17, 60, 107):
        second = every[at][2]
        before = [(f.pts, f.index, f.time_s) for f in decode(path, end_s=second)]
        after = [(f.pts, f.index, f.time_s) for f in decode(path, start_s=second)]
        assert (before, after) == (every[:at], every[at:])


def test_a_late_start_gives_the_same_frames_and_indices(clips: dict[str, Path]) -> None:
    """Starting in the middle changes nothing about the frames that come."""
    for path in clips.values():
        every = [(f.pts, f.index, f.rgb().tobytes()) for f in decode(path)]
        late = [(f.pts, f.index, f.rgb().tobytes()) for f in decode(path, start_s=1.5)]
        assert late == every[-len(late) :]
        assert 20 < len(late) < 25


def test_key_frames_are_those_of_the_whole_video(clips: dict[str, Path]) -> None:
    """Key frames alone have the time stamps, indices and pixels that they have among all."""
    for name, path in clips.items():
        every = {f.pts: (f.index, f.rgb().tobytes()) for f in decode(path)}
        keys = {f.pts: (f.index, f.rgb().tobytes()) for f in decode(path, keyframes_only=True)}
        assert keys.items() <= every.items()
        if name != "h264_no_key_frames.mp4":
            assert len(keys) >= 5, name


def test_the_best_stream_is_taken(data_dir: Path) -> None:
    """Of two picture streams the larger one is decoded."""
    frame = next(decode(data_dir / "videos/awkward/nasa_two_video_streams.mp4"))
    assert frame.rgb().shape == (270, 480, 3)


@pytest.mark.parametrize("sizes_wh", [[(32, 24), (64, 48)], [(64, 48), (32, 24)]])
def test_the_larger_of_two_streams_is_taken_wherever_it_stands(tmp_path, sizes_wh) -> None:
    """The number of pictures and the order of streams do not count, as for the ffmpeg command."""
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as file:
        streams = [file.add_stream("mpeg4", rate=25) for _ in sizes_wh]
        for stream, (width, height) in zip(streams, sizes_wh, strict=True):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for stream, (width, height) in zip(streams, sizes_wh, strict=True):
            for _ in range(3 if width > 32 else 9):
                file.mux(stream.encode(av.VideoFrame(width, height, "yuv420p")))
            file.mux(stream.encode(None))
    assert next(decode(path)).rgb().shape == (48, 64, 3)


def test_missing_and_repeated_time_stamps_are_mended(clips: dict[str, Path]) -> None:
    """Time stamps come out strictly increasing: missing ones by duration, repeated ones by 1."""
    from reelabel.media.decoder import Decoder  # noqa: PLC0415 -- the part behind the interface

    with Decoder(clips["mpeg2.ts"]) as decoder:
        pictures = [picture for _, picture in decoder.pictures()][:5]
        for picture, pts in zip(pictures, [None, 0, 7, None, 3], strict=True):
            picture.pts = pts
        step = pictures[0].duration
        assert [pts for pts, _ in decoder._increasing(pictures)] == [0, 1, 7, 7 + step, 8 + step]


def info_of(seconds: float) -> VideoInfo:
    """Return a description in which only the duration matters."""
    values = dict.fromkeys(VideoInfo.__dataclass_fields__)
    return VideoInfo(**(values | {"duration_s": seconds}))


@pytest.mark.parametrize(
    ("given", "span"),
    [
        ({}, (0.0, 10.0)),
        ({"start_s": 4}, (4, 10.0)),
        ({"end_s": 4}, (0.0, 4)),
        ({"start_s": 4, "duration_s": 3}, (4, 7)),
        ({"duration_s": 10.2}, (0.0, 10.0)),
    ],
)
def test_time_range(given: dict[str, float], span: tuple[float, float]) -> None:
    """What is not given runs from the start, or to the end."""
    assert time_range(info_of(10.0), **given) == span


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"start_s": -1}, "start must be .* from 0 up"),
        ({"end_s": float("nan")}, "end must be"),
        ({"duration_s": -3}, "duration must be"),
        ({"end_s": 3, "duration_s": 3}, "not both"),
        ({"start_s": 5, "end_s": 3}, "behind start"),
        ({"start_s": 5, "duration_s": 0}, "behind start"),
        ({"start_s": 10}, "start .* beyond the video"),
        ({"end_s": 11}, "end .* beyond the video"),
    ],
)
def test_impossible_time_ranges_say_why(given: dict[str, float], says: str) -> None:
    """A span that cannot be meant is refused, and the message names what is wrong."""
    with pytest.raises(UsageError, match=says):
        time_range(info_of(10.0), **given)


def test_frames_of_nothing_and_of_a_missing_file(tmp_path: Path) -> None:
    """No wanted frames need no file; wanted ones do."""
    assert list(frames(tmp_path / "none.mp4", [])) == []
    with pytest.raises(UnreadableVideo):
        list(frames(tmp_path / "none.mp4", [0]))


@pytest.mark.parametrize("keyframes_only", [False, True])
def test_spans_in_one_pass_are_those_one_by_one(clips, keyframes_only):
    """Frames of adjacent and distant spans are the same whether decoded together or apart."""
    spans_s = [(0.1, 0.4), (0.4, 0.9), (1.7, 1.75), (2.0, None)]
    for path in clips.values():
        together = decode_spans(path, spans_s, keyframes_only=keyframes_only)
        apart = [
            (position, frame.pts, frame.index, frame.rgb().tobytes())
            for position, (start_s, end_s) in enumerate(spans_s)
            for frame in decode(path, start_s=start_s, end_s=end_s, keyframes_only=keyframes_only)
        ]
        assert [(at, f.pts, f.index, f.rgb().tobytes()) for at, f in together] == apart
