"""merge  candidates -> labels  N:n  with the labels of the round before, and with people's.

What people gave replaces all other claims about a moment. Claims of the round before stay for the
moments of which the new round claims nothing.
"""

from __future__ import annotations

from collections import Counter

from reelabel.config import NoSettings
from reelabel.engine.stage import Output, Stage, Unit
from reelabel.labels.claims import claims_of_people, merge_claims
from reelabel.tables import CLASS_CANDIDATES, CLASS_IMPORTED, CLASS_LABELS, MOMENTS, VIDEOS
from reelabel.tables.claims import claim_table, claims_of, moments_of, spans_of, times_s


def merge(unit: Unit[NoSettings, None]) -> Output:
    """Return the labels of one video."""
    names, number = unit.project.classes, unit.round_number
    moments = moments_of(unit.rows(MOMENTS))
    imported = claims_of_people(
        spans_of(unit.rows(CLASS_IMPORTED), names),
        moments,
        times_s(moments, unit.video),
        round_number=number,
    )
    labels = merge_claims(
        claims_of(unit.rows(CLASS_CANDIDATES), names, number),
        claims_of(unit.rows(CLASS_LABELS, previous=True), names),
        imported,
    )
    notes = {"labels": len(labels), **Counter(labels.state.tolist())}
    return Output({"class_labels": claim_table(labels, names, CLASS_LABELS)}, notes)


STAGE = Stage(
    name="merge",
    arrow=(__doc__ or "").splitlines()[0],
    settings=NoSettings,
    run=merge,
    reads=(VIDEOS, MOMENTS, CLASS_CANDIDATES),
    reads_previous=(CLASS_LABELS,),
    optional=(CLASS_IMPORTED,),
    writes=(CLASS_LABELS,),
    project_keys=("classes",),
    per_round=True,
)
