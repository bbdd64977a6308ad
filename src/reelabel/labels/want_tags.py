"""Tags of fetched videos: what the manifest states about them, in the time of the file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reelabel.data.tag_rows import TagRow
from reelabel.data.video import Video
from reelabel.labels.tagging import MANIFEST, ClassNames, Rows, TagProblems, outside, tag_row

SLACK_S = 0.05
"""A file that is longer than its span by less is that span alone."""


@dataclass(frozen=True)
class Fetched:
    """The video that a want became.

    Attributes:
        video: as it is registered.
        start_s: where in the source the file begins; None: at its start.
        end_s: where in the source the file ends; None: at its end.
    """

    video: Video
    start_s: float | None = None
    end_s: float | None = None


def want_tags(
    wants: Iterable[Mapping[str, Any]],
    fetched: Mapping[tuple[str, str], Fetched],
    names: ClassNames,
    problems: TagProblems,
) -> Rows:
    """Return the tags of fetched videos. Wants of one content are one video with all their tags.

    Args:
        wants: rows of the table `wants`.
        fetched: what came, by source and name of the want.
        names: of the classes.
        problems: receives labels that are no class of the workspace.
    """
    found: Rows = defaultdict(list)
    for want in wants:
        file = fetched.get((want["source"], want["want_id"]))
        if file is None:
            continue
        start_s, end_s = span_in_file(want["start_s"], want["end_s"], file)
        for label in want["labels"]:
            own = names.own(label)
            if own is None:
                problems.unknown_class(label, names.classes)
                continue
            place = f"{want['source']}: {want['want_id']}"
            row = TagRow(want["want_id"], own, start_s=start_s, end_s=end_s, source=place)
            tag = tag_row(file.video, own, row, right=True) | {"origin": MANIFEST}
            # The file may be shorter than the manifest states: its end is that of the span.
            if why := outside(file.video, tag | {"end_s": None}):
                problems.unusable.append(f"{place}: {why}")
                continue
            found[file.video.video_id].append(tag)
    return found


def span_in_file(
    start_s: float | None, end_s: float | None, file: Fetched
) -> tuple[float | None, float | None]:
    """Return a span of the source in seconds of the file; None twice if it is all of the file."""
    offset_s = file.start_s or 0.0
    begin_s = max((start_s or 0.0) - offset_s, 0.0)
    to_the_end = end_s is None or (file.end_s is not None and end_s >= file.end_s - SLACK_S)
    if begin_s <= SLACK_S and to_the_end:
        return None, None
    return begin_s, None if end_s is None or to_the_end else end_s - offset_s
