"""Which spans of a video are worked on: those of people, of manifests, and what they leave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

Span = tuple[float, float | None]
"""First instant and first instant that is no longer in it, in seconds; None: the video's end."""


def fetched_spans(
    wants: Iterable[Mapping[str, Any]], downloads: Iterable[Mapping[str, Any]]
) -> dict[str, list[Span]]:
    """Return the wanted spans of every fetched file, in seconds from the start of the file.

    A file that holds only a part of its video begins at ``span_start_s``. Files of equal content
    have the spans of all. A file of which the whole video is wanted has no entry.

    Args:
        wants: rows of `WANTS` with at least source, want_id, start_s and end_s.
        downloads: rows of `DOWNLOADS` with at least source, want_id, state, file, sha256 and
            span_start_s.
    """
    wanted = {(row["source"], row["want_id"]): (row["start_s"], row["end_s"]) for row in wants}
    files: dict[str, set[str]] = defaultdict(set)
    spans: dict[str, set[tuple[float | None, float | None]]] = defaultdict(set)
    for row in downloads:
        if row["state"] != "fetched" or not row["file"]:
            continue
        content = row["sha256"] or row["file"]
        start_s, end_s = wanted.get((row["source"], row["want_id"]), (None, None))
        offset_s = row["span_start_s"] or 0.0
        files[content].add(row["file"])
        spans[content].add((
            None if start_s is None else max(0.0, start_s - offset_s),
            None if end_s is None else end_s - offset_s,
        ))
    return {
        file: sorted((start or 0.0, end) for start, end in spans[content])
        for content, found in files.items()
        for file in found
        if (None, None) not in spans[content]
    }


def inside(spans: Iterable[Span], duration_s: float) -> list[tuple[float, float]]:
    """Return the parts of spans that a video has; manifests were written for other copies of it."""
    ends = ((start, duration_s if end is None else min(end, duration_s)) for start, end in spans)
    return [(start, end) for start, end in ends if start < end]


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return spans in order of time, those that overlap joined, so that no frame is in two.

    >>> joined([(5, 8), (0, 2), (1, 3), (8, 9)])
    [(0, 3), (5, 8), (8, 9)]
    """
    found: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found
