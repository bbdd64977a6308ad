"""From a manifest to what is wanted of it: read, filter, rank, choose; nothing is fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from reelabel.config import Project
from reelabel.errors import FormatError, counted, few
from reelabel.labels.tagging import ClassNames
from reelabel.sources.manifests import kinetics, sports1m, urls, youtube8m
from reelabel.sources.manifests.choosing import (
    Candidates,
    Chosen,
    Filters,
    choose,
    estimated,
    without_conflicts,
)
from reelabel.sources.manifests.entries import Entry, Tally
from reelabel.sources.manifests.label_rules import LabelRules
from reelabel.sources.manifests.lookups import Lookups
from reelabel.sources.manifests.reading import Reading
from reelabel.sources.manifests.settings import Kind, Manifest
from reelabel.tables import WANTS

READERS: Mapping[Kind, Callable[[Reading], Iterator[Entry]]] = {
    "sports1m": sports1m.read,
    "kinetics": kinetics.read,
    "youtube8m": youtube8m.read,
    "urls": urls.read,
}
"""What reads a kind of manifest."""
MANY = 1_000
"""More labels than this are no classes of a workspace."""


@dataclass(frozen=True)
class ClassPlan:
    """What is wanted of one class.

    Attributes:
        chosen: number of videos or spans that are fetched.
        spare: number of those that may replace them.
        hours: of what is chosen, assumed where the manifest states no length.
        size_bytes: the same.
    """

    chosen: int = 0
    spare: int = 0
    hours: float = 0.0
    size_bytes: float = 0.0


@dataclass(frozen=True)
class Plan:
    """What is wanted of one manifest.

    Attributes:
        source: its short name.
        manifest: its settings.
        wants: by rank.
        tally: what became of its rows.
        unused: labels that were asked for and are not there.
    """

    source: str
    manifest: Manifest
    wants: list[Chosen]
    tally: Tally
    unused: list[str]

    def table(self) -> pa.Table:
        """Return the rows of the table `wants`."""
        return WANTS.from_rows([
            {
                "source": self.source,
                "want_id": want.want_id,
                **{name: getattr(want.entry, name) for name in _COPIED},
                "labels": list(want.entry.labels),
                "rank": want.rank,
                "chosen": not want.why_not,
                "why_not": want.why_not,
            }
            for want in self.wants
        ])

    def total(self) -> ClassPlan:
        """Return the sums, each want counted once."""
        found = ClassPlan()
        for want in self.wants:
            found = self._with(found, want)
        return found

    def by_class(self) -> dict[str, ClassPlan]:
        """Return what is wanted of each class, sorted by name; without classes under ''."""
        found: dict[str, ClassPlan] = {}
        for want in self.wants:
            for label in want.entry.labels or ("",):
                found[label] = self._with(found.get(label, ClassPlan()), want)
        return dict(sorted(found.items()))

    def sentences(self) -> list[str]:
        """Return a sentence for each kind of what was left out."""
        found = list(self.tally.sentences())
        if self.unused:
            found.append(f"labels that are not in the manifest: {few(self.unused)}")
        return found

    def _with(self, one: ClassPlan, want: Chosen) -> ClassPlan:
        if want.why_not:
            return replace(one, spare=one.spare + 1)
        length_s, size = estimated(want.entry, self.manifest)
        return ClassPlan(
            one.chosen + 1, one.spare, one.hours + length_s / 3600, one.size_bytes + size
        )


_COPIED = (
    *("native_id", "url", "page", "start_s", "end_s"),
    *("split", "licence", "uploader", "title", "native_label"),
)
"""Columns that are attributes of an entry."""


def plan(
    source: str,
    manifest: Manifest,
    project: Project,
    root: Path,
    *,
    exclusive: bool = False,
    resolve: bool = True,
    lookups: Lookups | None = None,
    tick: Callable[[float, str], None] = lambda *_: None,
) -> Plan:
    """Return what is wanted of a manifest: the same for the same rows in any order.

    Args:
        source: its short name.
        manifest: its settings.
        project: names the classes, and holds the seed.
        root: what relative paths start from.
        exclusive: leave out videos that are under several classes of the workspace.
        resolve: look up the ids of YouTube-8M that were chosen.
        lookups: reads its lookup files; None: with the default settings of fetching.
        tick: is called with the share that is done, in 0..1, and a few words.

    Raises:
        FormatError: if the manifest is damaged as a whole, or nothing of it is taken.
        UsageError: if lookup files cannot be had.
        WorkspaceError: if it cannot be read.
    """
    rules = LabelRules(class_names(project), manifest.classes, manifest.label)
    reading = reading_of(manifest, root, rules, lookups or Lookups(root))
    candidates, filters = Candidates(manifest, project.seed), Filters(manifest)
    for number, entry in enumerate(READERS[manifest.kind](reading)):
        if number % 10_000 == 0:
            tick(0.0, f"{source}: {number} rows taken")
        if reason := filters.reason(entry):
            reading.tally.filtered[reason] += 1
        else:
            candidates.add(entry)
    if candidates.incomplete:
        again = READERS[manifest.kind](replace(reading, tally=Tally()))
        candidates.complete(entry for entry in again if not filters.reason(entry))
    tally = reading.tally
    classes = project.classes if exclusive else ()
    ranked = list(without_conflicts(candidates.ranked(), classes, tally))
    if resolve and manifest.kind == "youtube8m":
        ranked = list(_resolved(reading, ranked, tick))
    wants = choose(ranked, manifest, tally)
    made = Plan(source, manifest, wants, tally, rules.unused())
    if not wants:
        raise FormatError(_nothing(made, rules))
    return made


def class_names(project: Project) -> ClassNames:
    """Return the classes of a workspace as labels are compared with them."""
    return ClassNames(project.classes, project.class_map, not project.multi_label)


def reading_of(manifest: Manifest, root: Path, rules: LabelRules, lookups: Lookups) -> Reading:
    """Return a pass over a manifest."""
    path = root / Path(manifest.file).expanduser()
    if manifest.file and not path.is_file():
        raise FormatError(f"{path}: expected a manifest of {manifest.kind}, but there is no file")
    return Reading(manifest, path, root, rules, lookup=lookups.at(manifest.lookups))


def _resolved(
    reading: Reading, ranked: list[tuple[int, Entry]], tick: Callable[[float, str], None]
) -> Iterator[tuple[int, Entry]]:
    """Yield the wants with their ids on YouTube; those without one are counted."""
    for number, (rank, entry) in enumerate(ranked):
        tick(number / len(ranked), f"id {number} of {len(ranked)}")
        try:
            yield rank, youtube8m.resolved(reading, entry)
        except FormatError as exc:
            reading.tally.refuse(f"id {entry.native_id}", exc)


def _nothing(made: Plan, rules: LabelRules) -> str:
    """Return why nothing is wanted."""
    tally, where = made.tally, made.manifest.file or made.source
    reasons = made.sentences()
    if tally.other_labels:
        reasons.append(
            f"{counted(tally.other_labels, 'row')} with other labels, such as {rules.shown()}: "
            "name labels under 'label', or what class each is under 'classes'"
        )
    why = "; ".join(reasons) or "it has no rows"
    return f"{where}: expected videos to take, but none of {tally.rows} rows is one: {why}"


def labels_in(manifest: Manifest, root: Path, lookups: Lookups) -> list[str]:
    """Return the classes that a manifest leads to, sorted: for a workspace that names none.

    Args:
        manifest: its settings.
        root: what relative paths start from.
        lookups: reads lookup files of YouTube-8M.

    Raises:
        FormatError: if it is damaged, or has no labels or too many for classes.
    """
    names = ClassNames((), {}, exclusive=False)
    rules = LabelRules(names, manifest.classes, manifest.label, any_label=not manifest.classes)
    reading = reading_of(manifest, root, rules, lookups)
    found = {label for entry in READERS[manifest.kind](reading) for label in entry.labels}
    if not 0 < len(found) <= MANY:
        raise FormatError(
            f"{manifest.file or manifest.kind}: expected 1 to {MANY} labels to take as classes, "
            f"but got {len(found)}: name the classes, or labels under 'label'"
        )
    return sorted(found)
