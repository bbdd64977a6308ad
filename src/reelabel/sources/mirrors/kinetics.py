"""Public mirrors of Kinetics: archives of clips that are cut already, so no site is asked for them.

The Common Visual Data Foundation keeps them (https://github.com/cvdfoundation/kinetics-dataset): a
list of addresses per version and split, each of a tar.gz of some gigabytes. Its clips are named
``ID_START_END.mp4``, with seconds of six digits. Kinetics-400 and -700 come in numbered archives,
so any of them may hold a clip; those of Kinetics-600 are named after the class that they hold.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit

from reelabel.errors import FormatError, UsageError, few, nearest
from reelabel.sources.mirrors.archives import ArchiveLimits, Readable, Taken, take_members
from reelabel.sources.mirrors.settings import BASE_URL, FOLDERS, MirrorSettings, version_of
from reelabel.sources.web.outcomes import FetchFailure

_SPLITS = {
    "train": "train",
    "training": "train",
    "val": "val",
    "validate": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
_ARCHIVE = re.compile(r"\.(tar\.gz|tgz|tar)$", re.IGNORECASE)
_WEB = re.compile(r"https?://[\w.-]+(:\d+)?/", re.IGNORECASE)
_NUMBERED = re.compile(r"part_?\d+|k\d00_.*_\d+|replacement_.*", re.IGNORECASE)
_MOST_ARCHIVES = 10_000


@dataclass(frozen=True)
class MirrorWant:
    """A clip that is looked for in a mirror.

    Attributes:
        native_id: of the video, such as a YouTube id.
        start_s: of the clip, as the manifest states it.
        end_s: the same.
        path: the file that it becomes.
        label: the manifest's own class, empty if it is not known; it narrows down the archives.
    """

    native_id: str
    start_s: float
    end_s: float
    path: Path
    label: str = ""

    @property
    def member(self) -> str:
        """Return the clip's name in the archives."""
        return member_name(self.native_id, self.start_s, self.end_s)


@dataclass(frozen=True)
class PlannedArchive:
    """An archive that is still to be read.

    Attributes:
        url: of the archive.
        wanted: members that it may hold -> files that they become.
    """

    url: str
    wanted: Mapping[str, Path]


class ArchiveBytes(Readable, Protocol):
    """The bytes of an archive that can be closed."""

    def close(self) -> None:
        """End reading."""


@dataclass(frozen=True)
class ArchiveRead:
    """How reading an archive ended.

    Attributes:
        url: of the archive.
        failure: what broke it off, None if nothing did.
    """

    url: str
    failure: FetchFailure | None = None


def member_name(native_id: str, start_s: float, end_s: float) -> str:
    """Return the name of a clip in the archives.

    >>> member_name("-3B32lodo2M", 59, 69.0)
    '-3B32lodo2M_000059_000069.mp4'
    """
    return f"{native_id}_{round(start_s):06d}_{round(end_s):06d}.mp4"


def list_url(dataset: str, split: str, settings: MirrorSettings) -> str:
    """Return the address of the list of archives.

    Args:
        dataset: a version in any spelling, such as ``kinetics-400``, ``k600`` or ``700-2020``.
        split: train, val or test; ``validate`` and the like are known too.
        settings: where the mirror is.

    Raises:
        UsageError: for another data set or split.
    """
    folder, short = FOLDERS[version_of(dataset)]
    side = _side(split)
    return f"{_base(settings)}/{folder}/{side}/{short}_{side}_path.txt"


def replacement_urls(dataset: str, split: str, settings: MirrorSettings) -> tuple[str, ...]:
    """Return archives of clips that replace damaged ones, to be read before all others.

    About 1,400 clips of Kinetics-400 train are damaged in the numbered archives.

    Raises:
        UsageError: for another data set or split.
    """
    if (version_of(dataset), _side(split)) != ("400", "train"):
        return ()
    return (f"{_base(settings)}/400/replacement_for_corrupted_k400.tgz",)


def has_split(split: str) -> bool:
    """Return whether mirrors have a split of that name."""
    return split.lower() in _SPLITS


def _side(split: str) -> str:
    """Return the mirror's name of a split."""
    if split.lower() not in _SPLITS:
        raise UsageError(
            f"expected the split train, val or test, but got {split!r}{nearest(split, _SPLITS)}"
        )
    return _SPLITS[split.lower()]


def _base(settings: MirrorSettings) -> str:
    return settings.base_url.rstrip("/")


def read_list(text: str, settings: MirrorSettings) -> tuple[str, ...]:
    """Return the addresses of the archives that a list names, each once.

    Addresses below the public mirror are moved below the base address of the settings. Blanks in
    names are escaped.

    Raises:
        FormatError: if a line is no address of an archive, such as those of an error page.
    """
    lines = [line.strip() for line in text.split("\n")]
    urls = dict.fromkeys(_address(line, settings) for line in lines if line)
    if not 0 < len(urls) <= _MOST_ARCHIVES:
        raise FormatError(
            f"expected a list of 1 to {_MOST_ARCHIVES} archives, but it names {len(urls)}: "
            f"check the setting of the mirror's base address"
        )
    return tuple(urls)


def _address(line: str, settings: MirrorSettings) -> str:
    """Return the address that a line holds."""
    url = quote(line[:2000], safe="%/:?=&+()~@!,;'$*-._")
    if not (_WEB.match(url) and _ARCHIVE.search(url)):
        raise FormatError(
            f"expected lines with addresses of tar.gz archives, but got {line[:80]!r}: "
            "check the setting of the mirror's base address"
        )
    return _base(settings) + url[len(BASE_URL) :] if url.startswith(f"{BASE_URL}/") else url


def plan_archives(
    wants: Collection[MirrorWant],
    urls: Iterable[str],
    *,
    there: Collection[str] = (),
    read: Collection[str] = (),
) -> tuple[PlannedArchive, ...]:
    """Return the archives that may hold wanted clips, in order, each with the clips in question.

    An archive that is named after a class holds that class alone. Numbered ones may hold anything,
    and a clip whose class no archive is named after may be in any.

    Args:
        wants: all clips that are looked for.
        urls: archives of the list, those of replacements first.
        there: members that are fetched already.
        read: archives that were read to their end for the same wants (`wants_key`).
    """
    todo = [want for want in wants if want.member not in there]
    archives = {url: _class_of(url) for url in urls}
    classes = set(archives.values()) - {""}
    # Numbered archives share one of these: there are hundreds, and 10**5 clips.
    wanted = {
        name: {w.member: w.path for w in todo if _may_hold(name, w, classes)}
        for name in set(archives.values())
    }
    return tuple(
        PlannedArchive(url, wanted[name])
        for url, name in archives.items()
        if wanted[name] and url not in read
    )


def _class_of(url: str) -> str:
    """Return the class that an archive is named after, in small letters; empty if it is numbered.

    >>> _class_of("https://x/600/val/mountain%20climber%20(exercise).tar.gz")
    'mountain climber (exercise)'
    >>> _class_of("https://x/700_2020/train/k700_train_001.tar.gz")
    ''
    """
    stem = _ARCHIVE.sub("", unquote(urlsplit(url).path.rpartition("/")[2]))
    return "" if _NUMBERED.fullmatch(stem) else _folded(stem)


def _folded(label: str) -> str:
    return " ".join(re.sub(r"[_+]", " ", label).casefold().split())


def _may_hold(name: str, want: MirrorWant, classes: Collection[str]) -> bool:
    label = _folded(want.label)
    return not name or label not in classes or label == name


def wants_key(wants: Iterable[MirrorWant]) -> str:
    """Return what stays the same while the same clips are wanted.

    An archive that was read to its end need not be read again for these wants; other wants may
    well be in it.
    """
    return hashlib.sha256("\n".join(sorted(w.member for w in wants)).encode()).hexdigest()[:16]


def fetch_members(
    plan: Iterable[PlannedArchive],
    open_archive: Callable[[str], ArchiveBytes],
    limits: ArchiveLimits,
) -> Generator[Taken | ArchiveRead, None, None]:
    """Yield each clip that was written, and after each archive how reading it ended.

    Archives of which nothing is missing any more are not opened. A failure costs the rest of its
    archive, unless it stops the host or everything.

    Args:
        plan: of `plan_archives`.
        open_archive: returns the bytes of an archive, which are closed here; may raise
            `FetchFailure`.
        limits: for each archive.

    Raises:
        FetchFailure: with an outcome that stops more than one archive, such as a full disk.
    """
    there: set[str] = set()
    for archive in plan:
        wanted = {name: path for name, path in archive.wanted.items() if name not in there}
        if wanted:
            missing = PlannedArchive(archive.url, wanted)
            for event in _read_archive(missing, open_archive, limits):
                there |= {event.name} if isinstance(event, Taken) else set()
                yield event


def _read_archive(
    archive: PlannedArchive, open_archive: Callable[[str], ArchiveBytes], limits: ArchiveLimits
) -> Generator[Taken | ArchiveRead, None, None]:
    """Yield the clips of one archive, then how reading it ended."""
    failure = None
    try:
        with closing(open_archive(archive.url)) as stream:
            yield from take_members(stream, archive.wanted, limits)
    except FetchFailure as exc:
        if exc.outcome.stops != "video":
            raise
        failure = exc
    yield ArchiveRead(archive.url, failure)


def overlap_warning(used: Collection[tuple[str, str]]) -> str:
    """Return what is wrong with using these splits of several versions at once, or an empty string.

    The versions share videos across their splits: most of Kinetics-400 val lies in Kinetics-700
    train, so a score on it would be one of videos that were trained on.

    Args:
        used: pairs of data set and split.

    Raises:
        UsageError: for another data set or split.
    """
    sides = {(version_of(dataset), _side(split)) for dataset, split in used}
    trained = sorted(version for version, side in sides if side == "train")
    pairs = [
        f"Kinetics-{version} {side} and Kinetics-{other} train"
        for version, side in sorted(sides)
        for other in trained
        if side != "train" and other != version
    ]
    if not pairs:
        return ""
    return (
        f"{few(pairs)} share videos (most of Kinetics-400 val is part of Kinetics-700 train): "
        "use splits of one version, or keep split.same_source on"
    )
