"""Members of archives that come in as a stream: what is taken, left out, given up."""

from __future__ import annotations

import errno
import gzip
import io
import os
import shutil
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.sources.mirrors.archives import ArchiveLimits, take_members
from reelabel.sources.web.outcomes import FetchFailure

LIMITS = ArchiveLimits()
NAME = "abcdefghijk_000001_000011.mp4"
OTHER = "-bcdefghijk_000002_000012.mp4"
CONTENT = bytes(range(256)) * 40


class Stream:
    """Bytes that can only be read once, a few at a time, as those of an answer."""

    def __init__(self, content: bytes, step: int = 1000):
        self._bytes, self._step = io.BytesIO(content), step
        self.read_bytes = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return at most a step of what is asked for."""
        block = self._bytes.read(min(size, self._step) if size >= 0 else self._step)
        self.read_bytes += len(block)
        return block


def member(name: str, content: bytes = CONTENT, **fields) -> tuple[tarfile.TarInfo, bytes]:
    """Return a header with its content; fields change the header."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members, packed: bool = True, **options) -> bytes:
    """Return a tar archive of headers and contents, in gzip unless it is not packed."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", **options) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(buffer.getvalue()) if packed else buffer.getvalue()


def take(archive: bytes, folder: Path, limits=LIMITS, names=(NAME, OTHER)):
    """Return what is taken out of an archive, and the failure that ends it."""
    wanted = {name: folder / "out" / f"{i}.mp4" for i, name in enumerate(names)}
    found = []
    try:
        for taken in take_members(Stream(archive), wanted, limits):
            found.append(taken)  # noqa: PERF402 -- those before a failure count
    except FetchFailure as exc:
        return found, exc
    return found, None


def files_below(folder: Path) -> set[str]:
    """Return all files below a folder, hidden ones too."""
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir()}


def test_real_clips_come_out_as_they_went_in(data_dir, tmp_path):
    """Wanted clips are written under the caller's names, byte for byte, with size and hash."""
    clips = [
        data_dir / "videos" / "awkward" / name
        for name in ("carphone_qcif_lowbitrate.mp4", "counter_frames.mp4")
    ]
    folder = tmp_path / "salsa dancing"
    folder.mkdir()
    for clip, name in zip(clips, (NAME, OTHER), strict=True):
        shutil.copy(clip, folder / name)
    (folder / "unwanted_id_000000_000010.mp4").write_bytes(b"x" * 5000)
    archive = tmp_path / "part_0.tar.gz"
    subprocess.run(["tar", "czf", archive, "-C", tmp_path, folder.name], check=True)
    found, failure = take(archive.read_bytes(), tmp_path)
    assert failure is None
    assert {taken.name: taken.path.read_bytes() for taken in found} == {
        name: clip.read_bytes() for clip, name in zip(clips, (NAME, OTHER), strict=True)
    }
    assert files_below(tmp_path / "out") == {"0.mp4", "1.mp4"}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("packed", [True, False])
def test_every_usual_form_of_tar(tmp_path, form, packed):
    """Ustar, GNU and pax archives are read, in gzip and plain, with long folder names."""
    folder = "long/" * 25
    archive = tar_of(member(folder + NAME), packed=packed, format=form)
    found, failure = take(archive, tmp_path)
    assert failure is None
    assert [taken.path.read_bytes() for taken in found] == [CONTENT]


def test_the_first_whole_member_of_a_name_counts(tmp_path):
    """A name that comes twice is taken once."""
    found, failure = take(tar_of(member(NAME), member(f"again/{NAME}", b"other")), tmp_path)
    assert failure is None
    assert [taken.path.read_bytes() for taken in found] == [CONTENT]


def test_reading_stops_when_nothing_is_missing(tmp_path):
    """Behind the last wanted member nothing is read; without wants not one byte."""
    archive = tar_of(member(NAME), member("x.mp4", os.urandom(5_000_000)))
    stream = Stream(archive)
    assert len(list(take_members(stream, {NAME: tmp_path / "a.mp4"}, LIMITS))) == 1
    assert stream.read_bytes < len(archive) / 2
    stream = Stream(archive)
    assert list(take_members(stream, {}, LIMITS)) == []
    assert stream.read_bytes == 0


HOSTILE = {
    "absolute": member(f"/tmp/{NAME}"),  # noqa: S108 -- a name in an archive
    "outside": member(f"../../{NAME}"),
    "symbolic link": member(NAME, b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "hard link": member(NAME, b"", type=tarfile.LNKTYPE, linkname=OTHER),
    "character device": member(NAME, b"", type=tarfile.CHRTYPE),
    "block device": member(NAME, b"", type=tarfile.BLKTYPE),
    "pipe": member(NAME, b"", type=tarfile.FIFOTYPE),
    "folder": member(NAME, b"", type=tarfile.DIRTYPE),
    "resource fork": member(f"a/._{NAME}"),
    "empty file": member(NAME, b""),
    "another case": member(NAME.upper()),
    "backslashes": member(f"..\\{NAME}"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_members_that_are_never_taken(tmp_path, kind):
    """What is no plain file inside the archive is left out, and the good members still come."""
    archive = tar_of(HOSTILE[kind], member(OTHER))
    found, failure = take(archive, tmp_path)
    assert failure is None
    assert [taken.name for taken in found] == [OTHER]
    assert files_below(tmp_path) == {"out/1.mp4"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"S"])
def test_links_and_devices_that_state_a_size(tmp_path, kind):
    """A link, device or sparse file whose header states a size is no file either."""
    info = tarfile.TarInfo(NAME)
    info.type, info.size, info.linkname = kind, 1024, OTHER
    content = bytes(1024) if kind == b"S" else b""
    archive = info.tobuf(tarfile.GNU_FORMAT) + content + tar_of(member(OTHER), packed=False)
    found, failure = take(archive, tmp_path)
    assert failure is None
    assert [taken.name for taken in found] == [OTHER]


def test_a_member_over_the_limit_is_left_out(tmp_path):
    """A wanted member that is too large costs itself alone."""
    limits = ArchiveLimits(max_member_bytes=1000)
    found, failure = take(tar_of(member(NAME), member(OTHER, b"x" * 1000)), tmp_path, limits)
    assert failure is None
    assert [taken.name for taken in found] == [OTHER]


def test_bombs_are_given_up(tmp_path):
    """An archive that unpacks to more than the limit ends there, without filling the memory."""
    bomb = tar_of(member(NAME), member("zeros.mp4", bytes(30_000_000)), member(OTHER))
    assert len(bomb) < 50_000
    tracemalloc.start()
    found, failure = take(bomb, tmp_path, ArchiveLimits(max_total_bytes=10_000_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert failure.outcome.name == "too_large"
    assert [taken.name for taken in found] == [NAME]
    assert peak < 8_000_000


def test_too_many_members_are_given_up(tmp_path):
    """An archive of very many members ends at the limit."""
    archive = tar_of(*(member(f"{i}", b"") for i in range(50)), member(NAME))
    found, failure = take(archive, tmp_path, ArchiveLimits(max_members=20))
    assert (found, failure.outcome.name) == ([], "too_large")


def test_a_huge_header_is_not_read(tmp_path):
    """An extended header that states gigabytes is refused before it is read into memory."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 8_000_000_000
    archive = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(100_000))
    found, failure = take(archive, tmp_path)
    assert (found, failure.outcome.name) == ([], "too_large")


def test_headers_of_headers_of_headers(tmp_path):
    """Thousands of extended headers in a row end in an outcome, not in a traceback."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    archive = gzip.compress(info.tobuf() * 5000)
    found, failure = take(archive, tmp_path)
    assert found == []
    assert failure.outcome.name in {"not_media", "truncated"}


@pytest.mark.parametrize("packed", [True, False])
def test_truncated_archives_keep_what_was_whole(tmp_path, packed):
    """Wherever an archive breaks off, whole members stay, and no part of one."""
    first, second = member(NAME, os.urandom(3000)), member(OTHER, os.urandom(3000))
    archive = tar_of(first, second, member("other.mp4", os.urandom(3000)), packed=packed)
    counts = set()
    for i, size in enumerate(range(700, 9000, 173)):
        folder = tmp_path / str(i)
        found, failure = take(archive[:size], folder)
        assert all(t.path.read_bytes() in {first[1], second[1]} for t in found)
        assert files_below(folder) == {f"out/{j}.mp4" for j in range(len(found))}
        assert len(found) == 2 or failure.outcome.name == "truncated", size
        counts.add(len(found))
    assert counts == {0, 1, 2}


def test_an_end_between_two_members_is_noticed(tmp_path):
    """A plain archive that breaks off exactly between two members is not taken for a whole one."""
    found, failure = take(tar_of(member(NAME, b"x" * 512), packed=False)[:1024], tmp_path)
    assert [taken.name for taken in found] == [NAME]
    assert failure.outcome.name == "truncated"


def test_flipped_bits_are_noticed(tmp_path):
    """Damage inside gzip ends the archive; what came before it stays."""
    archive = bytearray(tar_of(member(NAME, os.urandom(50_000)), member(OTHER, os.urandom(50_000))))
    archive[80_000] ^= 255
    found, failure = take(bytes(archive), tmp_path)
    assert [taken.name for taken in found] in ([NAME], [NAME, OTHER])
    assert failure is None or failure.outcome.name == "truncated"
    assert len(found) == 2 or failure is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>" * 20, b"\0" * 7, b"x"],
)
def test_what_is_no_archive(tmp_path, content):
    """An error page, or nothing at all, is no archive."""
    found, failure = take(content, tmp_path)
    assert (found, failure.outcome.name) == ([], "not_media")


@given(st.binary(max_size=3000))
def test_any_bytes_end_in_an_outcome(tmp_path_factory, content):
    """Whatever bytes come, nothing is raised but an outcome, and nothing is written."""
    folder = tmp_path_factory.mktemp("any")
    for packed in (content, b"\x1f\x8b\x08" + content, gzip.compress(content)):
        found, _ = take(packed, folder)
        assert found == []
    assert files_below(folder) == set()


@given(st.integers(0, 4000), st.binary(min_size=1, max_size=40))
def test_any_damage_to_an_archive_ends_in_an_outcome(tmp_path_factory, at, damage):
    """Whatever bytes of a plain archive are changed, files are whole or not there."""
    folder = tmp_path_factory.mktemp("damaged")
    archive = tar_of(member(NAME, b"a" * 700), member(OTHER, b"b" * 700), packed=False)
    found, _ = take(archive[:at] + damage + archive[at + len(damage) :], folder)
    assert files_below(folder) == {str(t.path.relative_to(folder)) for t in found}
    assert all(t.path.stat().st_size == 700 for t in found)


def test_a_failing_stream_is_the_networks_fault(tmp_path):
    """A connection that breaks while a member is written is not taken for a full disk."""
    archive = tar_of(member(NAME, os.urandom(50_000)))

    class Broken(Stream):
        def read(self, size: int = -1, /) -> bytes:
            if self.read_bytes > 20_000:
                raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
            return super().read(size)

    with pytest.raises(FetchFailure, match="Connection reset by peer") as caught:
        list(take_members(Broken(archive), {NAME: tmp_path / "a.mp4"}, LIMITS))
    assert caught.value.outcome.name == "network"
    assert files_below(tmp_path) == set()


def test_an_outcome_of_the_stream_passes_through(tmp_path):
    """What the client raises while it reads stays what it is."""

    class Limited(Stream):
        def read(self, _size: int = -1, /) -> bytes:
            raise FetchFailure("rate_limit", "slow down")

    with pytest.raises(FetchFailure) as caught:
        list(take_members(Limited(b""), {NAME: tmp_path / "a.mp4"}, LIMITS))
    assert caught.value.outcome.name == "rate_limit"


def test_a_file_that_cannot_be_written_stops_everything(tmp_path):
    """If a clip cannot be written the outcome is the disk's, which stops all fetching."""
    (tmp_path / "out").write_bytes(b"a file where the folder should be")
    found, failure = take(tar_of(member(NAME)), tmp_path)
    assert (found, failure.outcome.stops) == ([], "all")
