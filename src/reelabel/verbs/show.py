"""show: draw a round's labels on frames and on video, at the true frame rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.states import POSITIVE, TEACHER
from reelabel.data.video import Video
from reelabel.engine.progress import Display, is_quiet
from reelabel.media.draw import STYLES, colour_of, draw_boxes
from reelabel.media.video import Frame
from reelabel.models.base import Image
from reelabel.output_files import check_output, prepare_outputs
from reelabel.pipeline import read_config, task_of
from reelabel.tables import LABELS, xyxy_of
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.run import opened
from reelabel.verbs.show_evidence import show_evidence
from reelabel.verbs.show_video import (
    Shown,
    draw_video,
    each_shown,
    last_labelled,
    show_folder,
    stem_of,
)
from reelabel.views.film_settings import Film, asked_film
from reelabel.workspace import Workspace

__all__ = ["Shown", "show"]


def show(  # noqa: PLR0913 -- one argument for each flag of the command
    workspace: Workspace | Path | str,
    *,
    round: int | None = None,  # noqa: A002 -- the name of the flag
    out: Path | str | None = None,
    pictures: int = 12,
    evidence: bool = False,
    kind: str = Film.kind,
    before_s: float = Film.before_s,
    after_s: float = Film.after_s,
    slow: float = Film.slow,
    pause_s: float = Film.pause_s,
    hits: int = Film.hits,
    quiet: bool | None = None,
) -> list[Shown]:
    """Draw a round's labels on each video and on some of its frames, or show its evidence.

    Args:
        workspace: a workspace or its folder, whose `merge` is done, for evidence `mine`.
        round: which round; None is the last one that has labels, or evidence.
        out: folder to write to; None is ``show/`` in the round's folder. The evidence of all videos
            becomes one film if this is a file, such as ``evidence.mp4``.
        pictures: how many frames per video are written as JPEG, spread over its labelled frames, or
            over those with findings; none with one film of all. Of classes: how many moments per
            class, the most doubtful ones.
        evidence: show the temporal evidence of boxes instead of labels, around each finding.
        kind: of evidence: flicker, unsupported, gap, static or smooth; all is all but smooth.
        before_s: seconds of the video before each finding.
        after_s: seconds of the video after it.
        slow: how many times slower the half of that time is which is nearer to the finding.
        pause_s: for how many seconds a finding's first frame stands still.
        hits: so many findings of each kind per video at most, the best to look at.
        quiet: show no progress; None shows it to a person only.

    Raises:
        MediaError: if not one video can be drawn.
        MissingInput: if there are no labels, no such evidence, or no such round.
        UsageError: if the workspace's task cannot draw its labels; for an unknown kind or a number
            out of range; or if something of evidence is given without it.
    """
    times = {"before_s": before_s, "after_s": after_s, "slow": slow, "pause_s": pause_s}
    others = {"hits": hits, "round": round, "pictures": pictures, "evidence": evidence}
    check_arguments(**times, **others, kind=kind, quiet=quiet)
    check_output(out)
    asked = asked_film(Film(kind, **times, hits=hits), evidence=evidence)
    ws = opened(workspace)
    prepare_outputs([], [out])
    shown: list[Shown] = task_of(read_config(ws)).part("show")(
        ws,
        round=round,
        out=Path(out) if out is not None else None,
        pictures=pictures,
        evidence=asked,
        quiet=is_quiet(quiet),
    )
    return shown


def show_boxes(
    workspace: Workspace,
    *,
    round: int | None,  # noqa: A002 -- the name of the flag
    out: Path | None,
    pictures: int,
    evidence: Film | None,
    quiet: bool,
) -> list[Shown]:
    """Draw labels that are boxes, or the evidence on them; see `show`."""
    if evidence is not None:
        return show_evidence(
            workspace, evidence, round_number=round, out=out, pictures=pictures, quiet=quiet
        )
    number = last_labelled(workspace, round, LABELS)
    folder = show_folder(workspace, number, out)
    videos = {video.video_id: video for video in workspace.videos() if video.usable}
    ids = [v for v in workspace.shards(LABELS, number) if v in videos]
    with Display("show", len(ids), quiet=quiet) as display:
        drawing = _Drawing(workspace, number, folder, pictures, display)
        return each_shown((videos[v] for v in ids), drawing.of, drawing.movie)


@dataclass(frozen=True)
class _Drawing:
    """Draws the labels of a round.

    Attributes:
        workspace: the workspace.
        number: the round.
        folder: where to write.
        pictures: how many frames per video are written as JPEG.
        display: is told how far it is.
    """

    workspace: Workspace
    number: int
    folder: Path
    pictures: int
    display: Display

    def movie(self, video: Video) -> Path:
        """Return the name of a video's film."""
        return self.folder / f"{stem_of(video)}.mp4"

    def of(self, video: Video) -> Shown:
        """Write a video with its labels, and some of its frames."""
        labels = self.workspace.read(LABELS, video.video_id, self.number)
        stem = stem_of(video)
        stills = {
            pts: [self.folder / f"{stem}-{pts}.jpg"] for pts in _spread(labels, self.pictures)
        }
        by_pts = _by_frame(labels)

        def draw(frame: Frame, picture: Image) -> Image:
            return _drawn(picture, by_pts.get(frame.pts))

        return draw_video(video, self.movie(video), draw, stills, display=self.display)


def _spread(labels: pa.Table, count: int) -> set[int]:
    """Return up to `count` time stamps with positive labels, evenly spread."""
    positive = labels.filter(pc.equal(labels["state"], POSITIVE))
    pts = np.unique(positive["pts"].to_numpy())
    if not len(pts) or not count:
        return set()
    return set(pts[np.linspace(0, len(pts) - 1, min(count, len(pts))).astype(int)].tolist())


def _by_frame(labels: pa.Table) -> dict[int, pa.Table]:
    """Return the labels of each frame."""
    pts = labels["pts"].to_numpy()
    order = np.argsort(pts, kind="stable")
    cuts = np.flatnonzero(np.diff(pts[order])) + 1
    groups: Iterator[Any] = iter(np.split(order, cuts)) if len(order) else iter(())
    return {int(pts[rows[0]]): labels.take(pa.array(rows)) for rows in groups}


def _drawn(picture: Image, labels: pa.Table | None) -> Image:
    if labels is None:
        return picture
    names, states = labels["category"].to_pylist(), labels["state"].to_pylist()
    scores, origins = labels["score"].to_pylist(), labels["origin"].to_pylist()
    # Doubtful boxes are many: their dashes are enough.
    texts = [
        f"{name} {score:.2f}{'' if origin == TEACHER else ' ' + origin}"
        if state == POSITIVE
        else ""
        for name, score, state, origin in zip(names, scores, states, origins, strict=True)
    ]
    styles = [STYLES[state] for state in states]
    colours = [colour_of(name) for name in names]
    return draw_boxes(picture, xyxy_of(labels), texts, colours, styles=styles)
