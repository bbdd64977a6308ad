"""Whatever the time stamps of a file are like, every reader yields each of its frames once.

The oracle is drawn into the frames: bars that hold the number of each in binary.
"""

from __future__ import annotations

import contextlib
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from reelabel.errors import MediaError
from reelabel.labels.copies import Seen, find_copies
from reelabel.media.probe import probe
from reelabel.media.signatures import chosen, spread_signatures
from reelabel.media.spans import copy_span, cut_span
from reelabel.media.stamps import increasing
from reelabel.media.stream import scan, scan_packets
from reelabel.media.video import decode

COUNT, RATE, BITS = 40, 25, 8
SIZE_WH = (192, 64)
NO_SHIFT = {"avoid_negative_ts": "disabled"}


def numbered(number):
    """Return a picture with bars that hold its number in binary."""
    rgb = np.full((SIZE_WH[1], SIZE_WH[0], 3), 100, np.uint8)
    for bit in range(BITS):
        rgb[8:56, bit * 24 + 2 : bit * 24 + 22] = 220 if number >> bit & 1 else 20
    return rgb


def number_in(frame):
    """Return the number that a frame holds."""
    rgb = frame.rgb()
    bars = [rgb[20:44, bit * 24 + 8 : bit * 24 + 16].mean() > 120 for bit in range(BITS)]
    return sum(int(bar) << bit for bit, bar in enumerate(bars))


def numbers_in(path):
    """Return the numbers that the frames of a file hold, in their order."""
    return [number_in(frame) for frame in decode(path)]


def encoded(path, *, encoder="libx264", base=Fraction(1, RATE), **options):
    """Write numbered frames."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE, options={"g": "20", **options})
        stream.width, stream.height, stream.pix_fmt = *SIZE_WH, "yuv420p"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def restamped(source, target, change, options=None):
    """Copy packets with other time stamps: `change` gets the number of each and the packet."""
    with (
        av.open(str(source)) as reader,
        av.open(str(target), "w", container_options=options or {}) as writer,
    ):
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            change(number, packet)
            packet.stream = copy
            writer.mux(packet)
    return target


def _at(seconds_of):
    """Return a change that shows and decodes each packet at a second that its number gives."""

    def change(number, packet):
        packet.pts = packet.dts = round(seconds_of(number) / packet.time_base)

    return change


def raw(folder):
    """No time stamps at all."""
    return encoded(folder / "raw.h264", bf="3"), list(range(COUNT))


def missing(folder):
    """None at the start, as Matroska does not store those below 0."""
    whole = encoded(folder / "whole.mp4", bf="0")
    change = _at(lambda number: (number - 10) / RATE)
    return restamped(whole, folder / "missing.mkv", change, NO_SHIFT), list(range(COUNT))


def repeated(folder):
    """Some frames at the same time."""
    whole = encoded(folder / "whole.mp4", bf="0")
    change = _at(lambda number: (number - number // 20) / RATE)
    return restamped(whole, folder / "repeated.mkv", change), list(range(COUNT))


def joined(suffix):
    """Return a function: two recordings in one file, the clock of which is set back."""

    def make(folder):
        whole = encoded(folder / f"whole{suffix}", encoder="mpeg2video", bf="2", b="2M")
        target = folder / f"joined{suffix}"
        target.write_bytes(whole.read_bytes() * 2)
        return target, list(range(COUNT)) * 2

    return make


def set_back_apart(folder):
    """Set back to times that no frame has: each is still the only one at its time."""
    whole = encoded(folder / "whole.mp4", bf="0")
    late = restamped(whole, folder / "late.ts", _at(lambda number: 10 + number / RATE))
    early = restamped(whole, folder / "early.ts", _at(lambda number: 2 + number / RATE))
    target = folder / "apart.ts"
    target.write_bytes(late.read_bytes() + early.read_bytes())
    return target, list(range(COUNT)) * 2


KINDS = {
    "raw": raw,
    "missing": missing,
    "repeated": repeated,
    "joined.ts": joined(".ts"),
    "joined.mpg": joined(".mpg"),
    "set back apart": set_back_apart,
}


@pytest.fixture(scope="module", params=KINDS)
def odd(request, tmp_path_factory):
    """Return a file with time stamps of one kind, and the numbers of its frames."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg has no libx264")
    return KINDS[request.param](tmp_path_factory.mktemp("odd"))


def test_decoding_and_timeline_hold_every_frame(odd):
    """Both have each frame once, at strictly increasing times, over the length of the video."""
    path, numbers = odd
    found = [(frame.pts, number_in(frame)) for frame in decode(path)]
    assert [number for _, number in found] == numbers
    pts = scan(path).pts
    assert pts.tolist() == [pts for pts, _ in found]
    assert (np.diff(pts) > 0).all()
    assert probe(path).duration_s == pytest.approx(len(numbers) / RATE, abs=2.5 / RATE)


def test_an_exact_clip_of_all_holds_every_frame(odd, tmp_path):
    """A clip over the whole video has its frames, one of a part those of that part."""
    path, numbers = odd
    timeline, end_s = scan_packets(path), probe(path).duration_s
    cut_span(path, 0, end_s, tmp_path / "all.mp4", exact=True, timeline=timeline)
    assert numbers_in(tmp_path / "all.mp4") == numbers
    cut_span(path, 0.4, end_s - 0.4, tmp_path / "part.mp4", exact=True, timeline=timeline)
    part = numbers_in(tmp_path / "part.mp4")
    assert part == [number_in(f) for f in decode(path, start_s=0.4, end_s=end_s - 0.4)]
    assert len(part) < len(numbers)


def test_packets_with_odd_times_are_refused_with_a_way_out(odd, tmp_path):
    """Copying packets would lose frames: the message names the video and --exact."""
    path, _ = odd
    timeline, target = scan_packets(path), tmp_path / "copy.mkv"
    with pytest.raises(MediaError, match=rf"{path.name}: .*--exact"):
        cut_span(path, 0, 1, target, exact=False, timeline=timeline)
    assert not target.exists()


def test_an_exact_span_of_a_file_object_loses_no_frame(odd, tmp_path):
    """Read in parts, every frame of the first second is written; without times it is refused."""
    path, numbers = odd
    with path.open("rb") as file, contextlib.ExitStack() as refused:
        if path.name in {"raw.h264", "missing.mkv"}:
            refused.enter_context(pytest.raises(MediaError, match=path.name))
        copy_span(file, 0, 1, tmp_path / "span.mp4", exact=True)
        assert numbers_in(tmp_path / "span.mp4")[:RATE] == numbers[:RATE]


def test_signatures_are_spread_over_every_frame(odd):
    """A video has the signatures that its decoded frames call for, and its copy is found."""
    path, _ = odd
    found = spread_signatures(path)
    assert len(found) == len(chosen([frame.time_s for frame in decode(path)])) > 0
    seen = np.frombuffer(b"".join(found), np.uint8).reshape(-1, 32, 32)
    videos = {"a": Seen("first", seen), "b": Seen("second", seen)}
    assert [(one.first, one.second) for one in find_copies(videos)] == [("a", "b")]


@pytest.mark.parametrize("rate", [Fraction(1, 10), Fraction(2), Fraction(25)])
def test_stamps_out_of_order_are_no_clock_that_is_set_back(tmp_path, rate):
    """Decoding times in place of presentation times disorder frames, but keep the length."""
    if "libx264" not in av.codecs_available:
        pytest.skip("this FFmpeg has no libx264")
    whole = encoded(tmp_path / "whole.mp4", bf="3")

    def change(number, packet):
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = round(number / rate * 1000)

    path = restamped(whole, tmp_path / "disordered.mov", change)
    found = list(decode(path))
    assert [number_in(frame) for frame in found] == list(range(COUNT))
    assert found[-1].time_s <= COUNT / rate


def test_a_hole_before_a_missing_stamp_is_not_repeated():
    """A frame without a stamp comes one usual step later, however long the step before was."""
    stream = SimpleNamespace(
        average_rate=Fraction(RATE), guessed_rate=Fraction(RATE), time_base=Fraction(1, RATE)
    )
    frames = [SimpleNamespace(pts=None, dts=dts, duration=1) for dts in (0, 1, 2, 9, None, 11)]
    assert [pts for pts, _ in increasing(frames, stream, has_times=False)] == [0, 1, 2, 9, 10, 11]
