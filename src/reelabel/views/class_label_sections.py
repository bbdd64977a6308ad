"""report of classifiers: what was ignored and why, and how the data set was divided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.states import IGNORE
from reelabel.errors import counted, few
from reelabel.evaluation.classes.leak_test import LeakTest
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.evaluation.figures import Figure
from reelabel.labels.division import SIDES
from reelabel.tables import Row
from reelabel.tables.claims import claimed
from reelabel.views.class_moments import MomentPictures
from reelabel.views.sections import Cell, DataTable, Gallery, Section, Shown
from reelabel.workspace.results import SideCounts, SplitReport

DOUBTS = 8
"""Pictures of doubtful moments per class."""
MOST_GALLERIES = 12
"""Classes that have such pictures, those with the most doubts."""


def ignored_section(
    labels: pa.Table, pictures: MomentPictures, judged: Sequence[Judgement] = ()
) -> Section | None:
    """Return how many labels were ignored by which rule, and the most doubtful of each claim.

    Args:
        labels: of a round.
        pictures: of the moments.
        judged: how well tags could be judged.
    """
    by_class: dict[str, list[Row]] = {}
    for row in labels.filter(pc.field("state") == IGNORE).to_pylist():
        by_class.setdefault(claimed(row), []).append(row)
    largest = sorted(by_class, key=lambda name: (-len(by_class[name]), name))[:MOST_GALLERIES]
    parts: list[DataTable | Gallery] = []
    if by_class:
        parts.append(_by_rule(by_class))
    parts += [_doubts(name, by_class[name], pictures) for name in largest]
    if judged:
        parts.append(_judgements(judged))
    about = "What is ignored is not trained on; nothing is changed. A class that fits better is "
    return Section("Ignored labels", parts, f"{about}only suggested.") if parts else None


def _by_rule(by_class: Mapping[str, Sequence[Row]]) -> DataTable:
    counts = {name: Counter(row["rule"] for row in some) for name, some in by_class.items()}
    rules = list(dict.fromkeys(rule for found in counts.values() for rule in found))
    rows = [[name, *(f"{found[rule]:,}" for rule in rules)] for name, found in counts.items()]
    return DataTable(["Class", *rules], sorted(rows), "Ignored labels by rule")


def _judgements(judged: Sequence[Judgement]) -> DataTable:
    """Return how well probes that did not see a video agree with its tags."""
    head = [
        *("Classes", "Videos", "Frames", "Frames as tagged", "Videos as tagged"),
        *("Tags wrong (estimated)", "Frames right (estimated)", "Judged"),
    ]
    rows: list[list[Cell]] = [
        [
            one.category or "all",
            *(f"{count:,}" for count in (one.videos, one.frames)),
            *map(Figure, (one.frame_agreement, one.video_agreement, one.wrong_share)),
            one.frame_accuracy,
            "yes" if one.can_be_judged else "no",
        ]
        for one in judged
    ]
    return DataTable(head, rows, "Tags against probes that did not see the video")


def _doubts(name: str, rows: Sequence[Row], pictures: MomentPictures) -> Gallery:
    """Return the most doubtful moments of a class, spread over its videos."""
    shown = [
        Shown(uri, f"{pictures.place(moment)}: {row['reason']}", _title(row))
        for row in doubtful(rows, DOUBTS)
        if (uri := pictures.uri(moment := (row["video_id"], row["pts"], row["until_pts"])))
    ]
    return Gallery(
        f"Labelled {name}", shown, f"{len(shown)} of {len(rows)}, the least likely first"
    )


def _title(row: Row) -> str:
    suggested = f"looks like {row['suggested']}" if row["suggested"] else row["rule"]
    p = row["probability"]
    return suggested if p is None or np.isnan(p) else f"{suggested}, {p:.2f}"


def doubtful(rows: Iterable[Row], most: int) -> list[Row]:
    """Return the least likely labels; each video gives one in turn, so that none fills them all."""
    by_video: dict[str, list[Row]] = {}
    for row in sorted(rows, key=_likelihood):
        by_video.setdefault(row["video_id"], []).append(row)
    ranked = [
        (i, _likelihood(row), row) for some in by_video.values() for i, row in enumerate(some)
    ]
    return [row for _, _, row in sorted(ranked, key=lambda one: one[:2])][:most]


def _likelihood(row: Row) -> tuple[float, str, int]:
    """Return what labels are ordered by; those without a probability come last."""
    p = row["probability"]
    return (2.0 if p is None or np.isnan(p) else p), row["video_id"], row["pts"]


def split_section(split: SplitReport, names: Sequence[str], leaks: LeakTest | None) -> Section:
    """Return how the data set was divided, and what the leak test found.

    Args:
        split: of a round.
        names: of the classes, in their order.
        leaks: how much a random split of frames would flatter; None if that is not known.
    """
    rows = [
        [side, str(_videos_on(split, side)), f"{counts.images:,}", *_per_class(counts, names)]
        for side in SIDES
        if (counts := split.sides.get(side)) is not None
    ]
    table = DataTable(["Side", "Videos", "Moments", *names], rows)
    groups = Counter(split.groups.values())
    parts: list[DataTable | str] = [table, _described(split, groups)]
    if leaks:
        parts.append(
            f"Leak test on {leaks.moments:,} moments: the nearest neighbour has the same class "
            f"in {leaks.random:.1%} if it may be of the same video, in {leaks.by_group:.1%} "
            "if it is of another group. By so much would a random split of frames flatter."
        )
    parts += [f"Leak: {leak}" for leak in split.leaks]
    title = "Split without known leaks" if split.leak_free else "Split that leaks"
    reason = f"{split.reason}; {split.checked}" if split.checked else split.reason
    return Section(title, parts, reason)


def _described(split: SplitReport, groups: Mapping[str, int]) -> str:
    several = [n for n in groups.values() if n > 1]
    text = f"{counted(len(split.groups), 'video')} in {counted(len(groups), 'group')} that stay "
    text += "together"
    if not several:
        return f"{text}; no two were found alike or of one source."
    largest = max(groups, key=lambda name: groups[name])
    alike = few(split.names.get(v, v) for v, group in split.groups.items() if group == largest)
    return f"{text}; {len(several)} hold more than one video, the largest {max(several)}: {alike}."


def _videos_on(split: SplitReport, side: str) -> int:
    return sum(bool(sides.get(side)) for sides in split.videos.values())


def _per_class(counts: SideCounts, names: Sequence[str]) -> list[str]:
    return [f"{counts.classes.get(name, 0):,}" for name in names]
