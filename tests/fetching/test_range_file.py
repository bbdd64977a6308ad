"""A file over range requests reads like the file itself, and counts what it costs."""

from __future__ import annotations

import io
import tracemalloc

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.errors import UsageError
from reelabel.media.spans import copy_span
from reelabel.sources.web.outcomes import FetchFailure
from reelabel.sources.web.range_file import FetchWhole, RangeFile

CONTENT = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes()


class Server:
    """Answers requests for ranges and notes them."""

    def __init__(self, content):
        self.content, self.asked = content, []

    def __call__(self, start, stop):
        """Return the bytes of a range."""
        self.asked.append((start, stop))
        return self.content[start:stop]

    def file(self, **options):
        """Return a file over this server."""
        return RangeFile(self, len(self.content), **options)


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "set", "cur", "end"]), st.integers(-110_000, 110_000)),
        max_size=30,
    )
)
def test_it_reads_like_the_file_itself(steps):
    """Any sequence of reads and seeks gives what a local file gives."""
    server, local = Server(CONTENT), io.BytesIO(CONTENT)
    remote = io.BufferedReader(server.file(block_bytes=4096, max_requests=10_000))
    for kind, number in steps:
        if kind == "read":
            assert remote.read(abs(number)) == local.read(abs(number))
            continue
        whence = ("set", "cur", "end").index(kind)
        base = (0, local.tell(), len(CONTENT))[whence]
        if base + number >= 0:
            remote.seek(number, whence)
            local.seek(base + number)
        assert remote.tell() == local.tell()
    assert all(0 <= start < stop <= len(CONTENT) for start, stop in server.asked)


def test_it_counts_requests_and_bytes():
    """A block that is there is not asked for again."""
    server = Server(CONTENT)
    file = server.file(block_bytes=4096)
    for _ in range(3):
        file.seek(5000)
        assert file.read(10) == CONTENT[5000:5010]
    assert server.asked == [(4096, 8192)]
    assert (file.requests, file.fetched_bytes) == (1, 4096)


def test_a_long_read_takes_few_requests():
    """Reading on asks for more and more, up to 1 MiB at once; a jump asks for one block."""
    server = Server(bytes(20 << 20))
    file = server.file()
    while file.read(1 << 15):
        pass
    sizes = [stop - start for start, stop in server.asked]
    assert sizes[:3] == [256 << 10, 512 << 10, 1 << 20]
    assert max(sizes) == 1 << 20
    assert len(sizes) < 24
    assert file.fetched_bytes == 20 << 20
    file = server.file()
    for position in (0, 9 << 20, 3 << 20):
        file.seek(position)
        file.read(10)
    assert file.fetched_bytes == 3 * (256 << 10)


def test_memory_is_bounded():
    """Of a large file only the last blocks are kept."""
    file = RangeFile(lambda start, stop: bytes(stop - start), 200 << 20, max_requests=1000)
    tracemalloc.start()
    while file.read(1 << 20):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20


def test_too_many_requests_mean_to_fetch_the_whole_file():
    """Beyond the limit reads raise, and nothing more is asked for."""
    server = Server(CONTENT)
    file = server.file(block_bytes=4096, max_requests=3)
    for position in (0, 80_000, 40_000):
        file.seek(position)
        file.read(1)
    file.seek(20_000)
    with pytest.raises(FetchWhole, match="more than 3 requests"):
        file.read(1)
    assert len(server.asked) == 3
    file.seek(0)
    assert file.read(1) == CONTENT[:1]


def test_a_short_answer_is_truncated():
    """A server that sends less than was asked for has cut the file short."""
    file = RangeFile(lambda start, stop: bytes(stop - start - 1), 10_000)
    with pytest.raises(FetchFailure) as caught:
        file.read(1)
    assert caught.value.outcome.name == "truncated"


@pytest.mark.parametrize("options", [{"block_bytes": 1}, {"block_bytes": 2 << 20}])
def test_blocks_have_limits(options):
    """A block of a byte or of two megabytes is a mistake."""
    with pytest.raises(UsageError, match="blocks of 4096"):
        Server(CONTENT).file(**options)


def test_it_cannot_be_written():
    """It is for reading alone."""
    file = Server(CONTENT).file()
    assert not file.writable()
    with pytest.raises(ValueError, match="cannot seek"):
        file.seek(-1)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Return a video of noise, ten seconds long, with a key frame each second."""
    path = tmp_path_factory.mktemp("noise") / "noise.mp4"
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10, options={"g": "10"})
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        for _ in range(100):
            picture = rng.integers(0, 256, (128, 128, 3), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("exact", [False, True])
def test_a_span_costs_little_of_a_file(video, tmp_path, exact):
    """Copying a short span reads its part of the file and the index, no more."""
    server = Server(video.read_bytes())
    file = server.file(block_bytes=4096)
    copy_span(file, 5, 6, tmp_path / "x.mp4", exact=exact)
    assert file.fetched_bytes < len(server.content) / 2
    assert file.requests <= 20


@pytest.mark.parametrize("exact", [False, True])
def test_fetch_whole_comes_through_the_demuxer(video, tmp_path, exact):
    """The condition is not taken for the end of the file, and no target appears."""
    file = Server(video.read_bytes()).file(block_bytes=4096, max_requests=5)
    with pytest.raises(FetchWhole):
        copy_span(file, 2, 6, tmp_path / "x.mp4", exact=exact)
    assert not (tmp_path / "x.mp4").exists()
