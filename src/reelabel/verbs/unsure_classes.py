"""export --unsure of classes: the moments that a person should look at first, with their claims.

What a model that did not learn from a claim takes for unlikely is shown first, under the class that
is claimed: probes, else the round's student where the moment was held out, else the teacher of its
own claims. Moments that a person classified already, and test videos, are left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reelabel.config import Config
from reelabel.data.boxes import Bools
from reelabel.data.claims import Claims
from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Predictions
from reelabel.data.states import IGNORE, PERSON, POSITIVE, TEACHER
from reelabel.data.video import Video
from reelabel.labels.claims import targets
from reelabel.labels.division import TRAIN
from reelabel.labels.unsure import Unsure, claim_doubts
from reelabel.tables import (
    CLASS_LABELS,
    CLASS_TRUTH,
    MOMENTS,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
)
from reelabel.tables.claims import claims_of, moments_of, predictions_of, spans_of, times_s
from reelabel.verbs.export_classes import Writer, write_classes
from reelabel.views.class_moments import MomentId
from reelabel.workspace import Workspace
from reelabel.workspace.video_tables import VideoTables

Names = Sequence[str]
"""Class names by class id."""


@dataclass(frozen=True)
class UnsureClasses:
    """The classes of a round; see `reelabel.verbs.unsure.UnsureRound`."""

    workspace: Workspace
    number: int
    config: Config

    def unsure(self) -> Iterator[Unsure]:
        """Yield the moments in which something is in doubt."""
        for video in self.workspace.videos():
            if video.usable and not video.is_test:
                yield from self._read(video).unsure(self.config.project.classes)

    def write(self, folder: Path, write: Writer, chosen: Sequence[Unsure]) -> None:
        """Write moments with the classes that are claimed of them; their videos are read again."""
        project, videos = self.config.project, self.workspace.videos()
        ids = {one.video_id for one in chosen}
        parts = [ClassDataset.empty(project.classes, exclusive=not project.multi_label)]
        for video in videos:
            if video.video_id in ids:
                parts.append(self._read(video).chosen(chosen, parts[0]))
        data = {TRAIN: ClassDataset.joined(parts)}
        write_classes(write, folder, data, home=self.workspace.root, videos=videos)

    def _read(self, video: Video) -> _Video:
        return _Video.read(self.workspace, self.number, self.config.project.classes, video)


@dataclass(frozen=True, eq=False)
class _Video:
    """The moments of one video, and what is claimed of them in a round.

    Attributes:
        video: the video.
        moments: rows of the table `moments`.
        claims: ``(n,)`` labels of these moments that no person gave.
    """

    video: Video
    moments: pa.Table
    claims: Claims

    @classmethod
    def read(cls, workspace: Workspace, number: int, names: Names, video: Video) -> _Video:
        """Return what a round holds of a video."""
        rows = VideoTables(workspace, video.video_id, number).rows
        claims = claims_of(rows(CLASS_LABELS), names)
        by_teacher = claims.origin == TEACHER
        asked = [(STUDENT_PREDICTIONS, ~by_teacher), (PREDICTIONS, by_teacher)]
        for table, which in asked:
            claims = _with_probability(claims, predictions_of(rows(table), names), which)
        truth = spans_of(rows(CLASS_TRUTH), names)
        time_s = times_s(claims.moments, video)
        known = truth.covers(time_s[:, 0], time_s[:, 1]).any(axis=1)
        by_person = set(claims.moments[claims.origin == PERSON].ids())
        known |= np.array([key in by_person for key in claims.moments.ids()], bool)
        return cls(video, rows(MOMENTS), claims[~known])

    def unsure(self, names: Names) -> Iterator[Unsure]:
        """Yield the moments in which something is in doubt, with the worst of their claims."""
        doubts = claim_doubts(self.claims)
        rows: dict[MomentId, list[int]] = defaultdict(list)
        for row, key in enumerate(self.claims.moments.ids()):
            rows[key].append(row)
        for (video_id, pts, _), some in rows.items():
            worst = max(some, key=lambda row: doubts[row])
            weight, reason = float(doubts[some].sum()), _words(self.claims, worst, names)
            yield Unsure(video_id, pts, self.video.time_s(pts), weight, reason)

    def chosen(self, unsure: Iterable[Unsure], like: ClassDataset) -> ClassDataset:
        """Return the chosen moments of this video, each with the class that is claimed of it."""
        wanted = {one.pts for one in unsure if one.video_id == self.video.video_id}
        rows = self.moments.filter(pc.is_in(self.moments["pts"], pa.array(wanted, pa.int64())))
        moments = moments_of(rows)
        claims = replace(self.claims, state=np.full(len(self.claims), POSITIVE))
        return ClassDataset(
            like.classes,
            exclusive=like.exclusive,
            moments=moments,
            pictures=tuple(map(tuple, rows["pictures"].to_pylist())),
            target=targets(claims, moments, len(like.classes), exclusive=like.exclusive),
            weight=np.ones(len(moments), np.float32),
            group=np.full(len(moments), self.video.video_id),
        )


def _with_probability(claims: Claims, found: Predictions, which: Bools) -> Claims:
    """Return claims, of some of which a model says how likely they are where no other one does.

    Args:
        claims: ``(n,)``.
        found: what the model predicts.
        which: ``(n,)`` the claims that it did not learn from.
    """
    rows = found.moments.rows_of(claims.moments)
    asked = np.flatnonzero(which & (rows >= 0) & np.isnan(claims.probability))
    likely = found.probability[rows[asked], claims.class_id[asked]]
    probability = claims.probability.copy()
    probability[asked] = np.where(claims.right[asked], likely, 1 - likely)
    return replace(claims, probability=probability)


def _words(claims: Claims, row: int, names: Names) -> str:
    """Return what is claimed and why it is in doubt."""
    claim = f"{'' if claims.right[row] else 'not '}{names[claims.class_id[row]]}"
    ignored, looks = claims.state[row] == IGNORE, claims.suggested[row]
    why = claims.reason[row] if ignored else f"probability {claims.probability[row]:.2f}"
    return f"{claim}: {why}" + (f", looks like {looks}" if looks else "")
