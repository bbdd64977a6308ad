"""What a span costs over a network: bytes and requests for 10 s of a 10 min file, per container.

The file repeats a clip of 20 s of noise, with the number of each frame drawn into it, at about
1.5 Mbit/s; its packets are copied into each container. Key frames are 5 s apart. Bytes come from a
function, as they would from a server that answers requests for ranges.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from reelabel.media.convert import Picture
from reelabel.media.spans import copy_span, span_suffix
from reelabel.media.video import decode
from reelabel.sources.web.range_file import FetchWhole, RangeFile

LOOP_FRAMES, LOOPS, RATE = 500, 30, 25
SIZE_WH, BITS = (320, 180), 10
BIT_RATE = 1_500_000
START_S, LENGTH_S = 333.2, 10.0
H264, VP9 = "libx264", "libvpx-vp9"
H264_OPTIONS = {"preset": "ultrafast", "nal-hrd": "cbr", "bf": "2", "x264-params": "keyint=125"}
VP9_OPTIONS = {"cpu-used": "8", "deadline": "realtime", "g": "125"}
CONTAINERS: dict[str, tuple[str, dict[str, str]]] = {
    "MP4, index last": ("last.mp4", {}),
    "MP4, index first": ("first.mp4", {"movflags": "faststart"}),
    "MP4, fragments, sidx": ("dash.mp4", {"movflags": "dash+frag_keyframe+global_sidx"}),
    "MP4, fragments, no index": (
        "fragments.mp4",
        {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer"},
    ),
    "Matroska": ("a.mkv", {}),
    "WebM": ("a.webm", {}),
    "MPEG-TS": ("a.ts", {}),
}
"""Name -> file and options of its muxer."""


def numbered(number: int) -> Picture:
    """Return a picture of noise with bars that hold a number in binary."""
    width, height = SIZE_WH
    noise = np.random.default_rng(number).integers(60, 180, (height, width), np.uint8)
    for bit in range(BITS):
        noise[10:42, 8 + bit * 28 : 32 + bit * 28] = 235 if number >> bit & 1 else 16
    return np.repeat(noise[:, :, None], 3, 2)


def number_in(rgb: Picture) -> int:
    """Return the number that a picture holds."""
    bars = (rgb[16:36, 14 + bit * 28 : 26 + bit * 28].mean() > 125 for bit in range(BITS))
    return sum(int(bar) << bit for bit, bar in enumerate(bars))


def loop_of(folder: Path, encoder: str, options: dict[str, str]) -> Path:
    """Encode the clip that is repeated."""
    path = folder / f"{encoder}.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=RATE, options=options)
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        for number in range(LOOP_FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def repeated(loop: Path, path: Path, options: dict[str, str]) -> Path:
    """Copy the packets of the clip again and again into one file."""
    with av.open(str(loop)) as source, av.open(str(path), "w", container_options=options) as out:
        video = source.streams.video[0]
        stream = out.add_stream_from_template(video, opaque=True)
        turn_ms = LOOP_FRAMES * 1000 // RATE
        for turn in range(LOOPS):
            source.seek(0)
            for packet in _timed(source.demux(video)):
                packet.pts, packet.dts = packet.pts + turn * turn_ms, packet.dts + turn * turn_ms
                packet.stream = stream
                out.mux(packet)
    return path


def _timed(packets: Iterator[av.Packet]) -> Iterator[av.Packet]:
    """Give decoding times to packets: Matroska stores none."""
    kept = [packet for packet in packets if packet.size]
    times = sorted(packet.pts or 0 for packet in kept)
    for packet, time_ms in zip(kept, times, strict=True):
        packet.dts = time_ms - 2 * 1000 // RATE
        yield packet


def measured(path: Path, *, exact: bool) -> str:
    """Return what a span of a file costs, in words, after checking its frames."""
    target = path.with_name(f"span{'.mp4' if exact else span_suffix(path.name)}")
    began = time.perf_counter()
    with path.open("rb") as file:

        def read_range(start: int, stop: int) -> bytes:
            file.seek(start)
            return file.read(stop - start)

        remote = RangeFile(read_range, path.stat().st_size)
        try:
            span = copy_span(remote, START_S, START_S + LENGTH_S, target, exact=exact)
        except FetchWhole as exc:
            return f"fetch whole: {exc}"
    seconds = time.perf_counter() - began
    first = number_in(next(decode(target)).rgb())
    if first != round(span.start_s * RATE) % LOOP_FRAMES:
        return f"wrong: {span} begins with frame {first}"
    return (
        f"{remote.fetched_bytes / 1e6:5.2f} MB in {remote.requests:2d} requests, {seconds:5.2f} s, "
        f"written {span.start_s:.2f} to {span.end_s:.2f} s"
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        loops = {
            name: loop_of(Path(folder), name, options)
            for name, options in ((H264, H264_OPTIONS), (VP9, VP9_OPTIONS))
        }
        print(f"{LENGTH_S:.0f} s from {START_S} s of {LOOP_FRAMES * LOOPS // RATE} s")
        for name, (file_name, options) in CONTAINERS.items():
            loop = loops[VP9 if file_name.endswith(".webm") else H264]
            path = repeated(loop, Path(folder) / file_name, options)
            print(f"  {name} ({path.stat().st_size / 1e6:.0f} MB)")
            for exact in (False, True):
                kind = "exact" if exact else "fast"
                print(f"    {kind:<6} {measured(path, exact=exact)}")
            path.unlink()


if __name__ == "__main__":
    main()
