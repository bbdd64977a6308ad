"""show --evidence: the findings of a round as films."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.data.states import SMOOTH
from reelabel.data.video import Video
from reelabel.engine.progress import Display
from reelabel.errors import MissingInput
from reelabel.files import explained
from reelabel.media.draw import Colour
from reelabel.pipeline import read_config
from reelabel.tables import EVIDENCE, Row
from reelabel.verbs.show_video import Shown, asked, each_shown, stem_of
from reelabel.views.evidence_examples import (
    COLOURS,
    Finding,
    findings,
    support_score,
    supporting_detections,
)
from reelabel.views.film import Mark, Scene, Step, canvas_of, focus_of, near, write_film
from reelabel.views.film_settings import Film
from reelabel.workspace import Workspace
from reelabel.workspace.names import VideosById

_DETECTION: Colour = (190, 190, 190)  # other detections
_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".avi", ".webm"})


def show_evidence(
    workspace: Workspace,
    film: Film,
    *,
    round_number: int | None = None,
    out: Path | None = None,
    pictures: int = 12,
    quiet: bool = True,
) -> list[Shown]:
    """Write a film of each video's findings, or one of all of them.

    Args:
        workspace: a workspace in which `mine` has found something.
        film: what is shown, and how it runs.
        round_number: which round; None is the last one that has evidence.
        out: a folder for one film per video; a file for one film of all, without pictures; None
            is the folder ``show/`` in the round's folder.
        pictures: how many paused frames per video are written as JPEG.
        quiet: show no progress.

    Raises:
        MissingInput: if there is no such evidence, or no such round.
    """
    number, videos = _round(workspace, round_number, film.kinds)
    folder = out or workspace.round_dir(number) / "show"
    with explained(folder):
        (folder.parent if _is_file(folder) else folder).mkdir(parents=True, exist_ok=True)
    with Display("show", len(videos), quiet=quiet) as display:
        writer = _FilmWriter(workspace, number, film, display)
        if _is_file(folder):
            return [writer.together(videos, folder)]
        draw, movie = (
            partial(writer.alone, folder=folder, pictures=pictures),
            partial(_movie, folder),
        )
        return each_shown(videos, draw, movie)


def _movie(folder: Path, video: Video) -> Path:
    return folder / f"{stem_of(video)}-evidence.mp4"


def _is_file(out: Path) -> bool:
    return out.suffix.lower() in _SUFFIXES and not out.is_dir()


def _round(
    workspace: Workspace, number: int | None, kinds: tuple[str, ...]
) -> tuple[int, list[Video]]:
    """Return the round and its videos that have such evidence.

    Raises:
        MissingInput: if there are none, with the command that makes them.
    """
    for n in reversed(asked(workspace, number)):
        counted = _counted(workspace, n)
        if counted:
            return n, _of_kinds(workspace, n, counted, kinds)
    where = "" if number is None else f" in round {number}"
    raise MissingInput(
        f"{workspace.root} has no evidence{where}: set  mine.flicker.enabled  (or mine.gap, "
        f"mine.static, mine.smooth) to true and  detect.frames  to all (or near) in "
        f"{workspace.config_path.name}, then run  reelabel run {workspace.root}"
    )


def _counted(workspace: Workspace, number: int) -> dict[str, Counter[str]]:
    """Return for each video with evidence how many rows each kind has."""
    found = {}
    for video_id in workspace.readable(EVIDENCE, number):
        rows = workspace.read(EVIDENCE, video_id, number)["kind"].value_counts().to_pylist()
        found[video_id] = Counter({row["values"]: row["counts"] for row in rows})
    return {video_id: counts for video_id, counts in found.items() if counts}


def _of_kinds(
    workspace: Workspace, number: int, counted: dict[str, Counter[str]], kinds: tuple[str, ...]
) -> list[Video]:
    """Return the videos with such evidence.

    Raises:
        MissingInput: if there are none.
    """
    videos = VideosById(workspace.videos())
    wanted = [videos[v] for v in sorted(counted) if set(kinds) & set(counted[v]) and v in videos]
    if not wanted:
        total = sum(counted.values(), Counter[str]())
        have = ", ".join(f"{count} of {kind}" for kind, count in sorted(total.items()))
        raise MissingInput(
            f"round {number} has no evidence of {' or '.join(kinds)}, but boxes {have}: ask for "
            f"--kind {min(total)}, or look into {workspace.config_path.name}, what  mine  is set to"
        )
    return wanted


@dataclass(frozen=True)
class _FilmWriter:
    """Makes the films of a round."""

    workspace: Workspace
    number: int
    film: Film
    display: Display

    def alone(self, video: Video, folder: Path, pictures: int) -> Shown:
        """Write the film of one video, and some of its paused frames."""
        scene, total = self._scene(video)
        movie = _movie(folder, video)
        paused = sorted(pts for pts, pause in scene.focus().items() if pause)
        at = np.linspace(0, len(paused) - 1, min(pictures, len(paused))).astype(int)
        chosen = {paused[i] for i in at}

        def still(_: Scene, step: Step) -> Path | None:
            return folder / f"{movie.stem}-{step.pts}.jpg" if step.pts in chosen else None

        size_wh = canvas_of([video.size_wh])
        stills = write_film(
            [scene], movie, self.film, size_wh=size_wh, still=still, tick=self._tick
        )
        return Shown(video.name, movie, stills, (len(scene.found), total))

    def together(self, videos: list[Video], movie: Path) -> Shown:
        """Write one film of all videos."""
        hits = Counter[str]()
        size_wh = canvas_of([video.size_wh for video in videos])
        write_film(self._each(videos, hits), movie, self.film, size_wh=size_wh, tick=self._tick)
        return Shown("", movie, [], (hits["shown"], hits["found"]))

    def _each(self, videos: list[Video], hits: Counter[str]) -> Iterator[Scene]:
        """Yield one scene after the other, and count what they show."""
        for video in videos:
            scene, total = self._scene(video)
            hits.update(shown=len(scene.found), found=total)
            yield scene

    def _tick(self, scene: Scene, share: float) -> None:
        self.display.tick(scene.name, share, scene.name)

    def _scene(self, video: Video) -> tuple[Scene, int]:
        """Return what a film shows of a video, and how many findings there are."""
        evidence = self.workspace.read(EVIDENCE, video.video_id, self.number)
        found = {kind: findings(evidence, kind) for kind in self.film.kinds}
        chosen = [one for some in found.values() for one in some[: self.film.hits]]
        base = video.time_base
        marks: dict[int, list[Mark]] = {}
        for pts, mark in self._marks(video.video_id, evidence, chosen, base):
            marks.setdefault(pts, []).append(mark)
        path = video.path
        scene = Scene(video.name, path, base, chosen, marks, video.size_wh)
        return scene, sum(map(len, found.values()))

    def _others(self, video_id: str, hits: Collection[int]) -> pa.Table:
        least = support_score(read_config(self.workspace))
        return supporting_detections(
            self.workspace, self.number, video_id, min_score=least, but=hits
        )

    def _marks(
        self, video_id: str, evidence: pa.Table, chosen: list[Finding], base: Fraction
    ) -> Iterator[tuple[int, Mark]]:
        """Yield the boxes to draw: other detections, then places, then evidence on top."""

        def seen(rows: pa.Table) -> list[Row]:
            close = near(rows["pts"].to_numpy(), base, focus_of(chosen), self.film)
            return list(rows.filter(pa.array(close)).to_pylist())

        hits = {row["detection"] for one in chosen for row in one.rows if one.kind != SMOOTH}
        for row in seen(self._others(video_id, hits)):
            yield row["pts"], _mark(row, f"{row['score']:.2f}", _DETECTION)
        if SMOOTH in self.film.kinds:
            for row in seen(evidence.filter(pc.field("kind") == SMOOTH)):
                yield row["pts"], _mark(row, "", COLOURS[SMOOTH])
        for one in chosen:
            yield from places(one)
        for one in chosen:
            for row in one.rows:
                text = f"{one.kind} {row['score']:.2f}"
                yield row["pts"], _mark(row, text, COLOURS[one.kind])


def places(one: Finding) -> Iterator[tuple[int, Mark]]:
    """Yield a finding's place, dashed, in the frames that it rests on and in which it has no box.

    Of several boxes the place is that of the nearest in time.
    """
    if one.kind == SMOOTH:
        return
    for pts in one.frames:
        if pts not in one.at:
            row = min(one.rows, key=lambda row: abs(row["pts"] - pts))
            yield pts, _mark(row, "", COLOURS[one.kind], "dashed")


def _mark(row: Mapping[str, Any], text: str, colour: Colour, style: Any = "solid") -> Mark:
    return Mark((row["x1"], row["y1"], row["x2"], row["y2"]), text, colour, style)
