"""How long `reelabel flicker` takes beside the published miner, and how much memory.

The published miner's times stand in the golden sets' README: its own time on that machine, one run
each on 2 cores, and not measured again here. Ours are medians of three: the Python function, and
the whole command with everything that a process needs to start. Beside them stands what decoding
alone takes, below which nothing that reads the video can go.

Memory is the peak of the command's process (Linux), for the video once and four times in a row.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av

from common import DATA, interleaved
from reelabel.media.video import decode
from reelabel.verbs.flicker import flicker

# Not ru_maxrss, which a process inherits from the one that starts it.
WATCHED = """
import runpy, sys
from pathlib import Path
sys.argv = sys.argv[1:]
try:
    runpy.run_module("reelabel", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
status = Path("/proc/self/status").read_text().splitlines()
print(*[line for line in status if line.startswith("VmHWM")])
"""
DEFAULTS = "mined_score0.8_alpha5_sim0.5_iou0.2_beta100.txt"


class Clip(NamedTuple):
    """A golden set, its video, and the published miner's own time on that machine."""

    name: str
    video: str
    published_s: float

    @property
    def path(self) -> Path:
        """Return the video."""
        return DATA / "videos" / self.video

    @property
    def golden(self) -> Path:
        """Return the folder of detections and of what the published miner wrote."""
        return DATA / "golden" / "flicker" / self.name


CLIPS = (
    Clip("soccer_juggle", "sports/soccer_juggle.mp4", 241),
    Clip("dogs_play", "dogs/dogs_play_garden.mp4", 73),
    Clip("cars_topdown_jitter", "traffic/cars_topdown.mp4", 20),
)


def command(video: Path, detections: Path, out: Path) -> None:
    """Run the whole command."""
    arguments = _arguments(video, detections, out)
    subprocess.run([sys.executable, "-m", *arguments], check=True, stdout=subprocess.DEVNULL)


def _arguments(video: Path, detections: Path, out: Path) -> list[str]:
    told = (str(video), str(detections), "--out", str(out))
    return ["reelabel", "flicker", *told, "--any-header", "-q"]


def peak_mb(video: Path, detections: Path, out: Path) -> int:
    """Run the whole command; return the peak of its memory."""
    arguments = _arguments(video, detections, out)
    said = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments], check=True, capture_output=True, text=True
    )
    return int(said.stdout.split()[-2]) // 1024


def times(clip: Clip, folder: Path) -> None:
    """Print how long a clip takes."""
    detections, out = clip.golden / "detections.txt", folder / "mined.txt"
    runs = {
        "the function": lambda: flicker(clip.path, detections, out=out),
        "the whole command": lambda: command(clip.path, detections, out),
        "decoding alone": lambda: sum(1 for _ in decode(clip.path)),
    }
    taken = interleaved(runs, times=3)
    same = out.read_bytes() == (clip.golden / DEFAULTS).read_bytes()
    print(
        f"\n{clip.name}: the published miner took {clip.published_s:.0f} s, its own time on that "
        f"machine; the output is {'the same' if same else 'ANOTHER'}"
    )
    for name, seconds in taken.items():
        ratio = "" if name == "decoding alone" else f"  {clip.published_s / seconds:5.0f}x"
        print(f"  {name:<20} {seconds:6.2f} s{ratio}")


def looped(source: Path, target: Path, count: int) -> None:
    """Write a video's packets `count` times in a row."""
    with av.open(str(target), "w") as writer:
        stream, start = None, 0
        for _ in range(count):
            with av.open(str(source)) as reader:
                video = reader.streams.video[0]
                stream = stream or writer.add_stream_from_template(video)
                start = _copied(reader, writer, stream, start)


def _copied(
    reader: av.container.InputContainer,
    writer: av.container.OutputContainer,
    stream: av.VideoStream,
    start: int,
) -> int:
    """Copy all packets, moved so that they begin at `start`; return where the next may begin."""
    video = reader.streams.video[0]
    step = round(1 / (Fraction(video.average_rate or 25) * Fraction(video.time_base or 1)))
    packets = [p for p in reader.demux(video) if p.dts is not None and p.pts is not None]
    offset = start - min(p.dts or 0 for p in packets)
    for packet in packets:
        packet.pts, packet.dts = (packet.pts or 0) + offset, (packet.dts or 0) + offset
        packet.stream = stream
        writer.mux(packet)
    return start + step * len(packets)


def memory(clip: Clip, folder: Path) -> None:
    """Print the peak for the video once and four times in a row."""
    once = (clip.golden / "detections.txt").read_text()
    for count in (1, 4):
        video, detections = folder / f"{count}.mkv", folder / f"{count}.txt"
        looped(clip.path, video, count)
        detections.write_text(once * count)
        frames = sum(1 for _ in decode(video))
        peak = peak_mb(video, detections, folder / "mined.txt")
        print(f"  {clip.name} x{count}: {frames:5} frames, peak {peak} MB")


def main() -> None:
    """Print all figures."""
    with tempfile.TemporaryDirectory() as folder:
        for clip in CLIPS:
            times(clip, Path(folder))
        print("\npeak memory of the whole command")
        for clip in CLIPS:
            memory(clip, Path(folder))


if __name__ == "__main__":
    main()
