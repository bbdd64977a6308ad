"""YouTube-8M: videos by tags of a knowledge graph, through its two published kinds of lookup files.

``j/v/02_58j.js`` holds the data set's own ids of a tag, ``p("02_58j",["nXSc","8aTk"]);``, and
``j/i/nX/nXSc.js`` the id of a video on YouTube, ``i("nXSc","0sf943sWZls");``. An id is looked up
when it was chosen, not before: a tag has up to a million. Lists of tags, one a line, which may be
followed by a tab and a class, and lists of YouTube's ids are read too.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from reelabel.errors import FormatError, nearest
from reelabel.labels.tagging import plain_name
from reelabel.sources.manifests.entries import Entry, decoded, youtube_id, youtube_page
from reelabel.sources.manifests.reading import Classes, Reading
from reelabel.sources.manifests.texts import open_text

KNOWN_TAGS = {
    "Bedroom": "02_58j",
    "Bathroom": "01j2bj",
    "Classroom": "04hyxm",
    "Office": "021sj1",
    "Landscape": "025s3q0",
    "Skyscraper": "079cl",
    "Mountain": "09d_r",
    "Beach": "0b3yr",
}
"""Tags that are found by name without the vocabulary."""

_GRAPH_ID = re.compile(r"(?:/m/)?(0[0-9a-z_]{2,12})")
_IDS_FILE = re.compile(r"(?:.*[_-])?(0[0-9a-z_]{2,12})_ids")
_TAG_FILE = re.compile(r'\s*p\("[^"]*",\s*(\[[^\]]*\])\s*\)\s*;?\s*')
_ID_FILE = re.compile(r'\s*i\("([^"]*)",\s*"([^"]*)"\)\s*;?\s*')
_OWN_ID = re.compile(r"[A-Za-z0-9_-]{4}")
_VIDEO = re.compile(r"[A-Za-z0-9_-]{11}")


def read(reading: Reading) -> Iterator[Entry]:
    """Yield the videos of tags, under the data set's own ids; or those of a list of YouTube's ids.

    Raises:
        FormatError: if a tag is unknown, or its lookup file is missing or damaged.
    """
    tags = _Tags(reading)
    if reading.manifest.file and tags.lists_videos:
        yield from _read_ids(reading, tags)
        return
    found: dict[str, set[str]] = {}
    for graph_id, classes in tags.asked():
        for own_id in _ids_of_tag(reading, graph_id):
            found.setdefault(own_id, set()).update(classes)
    for own_id, several in found.items():
        yield Entry(own_id, "", page=True, labels=tuple(sorted(several)))


def resolved(reading: Reading, entry: Entry) -> Entry:
    """Return an entry with the video's id on YouTube looked up.

    Raises:
        FormatError: if there is none: many videos were taken out of the data set.
    """
    if entry.url:
        return entry
    own_id = entry.native_id
    name = f"j/i/{own_id[:2]}/{own_id}.js"
    found = _ID_FILE.fullmatch(_text(reading, name))
    if found is None or found[1] != own_id:
        raise FormatError(f"{name}: expected the id of a video, but got something else")
    native_id = youtube_id(found[2])
    return entry._replace(native_id=native_id, url=youtube_page(native_id))


def _ids_of_tag(reading: Reading, graph_id: str) -> Iterator[str]:
    """Yield the data set's ids of the videos of a tag."""
    name, tally = f"j/v/{graph_id}.js", reading.tally
    found = _TAG_FILE.fullmatch(_text(reading, name))
    if found is None:
        raise FormatError(f"{name}: expected the ids of a tag's videos, but got something else")
    try:
        ids = json.loads(found[1])
    except ValueError as exc:
        raise FormatError(f"{name}: expected a list of ids, but {exc}") from exc
    for number, own_id in enumerate(ids):
        tally.rows += 1
        if isinstance(own_id, str) and _OWN_ID.fullmatch(own_id):
            yield own_id
        else:
            tally.refuse(f"{name}[{number}]", f"expected 4 letters, but got {str(own_id)[:40]!r}")


def _text(reading: Reading, name: str) -> str:
    return reading.lookup(name).decode("utf-8", "replace")


@dataclass
class _Tags:
    """The tags that are asked for, by their ids in the knowledge graph."""

    reading: Reading

    @cached_property
    def lines(self) -> list[str]:
        """Return the first lines of the file: a list of tags is short."""
        with open_text(self.reading.path) as file:
            lines = (line.strip() for line, _ in zip(file, range(10_000), strict=False))
            return [line for line in lines if line and not line.startswith("#")]

    @property
    def lists_videos(self) -> bool:
        """Return whether the file lists videos rather than tags."""
        first = self.lines[0] if self.lines else ""
        return _VIDEO.fullmatch(first) is not None and plain_name(first) not in self._by_name

    @cached_property
    def _by_name(self) -> Mapping[str, tuple[str, str]]:
        """Return name and graph id of each tag by its plain name."""
        known = KNOWN_TAGS | self._vocabulary()
        return {plain_name(name): (name, graph_id) for name, graph_id in known.items()}

    def _vocabulary(self) -> dict[str, str]:
        named = self.reading.manifest.label_file
        if not named:
            return {}
        path = self.reading.root / named
        with open_text(path) as file:
            rows = csv.DictReader(file)
            if not {"KnowledgeGraphId", "Name"} <= set(rows.fieldnames or ()):
                raise FormatError(f"{path}: expected the columns KnowledgeGraphId and Name")
            found = [(row["Name"], row["KnowledgeGraphId"]) for row in rows]
        return {decoded(n): i.removeprefix("/m/") for n, i in found if n and i}

    def name_of(self, graph_id: str) -> str:
        """Return the name of a tag, its id where it has none."""
        names = (name for name, known in self._by_name.values() if known == graph_id)
        return next(names, graph_id)

    def asked(self) -> Iterator[tuple[str, Classes]]:
        """Yield the graph id and the classes of each tag that is taken."""
        own = self.reading.rules.names.own
        for tag, named in self._listed():
            graph_id = self._graph_id(tag)
            found = (own(named) or named,) if named else self._classes(graph_id)
            if found:
                yield graph_id, found

    def _classes(self, graph_id: str) -> Classes:
        spellings = dict.fromkeys([self.name_of(graph_id), graph_id, f"/m/{graph_id}"])
        return self.reading.rules.of(*spellings)

    def _listed(self) -> Iterator[tuple[str, str]]:
        """Yield each tag of the file or the settings, with its class if it states one."""
        manifest = self.reading.manifest
        if manifest.file:
            for line in self.lines:
                tag, _, named = decoded(line).partition("\t")
                yield tag.strip(), named.strip()
            return
        for tag in dict.fromkeys([*manifest.classes, *manifest.label]):
            if set(tag) & set("*?["):
                yield from ((name, "") for name, _ in self._by_name.values())
            else:
                yield tag, ""

    def _graph_id(self, tag: str) -> str:
        if known := self._by_name.get(plain_name(tag)):
            return known[1]
        if found := _GRAPH_ID.fullmatch(tag):
            return found[1]
        names = [name for name, _ in self._by_name.values()]
        raise FormatError(
            f"'{tag}' is no known tag of YouTube-8M{nearest(tag, names)}; give its graph id such "
            "as /m/02_58j, or vocabulary.csv as 'label_file'"
        )


def _read_ids(reading: Reading, tags: _Tags) -> Iterator[Entry]:
    """Yield the videos of a list of YouTube's ids; its name may hold the graph id of their tag."""
    named = _IDS_FILE.fullmatch(reading.path.name.partition(".")[0])
    if named:
        spellings = dict.fromkeys([tags.name_of(named[1]), named[1], f"/m/{named[1]}"])
        classes: Classes | None = reading.rules.of(*spellings) or None
    else:
        classes = reading.classes_of([])
    with open_text(reading.path) as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            reading.tally.rows += 1
            yield from reading.take(f"line {number}", partial(_of_id, line.strip(), classes))


def _of_id(text: str, classes: Classes | None) -> Entry | None:
    if classes is None:
        return None
    native_id = youtube_id(text)
    return Entry(native_id, youtube_page(native_id), page=True, labels=classes)
