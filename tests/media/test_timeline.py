"""The timeline is what decoding yields: every frame has one index, however it is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from av.packet import Packet

from reelabel.errors import MediaError
from reelabel.media.probe import probe
from reelabel.media.stream import scan, scan_packets
from reelabel.media.video import decode, frames

MakeClip = Callable[[Path, str, dict[str, str], list[int]], Path]
TIMES = [24 * i for i in range(60)]
OPEN_GOP = {
    "h264": ("libx264", {"x264-params": "keyint=20:min-keyint=20:bframes=3:open-gop=1:scenecut=0"}),
    "hevc": (
        "libx265",
        {"x265-params": "keyint=20:min-keyint=20:bframes=4:open-gop=1:scenecut=0:log-level=0"},
    ),
}


def remux(source: Path, target: Path, keep: Callable[[int, Packet], bool]) -> Path:
    """Copy the packets that `keep` chooses by number and content; it may change their times."""
    with av.open(str(source)) as reader, av.open(str(target), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            if keep(number, packet):
                packet.stream = copy
                writer.mux(packet)
    return target


def second_key(path: Path) -> int:
    """Return the number of the second key packet."""
    with av.open(str(path)) as reader:
        keys = [i for i, p in enumerate(reader.demux(video=0)) if p.size and p.is_keyframe]
    return keys[1]


def cut_in_the_middle(source: Path, target: Path) -> Path:
    """Return a transport stream without its first part, whose packets have 188 bytes."""
    data = source.read_bytes()
    target.write_bytes(data[len(data) // 188 // 3 * 188 :])
    return target


def same_index_everywhere(path: Path) -> None:
    """Check that decoding, timeline and seeking give each frame one time stamp and one index."""
    every = [(frame.pts, frame.index) for frame in decode(path)]
    timeline = scan(path)
    assert timeline.pts.tolist() == [pts for pts, _ in every]
    assert [index for _, index in every] == list(range(len(every)))
    if timeline.seekable:
        wanted = every[len(every) * 2 // 3]
        found = [(frame.pts, frame.index) for frame in frames(path, [wanted[0]])]
        assert found == [wanted]


def readable(path: Path) -> bool:
    """Return whether a file is a video that can be used."""
    try:
        probe(path)
    except MediaError:
        return False
    return True


def test_every_real_file_has_the_timeline_that_decoding_yields(data_dir: Path) -> None:
    """Over all videos, damaged ones too, time stamps and indices equal those of a full decode."""
    files = [path for path in sorted((data_dir / "videos").rglob("*")) if path.is_file()]
    used = [path for path in files if readable(path)]
    assert len(used) >= len(files) - 8
    for path in used:
        same_index_everywhere(path)


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", ".mkv"), ("h264", ".mp4"), ("hevc", ".mkv"), ("hevc", ".mp4"), ("hevc", ".ts")],
)
def test_leading_pictures_that_cannot_be_decoded_are_not_counted(
    tmp_path: Path, make_clip: MakeClip, codec: str, suffix: str
) -> None:
    """A file that starts at an open-GOP key frame begins with that key frame."""
    encoder, options = OPEN_GOP[codec]
    if encoder not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {encoder}")
    whole = make_clip(tmp_path / "whole.mp4", encoder, options, TIMES)
    first = second_key(whole)
    path = remux(whole, tmp_path / f"head{suffix}", lambda number, _: number >= first)
    same_index_everywhere(path)
    info = probe(path)
    assert len(scan(path).pts) == 40
    assert suffix == ".mp4" or info.num_packets > 40  # its edit list names them
    assert info.start_pts == scan(path).pts[0]
    assert float(info.fps) == pytest.approx(25, rel=0.01)
    assert info.duration_s == pytest.approx(40 / 25, abs=0.005)


@pytest.mark.parametrize("encoder", ["libx264", "mpeg2video"])
def test_a_transport_stream_cut_in_the_middle_begins_at_a_key_frame(
    tmp_path: Path, make_clip: MakeClip, encoder: str
) -> None:
    """Frames before the first key frame are not counted."""
    whole = make_clip(tmp_path / "whole.ts", encoder, {"bf": "2", "g": "12"}, TIMES)
    path = cut_in_the_middle(whole, tmp_path / "part.ts")
    same_index_everywhere(path)
    assert 12 < len(scan(path).pts) < 48
    assert float(probe(path).fps) == pytest.approx(25, rel=0.01)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("edit_list.mp4", ("libx264", {"bf": "3", "g": "12"})),
        ("frames.gif", ("gif", {})),
        ("still.mkv", ("mpeg4", {})),
        ("small.mp4", ("mpeg4", {"bf": "2"})),
        ("flash.flv", ("flv", {})),
        ("program.mpg", ("mpeg2video", {"bf": "2"})),
    ],
)
def test_other_containers_have_one_index(
    tmp_path: Path, make_clip: MakeClip, name: str, codec: tuple[str, dict[str, str]]
) -> None:
    """Containers with and without time stamps, edit lists and indices agree with decoding."""
    path = make_clip(tmp_path / name, *codec, TIMES)
    same_index_everywhere(path)
    assert len(scan(path).pts) == 60


@pytest.mark.parametrize(("first", "count"), [(-600, 35), (7777, 60)])
def test_the_first_time_stamp_may_be_any(
    tmp_path: Path, make_clip: MakeClip, first: int, count: int
) -> None:
    """A late start changes nothing; frames before time 0, which MP4 does not show, are left out."""
    times = [first + each for each in TIMES]
    path = make_clip(tmp_path / "shifted.mp4", "libx264", {"bf": "2", "g": "12"}, times)
    same_index_everywhere(path)
    assert len(scan(path).pts) == count
    assert probe(path).duration_s == pytest.approx(count / 25)


def test_time_stamps_that_repeat_are_found_by_decoding(tmp_path: Path, make_clip: MakeClip) -> None:
    """Where two packets share a time stamp the frames' own, increasing ones count."""
    whole = make_clip(tmp_path / "whole.mkv", "libx264", {"bf": "0", "g": "12"}, TIMES)

    def repeat(number: int, packet: Packet) -> bool:
        if number == 31:
            packet.pts = packet.dts = packet.pts - 40
        return True

    path = remux(whole, tmp_path / "equal.mkv", repeat)
    assert not scan_packets(path).exact
    same_index_everywhere(path)


def test_hidden_pictures_of_vp8_are_no_frames(tmp_path: Path, make_clip: MakeClip) -> None:
    """Pictures that VP8 only refers to are neither counted nor do they change rate and length."""
    if "libvpx" not in av.codecs_available:
        pytest.skip("this FFmpeg has no VP8 encoder")
    whole = make_clip(tmp_path / "whole.webm", "libvpx", {"g": "12"}, TIMES)
    path = tmp_path / "hidden.webm"
    with av.open(str(whole)) as reader, av.open(str(path), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for number, packet in enumerate(p for p in reader.demux(video=0) if p.size):
            packet.stream = copy
            if number % 20 == 19:
                hidden = Packet(bytes([bytes(packet)[0] & ~0x10]) + bytes(packet)[1:])
                hidden.stream, hidden.time_base = copy, packet.time_base
                hidden.pts = hidden.dts = packet.pts - 1
                writer.mux(hidden)
            writer.mux(packet)
    with av.open(str(path)) as reader:
        assert sum(1 for packet in reader.demux(video=0) if packet.size) == 63
    assert scan_packets(path).seekable
    same_index_everywhere(path)
    assert len(scan(path).pts) == probe(path).num_packets == 60
    assert probe(path).duration_s == pytest.approx(60 / 25, abs=0.005)


def test_the_known_number_of_decoded_frames_is_believed(data_dir: Path) -> None:
    """Where somebody counted another number of frames than there are packets, all are decoded."""
    path = data_dir / "videos/awkward/numbers_462_frames.mp4"
    packets, counted = scan(path, num_decoded=462), scan(path, num_decoded=461)
    assert packets.seekable
    assert not counted.seekable
    assert packets.pts.tolist() == counted.pts.tolist()
