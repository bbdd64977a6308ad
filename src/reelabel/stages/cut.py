"""cut  videos -> clips  1:N  the spans of each video that are worked on.

A clip is a span, not a file: nothing is written but two times. Spans of a table that the user names
come first, then the general start and end, then those of manifests; without any the video is worked
on as a whole. Spans that overlap become one clip, and each clip may be divided into its shots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import Any

from pydantic import Field

from reelabel.config import Settings
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames, ambiguous
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import FormatError, MediaError, few
from reelabel.formats.spans_csv import NamedSpan, read_spans
from reelabel.labels.spans import Span, fetched_spans, inside, joined
from reelabel.media.probe import VideoInfo, probe
from reelabel.media.shots import find_shots
from reelabel.media.video import decode_spans, time_range
from reelabel.tables import CLIPS, DOWNLOADS, VIDEOS, WANTS, Row, Table, spans_of

USER, MANIFEST = "user", "manifest"


class CutSettings(Settings):
    """Which spans of every video are worked on; all of it by default."""

    start_s: float | None = Field(None, ge=0)
    """First second of each video; without an end or a duration it runs to the end."""
    end_s: float | None = Field(None, ge=0)
    """Second at which each video ends."""
    duration_s: float | None = Field(None, gt=0)
    """Length in seconds from the start; not together with an end."""
    spans: str = ""
    """CSV table of spans, columns name, start_s, end_s; several rows per video are several clips.
    Videos that it does not name are worked on as without it."""
    shots: bool = False
    """Divide each clip into its shots, in a decode pass; frames of dissolves and fades are left
    out."""
    min_length_s: float = Field(0.0, ge=0)
    """Leave out clips that are shorter than this many seconds."""


@dataclass(frozen=True)
class Asked:
    """The spans that are asked for.

    Attributes:
        by_video: by video id: origin, and the spans.
        problem: why no row of the user's table can be used, empty if some can.
        unknown: a sentence on the names of that table that are none of videos, empty without any.
    """

    by_video: Mapping[str, tuple[str, list[Span]]] = field(default_factory=dict)
    problem: str = ""
    unknown: str = ""


CutUnit = Unit[CutSettings, Asked]


def cut(unit: CutUnit) -> Output:
    """Return the clips of a video."""
    if unit.resource.problem:
        raise FormatError(unit.resource.problem)
    info = probe(unit.video.path)
    origin, spans = _asked(unit, info)
    if unit.settings.shots:
        origin, spans = "shots", list(_shots(unit, spans, info))
    kept = [span for span in spans if span[1] - span[0] >= unit.settings.min_length_s]
    if not kept:
        raise MediaError(
            f"{unit.video.name}: expected clips of {unit.settings.min_length_s} s or more, but "
            f"got {len(spans)} shorter ones: lower cut.min_length_s"
        )
    rows: list[dict[str, object]] = [
        {
            "video_id": unit.video.video_id,
            "clip": number,
            "start_s": start_s,
            "end_s": end_s,
            "origin": origin,
        }
        for number, (start_s, end_s) in enumerate(kept)
    ]
    notes: dict[str, Any] = {"too_short": len(spans) - len(kept)}
    if unit.resource.unknown and origin != USER:
        notes["left_out"] = [unit.resource.unknown]
    return Output({"clips": CLIPS.from_rows(rows)}, notes)


def _asked(unit: CutUnit, info: VideoInfo) -> tuple[str, list[tuple[float, float]]]:
    """Return the origin of a video's spans, and the spans."""
    s = unit.settings
    origin, spans = unit.resource.by_video.get(unit.video.video_id, ("", []))
    if origin == USER:
        return USER, joined(time_range(info, start_s, end_s) for start_s, end_s in spans)
    if (s.start_s, s.end_s, s.duration_s) != (None, None, None):
        return USER, [time_range(info, s.start_s, s.end_s, s.duration_s)]
    if not origin:
        return "whole", [time_range(info)]
    if found := inside(spans, info.duration_s):
        return MANIFEST, joined(found)
    raise MediaError(
        f"{unit.video.name}: its manifest names spans from {spans[0][0]:.3f} s on, but it lasts "
        f"{info.duration_s:.3f} s: fetch it again, or take it out"
    )


def _shots(
    unit: CutUnit, spans: list[tuple[float, float]], info: VideoInfo
) -> Iterator[tuple[float, float]]:
    """Yield the shots of spans, from one decode of them."""
    rows = [{"start_s": start_s, "end_s": end_s} for start_s, end_s in spans]
    found = decode_spans(unit.video.path, spans_of(rows, info.duration_s))
    for position, numbered in groupby(found, key=itemgetter(0)):
        start_s, end_s = spans[position]
        unit.tick(start_s / max(info.duration_s, 1e-9), "")
        shots = find_shots((frame for _, frame in numbered), end_s)
        yield from ((shot.start_s, shot.end_s) for shot in shots)


def asked_spans(context: Context[CutSettings]) -> Resource[Asked]:
    """Return the spans of the user's table and of manifests, tied to their videos.

    Raises:
        FormatError: if the table is missing or damaged.
    """
    videos = [video for video in context.inputs.videos if video.usable]
    found = {video_id: (MANIFEST, spans) for video_id, spans in _of_manifests(context, videos)}
    problem = unknown = ""
    if context.settings.spans:
        path = context.root / context.settings.spans
        named, video_names = read_spans(path), VideoNames(videos)
        by_user = _of_user(named, video_names)
        found |= {video_id: (USER, spans) for video_id, spans in by_user.items()}
        lost = {span.name for span in named if not video_names.find(span.name).videos}
        if named and not by_user:
            problem = (
                f"{path}: none of the videos that it names is in this workspace: "
                f"{few(sorted(lost), 3)}"
            )
        elif lost:
            unknown = (
                f"{path}: videos that are not in this workspace: {few(sorted(lost), 3)}; those "
                "that it does not name are taken as without it"
            )
    facts = {video_id: list(asked) for video_id, asked in found.items()}
    return Resource(Asked(found, problem, unknown), problem, facts=facts)


def _of_user(named: list[NamedSpan], names: VideoNames) -> dict[str, list[Span]]:
    """Return the spans of a table by video id.

    Raises:
        FormatError: if a name could mean several videos.
    """
    found: dict[str, list[Span]] = {}
    for span in named:
        match = names.find(span.name)
        if len(match.videos) > 1:
            raise FormatError(ambiguous(span.name, match.videos))
        for video in match.videos:
            found.setdefault(video.video_id, []).append((span.start_s, span.end_s))
    return found


def _of_manifests(
    context: Context[CutSettings], videos: list[Video]
) -> Iterator[tuple[str, list[Span]]]:
    """Yield the ids of fetched videos with the spans that their manifests name."""
    wants = _rows(context, WANTS, ["source", "want_id", "start_s", "end_s"])
    columns = ["source", "want_id", "state", "file", "sha256", "span_start_s"]
    spans = fetched_spans(wants, _rows(context, DOWNLOADS, columns))
    by_path = {context.root / file: found for file, found in spans.items()}
    for video in videos:
        if video.path in by_path:
            yield video.video_id, by_path[video.path]


def _rows(context: Context[CutSettings], table: Table, columns: list[str]) -> Iterator[Row]:
    """Return some columns of a table, of all sources."""
    sources = context.inputs.video_ids(table)
    shards = (context.inputs.rows(table, source).select(columns).to_pylist() for source in sources)
    return chain.from_iterable(shards)


STAGE = Stage(
    name="cut",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CutSettings,
    run=cut,
    reads=(VIDEOS,),
    optional=(WANTS, DOWNLOADS),
    writes=(CLIPS,),
    resource=asked_spans,
    resource_words="the spans that tables and manifests name",
)
