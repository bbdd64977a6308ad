"""merge  candidates -> labels  N:n  with the labels of the round before, and with people's.

Class by class and frame by frame: the new round wins where it found something, the old one fills
the frames that the new one missed, and what people drew is never changed.
"""

from __future__ import annotations

import numpy as np

from reelabel.data.states import POSITIVE
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.class_counts import counts_of
from reelabel.labels.rounds import MergeSettings, Rounds, merge_rounds
from reelabel.labels.rows import label_table, labels_of
from reelabel.tables import CANDIDATES, FRAMES, IMPORTED, IMPORTED_FRAMES, LABELS, VIDEOS
from reelabel.tables.boxes import class_names

MergeUnit = Unit[MergeSettings, None]


def merge(unit: MergeUnit) -> Output:
    """Return the labels of one video."""
    new, imported = unit.rows(CANDIDATES), unit.rows(IMPORTED)
    old = unit.rows(LABELS, previous=True)
    names = class_names(new, old, imported)
    rounds = Rounds(
        number=unit.round_number,
        new=labels_of(new, names, unit.round_number),
        old=labels_of(old, names),
        imported=labels_of(imported, names, unit.round_number),
        complete={f["pts"]: f["complete"] for f in unit.rows(IMPORTED_FRAMES).to_pylist()},
        names=names,
        size_wh=unit.video.size_wh,
    )
    labels = merge_rounds(rounds, unit.settings)
    positive, frames = labels.state == POSITIVE, unit.rows(FRAMES)
    notes = {
        "labelled_frames": len(np.unique(labels.pts[positive])),
        "positives": int(positive.sum()),
        **counts_of(labels, names, frames["pts"].to_numpy()[frames["kept"].to_numpy()]),
    }
    table = label_table(labels, names, (new, old, imported), unit.video.video_id)
    return Output({"labels": table}, notes)


STAGE = Stage(
    name="merge",
    arrow=(__doc__ or "").splitlines()[0],
    settings=MergeSettings,
    run=merge,
    reads=(VIDEOS, FRAMES, CANDIDATES),
    reads_previous=(LABELS,),
    optional=(IMPORTED, IMPORTED_FRAMES),
    writes=(LABELS,),
    per_round=True,
    version=5,
)
