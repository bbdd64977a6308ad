"""Mirrors of Kinetics: lists of archives, which of them are read, and what is found in them."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from reelabel.errors import FormatError, UsageError
from reelabel.sources.mirrors.archives import ArchiveLimits, Taken
from reelabel.sources.mirrors.kinetics import (
    ArchiveRead,
    MirrorWant,
    fetch_members,
    list_url,
    member_name,
    overlap_warning,
    plan_archives,
    read_list,
    replacement_urls,
    wants_key,
)
from reelabel.sources.mirrors.settings import BASE_URL, MirrorSettings, version_of
from reelabel.sources.web.outcomes import FetchFailure

PUBLIC = MirrorSettings()
OWN = MirrorSettings(base_url="http://127.0.0.1:8000/copy/")
URLS = tuple(f"{BASE_URL}/400/val/part_{i}.tar.gz" for i in range(3))


def want(native_id: str, folder: Path = Path(), label: str = "") -> MirrorWant:
    """Return a wanted clip of the seconds 3 to 13."""
    return MirrorWant(native_id, 3, 13, folder / f"{native_id}.mp4", label)


def archive_of(**members) -> bytes:
    """Return a tar.gz with clips by the ids of their videos."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for native_id, content in members.items():
            info = tarfile.TarInfo(f"./{member_name(native_id, 3, 13)}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class Mirror:
    """Archives by address, with the order in which they are opened."""

    def __init__(self, archives):
        self.archives, self.opened, self.streams = archives, [], []

    def __call__(self, url: str):
        """Return an archive, or raise what stands for it."""
        self.opened.append(url)
        if isinstance(self.archives[url], FetchFailure):
            raise self.archives[url]
        self.streams.append(io.BytesIO(self.archives[url]))
        return self.streams[-1]


def fetched(wants, mirror, urls=URLS, **plan):
    """Return the ids that are taken, and how reading each archive ended."""
    events = list(fetch_members(plan_archives(wants, urls, **plan), mirror, ArchiveLimits()))
    ids = [event.path.stem for event in events if isinstance(event, Taken)]
    return ids, [event for event in events if isinstance(event, ArchiveRead)]


@pytest.mark.parametrize(
    ("dataset", "split", "path"),
    [
        ("kinetics-400", "train", "400/train/k400_train_path.txt"),
        ("k600", "validate", "600/val/k600_val_path.txt"),
        ("kinetics-700", "test", "700_2020/test/k700_2020_test_path.txt"),
        ("700-2020", "val", "700_2020/val/k700_2020_val_path.txt"),
    ],
)
def test_addresses_of_lists(dataset, split, path):
    """The lists of all versions and splits lie below the base address of the settings."""
    assert list_url(dataset, split, PUBLIC) == f"https://s3.amazonaws.com/kinetics/{path}"
    assert list_url(dataset, split, OWN) == f"http://127.0.0.1:8000/copy/{path}"


def test_unknown_versions_and_splits_are_refused():
    """Another data set or split is refused, with those that are known."""
    for name in ("kinetics-500", "ucf101", "", "4000"):
        with pytest.raises(UsageError, match=r"expected one of kinetics-400, kinetics-600"):
            version_of(name)
    with pytest.raises(UsageError, match=r"train, val or test, but got 'trian' .did you mean"):
        list_url("k400", "trian", PUBLIC)


def test_damaged_clips_have_an_archive_of_their_own():
    """Replacements exist for the training clips of Kinetics-400 alone."""
    (url,) = replacement_urls("kinetics-400", "train", OWN)
    assert url == "http://127.0.0.1:8000/copy/400/replacement_for_corrupted_k400.tgz"
    assert replacement_urls("kinetics-400", "val", PUBLIC) == ()
    assert replacement_urls("kinetics-700", "train", PUBLIC) == ()


def test_lists_are_read():
    """Each line is an archive; blanks are escaped, repeats and empty lines are left out."""
    text = (
        f"{BASE_URL}/600/val/mountain climber (exercise).tar.gz\r\n\n"
        f"{BASE_URL}/600/val/pull%20ups.tar.gz\n{BASE_URL}/600/val/pull%20ups.tar.gz\n"
        "https://elsewhere.example/a.tgz"
    )
    assert read_list(text, PUBLIC) == (
        f"{BASE_URL}/600/val/mountain%20climber%20(exercise).tar.gz",
        f"{BASE_URL}/600/val/pull%20ups.tar.gz",
        "https://elsewhere.example/a.tgz",
    )


def test_lists_are_moved_to_a_copy_of_the_mirror():
    """With another base address the archives of the public list are looked for there."""
    (url,) = read_list(f"{BASE_URL}/400/val/part_0.tar.gz", OWN)
    assert url == "http://127.0.0.1:8000/copy/400/val/part_0.tar.gz"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "file:///etc/passwd.tar.gz",
        f"{BASE_URL}/400/val/part_0.zip",
        "https://[/a.tar.gz",
        "\n".join(f"https://a.example/{i}.tar" for i in range(10_001)),
    ],
)
def test_what_is_no_list_is_refused(text):
    """An error page, other schemes, other files and endless lists are no list of archives."""
    with pytest.raises(FormatError, match="base address"):
        read_list(text, PUBLIC)


def test_numbered_archives_may_hold_anything(tmp_path):
    """Every numbered archive is planned with all clips that are missing."""
    wants = [want("a", tmp_path), want("b", tmp_path)]
    plan = plan_archives(wants, URLS, there=[member_name("a", 3, 13)])
    assert [archive.url for archive in plan] == list(URLS)
    assert all(dict(p.wanted) == {member_name("b", 3, 13): tmp_path / "b.mp4"} for p in plan)


def test_archives_of_classes_hold_their_class():
    """An archive that is named after a class is planned for clips of that class alone."""
    urls = [f"{BASE_URL}/600/val/{name}.tar.gz" for name in ("pull%20ups", "salsa_dancing", "yoga")]
    wants = [want("a", label="Pull ups"), want("b", label="salsa dancing")]
    plan = {p.url: set(p.wanted) for p in plan_archives(wants, urls)}
    assert plan == {urls[0]: {wants[0].member}, urls[1]: {wants[1].member}}
    anywhere = plan_archives([want("c"), want("d", label="no archive's name")], urls)
    assert [len(p.wanted) for p in anywhere] == [2, 2, 2]


def test_nothing_is_planned_when_all_is_there():
    """Without missing clips no archive is planned."""
    wants = [want("a")]
    assert plan_archives(wants, URLS, there=[wants[0].member]) == ()
    assert plan_archives([], URLS) == ()


def test_the_key_belongs_to_the_wanted_clips():
    """The key is the same in any order, and another one when something else is wanted."""
    wants = [want("a"), want("b")]
    assert wants_key(wants) == wants_key(wants[::-1])
    assert wants_key(wants) != wants_key([*wants, want("c")])


def test_clips_of_several_archives(data_dir, tmp_path):
    """Real clips of two archives are found; the third is not opened, as nothing is missing."""
    clip = (data_dir / "videos" / "awkward" / "carphone_qcif_lowbitrate.mp4").read_bytes()
    mirror = Mirror({
        URLS[0]: archive_of(a=clip, x=b"x"),
        URLS[1]: archive_of(y=b"y", b=clip[:500], z=b"z"),
        URLS[2]: b"never opened",
    })
    ids, ends = fetched([want("a", tmp_path), want("b", tmp_path)], mirror)
    assert ids == ["a", "b"]
    assert mirror.opened == [*URLS[:2]]
    assert (tmp_path / "a.mp4").read_bytes() == clip
    assert [end.url for end in ends] == [*URLS[:2]]
    assert all(stream.closed for stream in mirror.streams)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "b.mp4"]


def test_archives_that_were_read_are_not_read_again(tmp_path):
    """After a stop, archives that were read to their end are skipped, and clips that are there."""
    mirror = Mirror({url: archive_of(a=b"1", c=b"2") for url in URLS})
    wants = [want(name, tmp_path) for name in "abc"]
    ids, _ = fetched(wants, mirror, there=[wants[0].member], read=[URLS[0]])
    assert (ids, mirror.opened) == (["c"], [*URLS[1:]])


def test_replacements_come_before_what_they_replace(tmp_path):
    """A clip of the archive of replacements is not taken from a numbered one again."""
    urls = [*replacement_urls("k400", "train", PUBLIC), URLS[0]]
    mirror = Mirror({urls[0]: archive_of(a=b"good"), urls[1]: archive_of(a=b"bad", b=b"b")})
    ids, _ = fetched([want("a", tmp_path), want("b", tmp_path)], mirror, urls)
    assert ids == ["a", "b"]
    assert (tmp_path / "a.mp4").read_bytes() == b"good"


def test_a_failure_costs_one_archive(tmp_path):
    """An archive that is gone or breaks off does not stop the others, and is not called read."""
    broken = gzip.compress(gzip.decompress(archive_of(a=b"1", b=b"2"))[:1024])
    mirror = Mirror({
        URLS[0]: FetchFailure("removed", "404"),
        URLS[1]: broken,
        URLS[2]: archive_of(b=b"2"),
    })
    ids, ends = fetched([want("a", tmp_path), want("b", tmp_path)], mirror)
    assert ids == ["a", "b"]
    outcomes = [end.failure and end.failure.outcome.name for end in ends]
    assert outcomes == ["removed", "truncated", None]


@pytest.mark.parametrize("outcome", ["disk", "bot_check"])
def test_what_stops_the_host_stops_the_mirror(tmp_path, outcome):
    """After an outcome that stops the host, or everything, no further archive is opened."""
    mirror = Mirror({url: FetchFailure(outcome, "stop") for url in URLS})
    with pytest.raises(FetchFailure, match="stop"):
        fetched([want("a", tmp_path)], mirror)
    assert mirror.opened == [URLS[0]]


def test_splits_that_share_videos_are_warned_of():
    """Validation clips of one version beside training clips of another are named."""
    used = [("kinetics-400", "val"), ("kinetics-700-2020", "train")]
    assert "Kinetics-400 val and Kinetics-700 train" in overlap_warning(used)
    assert overlap_warning([("k400", "val"), ("k400", "train")]) == ""
    assert overlap_warning([("k400", "val"), ("k700", "val")]) == ""
    assert overlap_warning([("k700", "train"), ("k400", "train")]) == ""
    assert overlap_warning([]) == ""
