"""A span that is copied holds the frames that it states, whatever container it comes from."""

from __future__ import annotations

import io
import math
from fractions import Fraction

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reelabel.errors import MediaError, UnreadableVideo, UsageError
from reelabel.media.probe import probe
from reelabel.media.spans import copy_span, span_suffix
from reelabel.media.video import decode

RATE, COUNT, BITS = 25, 150, 8
SIZE_WH = (192, 64)
FRAGMENTS = "frag_keyframe+empty_moov+default_base_moof"
X264 = "keyint=50:bframes=3:scenecut=0"
SOURCES = {
    "last.mp4": ("libx264", {"x264-params": X264}, {}),
    "first.mp4": ("libx264", {"x264-params": X264}, {"movflags": "faststart"}),
    "sidx.mp4": (
        "libx264",
        {"x264-params": X264},
        {"movflags": "dash+frag_keyframe+global_sidx"},
    ),
    "fragments.mp4": ("libx264", {"x264-params": X264}, {"movflags": FRAGMENTS}),
    "a.mkv": ("libx264", {"x264-params": X264}, {}),
    "open_gop.mkv": ("libx264", {"x264-params": f"{X264}:open-gop=1:b-pyramid=normal"}, {}),
    "refresh.mp4": ("libx264", {"x264-params": f"{X264}:intra-refresh=1"}, {}),
    "hevc.mp4": ("libx265", {"x265-params": f"{X264}:open-gop=1:log-level=0"}, {}),
    "vp9.webm": ("libvpx-vp9", {"g": "50", "cpu-used": "8", "deadline": "realtime"}, {}),
    "a.ts": ("libx264", {"x264-params": X264}, {}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2", "g": "50", "b": "2M"}, {}),
    "a.mpg": ("mpeg2video", {"bf": "2", "g": "50", "b": "2M"}, {}),
    "a.avi": ("mpeg4", {"bf": "2", "g": "50", "b": "2M"}, {}),
}
"""File -> encoder, its options, those of the container."""
COPIED = sorted(set(SOURCES) - {"a.avi", "refresh.mp4"})


def numbered(number):
    """Return a picture with bars that hold its number in binary."""
    rgb = np.full((SIZE_WH[1], SIZE_WH[0], 3), 100, np.uint8)
    for bit in range(BITS):
        rgb[8:56, bit * 24 + 2 : bit * 24 + 22] = 220 if number >> bit & 1 else 20
    return rgb


def numbers_in(path):
    """Return the numbers that the frames of a file hold, and when each is shown."""
    found, times_s = [], []
    for frame in decode(path):
        rgb = frame.rgb()
        bars = [rgb[20:44, bit * 24 + 8 : bit * 24 + 16].mean() > 120 for bit in range(BITS)]
        found.append(sum(int(bar) << bit for bit, bar in enumerate(bars)))
        times_s.append(frame.time_s)
    return found, times_s


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """Return videos of six seconds with numbered frames, one for each way to store them."""
    folder = tmp_path_factory.mktemp("numbered")
    made = {}
    for name, (encoder, options, container_options) in SOURCES.items():
        if encoder not in av.codecs_available:
            continue
        made[name] = folder / name
        with av.open(str(made[name]), "w", container_options=container_options) as container:
            stream = container.add_stream(encoder, rate=RATE, options=options)
            stream.width, stream.height = SIZE_WH
            stream.pix_fmt = "yuv420p"
            for number in range(COUNT):
                frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, RATE)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return made


@pytest.fixture
def cut(sources, tmp_path):
    """Return a function: cuts a span out of a source, returns the target and the span."""

    def run(name, start_s, end_s, *, exact, suffix="", **options):
        if name not in sources:
            pytest.skip(f"this FFmpeg has no encoder for {name}")
        target = tmp_path / f"span{suffix or ('.mp4' if exact else span_suffix(name))}"
        with sources[name].open("rb") as file:
            return target, copy_span(file, start_s, end_s, target, exact=exact, **options)

    return run


@pytest.mark.parametrize("span_s", [(2.2, 4.48), (0, 1), (5, 6.2), (3.96, 4)])
@pytest.mark.parametrize("name", SOURCES)
def test_an_exact_span_holds_its_frames_and_no_other(cut, name, span_s):
    """The numbers drawn into the frames are those of the span, at their times."""
    target, span = cut(name, *span_s, exact=True)
    expected = [i for i in range(COUNT) if span_s[0] <= i / RATE < span_s[1] - 1e-9]
    found, times_s = numbers_in(target)
    assert found == expected
    assert times_s == pytest.approx([i / RATE for i in range(len(found))], abs=2e-3)
    assert span.start_s == pytest.approx(span_s[0], abs=2e-3)
    assert span.end_s == pytest.approx(min(span_s[1], COUNT / RATE), abs=2e-3)


@pytest.mark.parametrize("span_s", [(2.2, 4.48), (0, 1), (5, 6.2), (3.96, 4)])
@pytest.mark.parametrize("name", COPIED)
def test_a_fast_span_is_what_it_states(cut, name, span_s):
    """It has every frame from its stated start to its stated end, which enclose the request."""
    target, span = cut(name, *span_s, exact=False)
    found, times_s = numbers_in(target)
    assert found == list(range(found[0], found[-1] + 1))
    assert span.start_s == pytest.approx(found[0] / RATE, abs=2e-3)
    assert span.end_s == pytest.approx((found[-1] + 1) / RATE, abs=0.011)
    assert span.start_s <= span_s[0] + 2e-3
    assert span.end_s >= min(span_s[1], COUNT / RATE) - 0.011
    assert found[0] >= span_s[0] * RATE - 52  # the key frame before it, not one further back
    assert found[-1] <= span_s[1] * RATE + 4  # pictures that B-frames lean on
    assert times_s == pytest.approx([i / RATE for i in range(len(found))], abs=2e-3)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    span=st.tuples(st.integers(0, COUNT - 1), st.integers(1, COUNT)),
    name=st.sampled_from(["last.mp4", "sidx.mp4", "a.mkv", "a.ts"]),
)
def test_any_span_begins_at_the_key_frame_before_it(sources, tmp_path, span, name):
    """Whatever a seek leads to, the file begins with the last key frame before the start."""
    target, (start, length) = tmp_path / "any.mkv", span
    with sources[name].open("rb") as file:
        copy_span(
            file, start / RATE, (start + length) / RATE, target, exact=False, allow_short=True
        )
    found, _ = numbers_in(target)
    assert found[0] == start // 50 * 50
    assert found[-1] >= min(start + length, COUNT) - 1


def test_key_frames_that_are_none_are_noticed(cut):
    """Where a picture builds up bit by bit, the start is stated as it is shown, or refused."""
    with pytest.raises(MediaError, match="decoding cannot begin"):
        cut("refresh.mp4", 2.2, 4, exact=False)
    target, span = cut("refresh.mp4", 3.8, 4.5, exact=False)
    assert 2 < span.start_s <= 3.8
    assert numbers_in(target)[0][0] == pytest.approx(span.start_s * RATE, abs=0.1)


def test_packets_are_copied_unchanged(cut, sources):
    """A fast span has the very packets of its source, except in the order's ends."""
    target, _ = cut("last.mp4", 2.2, 3.9, exact=False)
    contents = []
    for path in (sources["last.mp4"], target):
        with av.open(str(path)) as container:
            contents.append([bytes(packet) for packet in container.demux(video=0) if packet.size])
    at = contents[0].index(contents[1][0])
    assert contents[0][at : at + len(contents[1])] == contents[1]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("span_s", "message"),
    [
        ((2, 2), "must be behind its start"),
        ((3, 2), "must be behind its start"),
        ((-1, 2), "from 0 up"),
        ((0, math.nan), "from 0 up"),
        ((0, math.inf), "from 0 up"),
        ((7, 8), r"start of the span, 7 s, is beyond the video"),
        ((6.01, 6.2), "start of the span, 6.01 s, is beyond the video"),
        ((5, 6.6), r"end of the span, 6.6 s, is beyond the video, which lasts 6.0"),
    ],
)
def test_spans_that_are_none_are_refused(cut, span_s, message, exact):
    """Empty, reversed, negative, endless and too late spans are errors that state why."""
    with pytest.raises(UsageError, match=message):
        cut("last.mp4", *span_s, exact=exact)


@pytest.mark.parametrize("exact", [False, True])
def test_a_span_beyond_the_end_is_cut_short_on_request(cut, exact):
    """What there is of it is written, and its true end written down."""
    target, span = cut("a.mkv", 5, 9, exact=exact, allow_short=True)
    assert span.end_s == pytest.approx(6, abs=0.01)
    assert numbers_in(target)[0][-1] == COUNT - 1


def test_sound_is_dropped(data_dir, tmp_path):
    """Only pictures are copied."""
    source = data_dir / "videos/awkward/realshort.mp4"
    assert probe(source).has_audio
    for exact in (False, True):
        with source.open("rb") as file:
            copy_span(file, 0, 0.3, tmp_path / "x.mp4", exact=exact)
        assert not probe(tmp_path / "x.mp4").has_audio


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ["rotate_90.mov", "sar_16_15_720x576.mp4"])
def test_pictures_keep_their_shape(data_dir, tmp_path, name, exact):
    """A turned picture stays turned, and pixels that are not square are shown as before."""
    source = data_dir / "videos/awkward" / name
    with source.open("rb") as file:
        copy_span(file, 0, 0.2, tmp_path / "x.mp4", exact=exact)
    assert probe(tmp_path / "x.mp4").display_wh == probe(source).display_wh


class Failing(io.FileIO):
    """A file whose reads fail from a position on."""

    def __init__(self, path, limit):
        super().__init__(path)
        self.limit = limit

    def readinto(self, buffer):
        """Fail behind the limit."""
        left = self.limit - self.tell()
        if left <= 0:
            raise ConnectionResetError("the line is dead")
        return super().readinto(memoryview(buffer)[:left])

    def read(self, size=-1):
        """Read by way of `readinto`."""
        return io.RawIOBase.read(self, size)


@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("name", ["first.mp4", "last.mp4", "a.mkv", "a.ts", "fragments.mp4"])
def test_an_error_of_the_file_is_never_taken_for_its_end(sources, tmp_path, name, share):
    """What reading raises comes out as it is, and no file is left behind."""
    path = sources[name]
    for exact in (False, True):
        with (
            Failing(path, int(share * path.stat().st_size)) as file,
            pytest.raises(ConnectionResetError, match="the line is dead"),
        ):
            copy_span(file, 3, 5.9, tmp_path / "x.mp4", exact=exact)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"no video at all" * 100, b"#EXTM3U\nfile:///etc/hosts\n"]
)
def test_what_is_no_video_is_refused(tmp_path, content):
    """An empty file, a text and a playlist are none."""
    with pytest.raises(UnreadableVideo, match="expected a video"):
        copy_span(io.BytesIO(content), 0, 1, tmp_path / "x.mp4", exact=False)


def test_a_container_that_cannot_hold_the_codec_is_named(cut):
    """The error names the codec and what to do."""
    with pytest.raises(UsageError, match=r"codec .* cannot be copied .*\.mkv, or cut exactly"):
        cut("last.mp4", 0, 1, exact=False, suffix=".webm")


def test_packets_without_presentation_times_are_not_copied(cut):
    """An AVI stores none."""
    with pytest.raises(MediaError, match=r"no presentation times.*cut exactly"):
        cut("a.avi", 0, 1, exact=False)
