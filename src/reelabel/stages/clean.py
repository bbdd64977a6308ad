"""clean  evidence -> candidates  N:n  per box: positive, ignore, negative or dropped, and why.

What is dropped says nothing (too weak, a worse copy of another box) and stays in `detections`.
Where time has spoken, it is heard after the rules: a flicker or a static repeat is a hard negative,
a confident box that nothing supports is ignored, a box found in a gap of a track is added, a weak
one that its track holds is believed, and a smoothed place counts where it is near the detection's.
"""

from __future__ import annotations

from dataclasses import astuple
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator

from reelabel.config import Settings
from reelabel.data.boxes import paired_iou
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, TEACHER, TRACKER
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MissingInput, UsageError, nearest
from reelabel.labels.outliers import OutlierSettings, find_outliers
from reelabel.labels.rules import RULES, STATES, FrameBoxes, RuleSettings, Verdicts, apply_rules
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Embedder, Image
from reelabel.models.registry import load_embedder
from reelabel.tables import CANDIDATES, DETECTIONS, EVIDENCE, FRAMES, VIDEOS, xyxy_columns, xyxy_of

OWN = {"outliers", "outlier_deviations", "hear", "smooth_iou"}
"""Settings that are not those of the box rules."""
HEARD = {"gap": POSITIVE, "unsupported": IGNORE, "flicker": NEGATIVE, "static": NEGATIVE}
"""What evidence on a detection leads to; where there are several kinds, the last one counts."""


class CleanSettings(Settings):
    """What a box must be like to be taught."""

    score: float = Field(0.5, ge=0, le=1)
    """Positive from this score on."""
    score_per_class: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """The same for single classes, such as ball=0.4."""
    floor: float = Field(0.05, ge=0, le=1)
    """Between this and the threshold a box is ignored; below it is background."""
    min_area_px: float | None = Field(None, ge=0)
    """Smallest area in square pixels of the video; smaller ones are ignored."""
    max_area_px: float | None = Field(None, gt=0)
    """Largest area in square pixels of the video; larger ones are ignored."""
    min_area_share: float | None = Field(None, ge=0, le=1)
    """Smallest area as a share of the picture, 0 to 1."""
    max_area_share: float | None = Field(None, gt=0, le=1)
    """Largest area as a share of the picture, 0 to 1."""
    max_aspect: float | None = Field(None, ge=1)
    """Longer side over shorter side, at most."""
    border_px: float | None = Field(None, ge=0)
    """Ignore boxes that come this near to the picture's edge, in pixels."""
    overlap_iou: float | None = Field(0.8, gt=0, le=1)
    """Of boxes of one class that overlap more than this, only the better one stays."""
    overlap_keeps: Literal["score", "area"] = "score"
    """Which of them is better: the one with the higher score, or the larger one."""
    overlap_across_classes: bool = False
    """Compare boxes of different classes too."""
    max_per_frame: int | None = Field(None, ge=1)
    """Boxes per frame and class, at most; the others are ignored."""
    outliers: Literal["off", "isolation_forest", "neighbours"] = "off"
    """Ignore boxes whose crop looks unlike all others of their class in the video: by isolation
    forest, or by the distance to the nearest neighbours."""
    outlier_deviations: float = Field(4.0, gt=0)
    """How far from the usual, in robust standard deviations, makes an outlier."""
    hear: tuple[Literal["flicker", "gap", "static", "smooth"], ...] = (
        "flicker",
        "gap",
        "static",
        "smooth",
    )
    """Which of the evidence that `mine` gathered counts."""
    smooth_iou: float = Field(0.85, ge=0, le=1)
    """A smoothed box takes the detection's place if they overlap by this; where they are further
    apart the object did what no smoother foresees."""
    states: dict[str, str] = Field(default_factory=dict)
    """What a rule leads to instead, such as border=dropped or area=negative; also for what time
    says: unsupported, flicker, static and gap."""

    @field_validator("states")
    @classmethod
    def known(cls, states: dict[str, str]) -> dict[str, str]:
        """Refuse rules and states that nobody knows; evidence has names of its own."""
        for rule, state in states.items():
            for word, known in ((rule, (*RULES, *HEARD)), (state, STATES)):
                if word not in known:
                    raise ValueError(
                        f"knows {', '.join(known)}, but got '{word}'{nearest(word, known)}"
                    )
        return states


CleanUnit = Unit[CleanSettings, Embedder | None]


def clean(unit: CleanUnit) -> Output:
    """Return the detections that stay, each with its state."""
    detections = unit.rows(DETECTIONS)
    boxes = FrameBoxes(
        pts=detections["pts"].to_numpy(),
        xyxy=xyxy_of(detections),
        score=detections["score"].to_numpy().astype(np.float32),
        class_name=np.array(detections["category"].to_pylist(), dtype=str),
        size_wh=unit.video.size_wh,
    )
    states = unit.settings.states
    of_rules = {rule: state for rule, state in states.items() if rule in RULES}
    plain = unit.settings.model_dump(exclude=OWN) | {"states": of_rules}
    evidence = _heard_kinds(_of_these(unit.rows(EVIDENCE), detections), unit.settings.hear)
    rules = RuleSettings(**plain)
    evidence = _standing(evidence, apply_rules(boxes, rules), held=True)
    verdicts = apply_rules(boxes, rules, _held(evidence, len(boxes)))
    if unit.settings.outliers != "off":
        verdicts = _without_outliers(unit, boxes, verdicts)
    evidence = _standing(evidence, verdicts, held=False)
    verdicts = _heard(evidence, verdicts, states)
    smoothed = _smoothed(evidence, boxes.xyxy, unit.settings.smooth_iou)
    added = _from_gaps(evidence, states)
    names, counts = np.unique(verdicts.state, return_counts=True)
    notes = dict(zip(names.tolist(), counts.tolist(), strict=True))
    notes |= {"from_gaps": len(added)} if len(added) else {}
    rows = _rows(detections, verdicts, smoothed)
    return Output({"candidates": pa.concat_tables([rows, added]).combine_chunks()}, notes)


def _rows(detections: pa.Table, verdicts: Verdicts, xyxy: NDArray[np.float32]) -> pa.Table:
    """Return what stays of the detections, as candidates."""
    kept = np.flatnonzero(verdicts.state != "dropped")
    rows = detections.take(pa.array(kept))
    state, rule, reason = (column[kept] for column in astuple(verdicts))
    moved = (xyxy != xyxy_of(detections)).any(axis=1)[kept] & (state == POSITIVE)
    place = np.where(moved[:, None], xyxy[kept], xyxy_of(rows))
    why = [f"{text}; smoothed" if so else text for text, so in zip(reason, moved, strict=True)]
    columns: dict[str, Any] = {name: rows[name] for name in DETECTIONS.schema.names}
    columns |= xyxy_columns(place)
    columns |= {
        "detection": kept,
        "state": state.tolist(),
        "origin": np.where(rule == "gap", TRACKER, TEACHER).tolist(),
        "rule": rule.tolist(),
        "reason": why,
    }
    return CANDIDATES.build(columns)


def _of_these(evidence: pa.Table, detections: pa.Table) -> pa.Table:
    """Return the evidence.

    Raises:
        MissingInput: if it is about other detections, because mining them failed.
    """
    row, pts = evidence["detection"].to_numpy(), evidence["pts"].to_numpy()
    about = row >= 0
    fits = row.max(initial=-1) < len(detections)
    if not fits or (detections["pts"].to_numpy()[row[about]] != pts[about]).any():
        raise MissingInput("the evidence is about other detections: run  reelabel mine  again")
    return evidence


def _heard_kinds(evidence: pa.Table, hear: tuple[str, ...]) -> pa.Table:
    """Return the evidence that counts; a doubt comes with looking for flickers."""
    kinds = [*hear, *(["unsupported"] if "flicker" in hear else [])]
    return evidence.filter(pc.is_in(evidence["kind"], pa.array(kinds, pa.string())))


def _standing(evidence: pa.Table, verdicts: Verdicts, *, held: bool) -> pa.Table:
    """Return the evidence without gaps between boxes that the rules themselves do not believe.

    Asked are the boxes that are held, or those that were added: an added one may lie beside a held.
    """
    good = verdicts.state == POSITIVE
    asked = (evidence["kind"].to_numpy() == "gap") & (
        (evidence["detection"].to_numpy() >= 0) == held
    )
    stands = ~asked
    between = evidence["between"].to_pylist()
    for row in np.flatnonzero(asked):
        stands[row] = all(good[end] for end in between[row] or ())
    return evidence.filter(pa.array(stands))


def _held(evidence: pa.Table, count: int) -> NDArray[np.bool_]:
    """Return which detections ``(count,)`` are held by sure ones of their track."""
    held = np.zeros(count, bool)
    row = evidence.filter(pc.field("kind") == "gap")["detection"].to_numpy()
    held[row[row >= 0]] = True
    return held


def _smoothed(
    evidence: pa.Table, xyxy: NDArray[np.float32], least_iou: float
) -> NDArray[np.float32]:
    """Return the boxes ``(n, 4)``, at their smoothed places where those are near."""
    said = evidence.filter((pc.field("kind") == "smooth") & (pc.field("detection") >= 0))
    row, place = said["detection"].to_numpy(), xyxy_of(said)
    near = paired_iou(xyxy[row], place) >= least_iou
    result = xyxy.copy()
    result[row[near]] = place[near]
    return result


def _heard(evidence: pa.Table, verdicts: Verdicts, states: dict[str, str]) -> Verdicts:
    """Let evidence decide about boxes that the rules have left."""
    state, rule, reason = (a.astype(object) for a in astuple(verdicts))
    for kind, usual in HEARD.items():
        said = evidence.filter((pc.field("kind") == kind) & (pc.field("detection") >= 0))
        for row, why in zip(said["detection"].to_pylist(), said["reason"].to_pylist(), strict=True):
            # A hard negative is surer than what ignores a box; the others speak of positive ones.
            if state[row] == POSITIVE or (usual == NEGATIVE and state[row] != "dropped"):
                state[row], rule[row], reason[row] = states.get(kind, usual), kind, why
    return Verdicts(state.astype(str), rule.astype(str), reason.astype(str))


def _from_gaps(evidence: pa.Table, states: dict[str, str]) -> pa.Table:
    """Return the boxes that were found in gaps of tracks, as candidates."""
    state = states.get("gap", POSITIVE)
    said = evidence.filter((pc.field("kind") == "gap") & (pc.field("detection") < 0))
    said = said.slice(0, 0 if state == "dropped" else len(said))
    shared = [name for name in CANDIDATES.schema.names if name in said.column_names]
    words = {"state": state, "origin": TRACKER, "rule": "gap"}
    return CANDIDATES.build({
        **{name: said[name] for name in shared},
        **{name: [word] * len(said) for name, word in words.items()},
    })


def _without_outliers(unit: CleanUnit, boxes: FrameBoxes, verdicts: Verdicts) -> Verdicts:
    """Ignore positive boxes whose crops are unlike the others of their class."""
    s = unit.settings
    state, rule, reason = (a.astype(object) for a in astuple(verdicts))
    at, vectors = _crops(unit, boxes, np.flatnonzero(verdicts.state == POSITIVE))
    how = OutlierSettings(
        method=s.outliers, deviations=s.outlier_deviations, seed=unit.project.seed
    )
    for name in np.unique(boxes.class_name[at]):
        of_class = boxes.class_name[at] == name
        found = find_outliers(vectors[of_class], how)
        for i, score in zip(at[of_class][found.mask], found.score[found.mask], strict=True):
            state[i], rule[i] = IGNORE, "outlier"
            reason[i] = f"looks unlike other crops: {score:.3g} > {found.threshold:.3g}"
    return Verdicts(state.astype(str), rule.astype(str), reason.astype(str))


def _crops(
    unit: CleanUnit, boxes: FrameBoxes, rows: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the rows whose frame has a picture, and the vectors of their crops."""
    if unit.resource is None:
        raise AssertionError("crops are compared without an embedder")
    embed = unit.resource.open()
    frames = {f["pts"]: f for f in unit.rows(FRAMES).to_pylist() if f["kept"]}
    at: list[int] = []
    vectors: list[NDArray[np.float32]] = []
    for pts in np.unique(boxes.pts[rows]):
        frame = frames.get(int(pts))
        if frame is None:
            continue
        picture = read_rgb(unit.inputs.path(frame["picture"]))
        inside = rows[boxes.pts[rows] == pts]
        at += inside.tolist()
        vectors += [embed([_crop(picture, frame, boxes.xyxy[i])])[0] for i in inside]
    stacked = np.stack(vectors) if vectors else np.zeros((0, unit.resource.dimensions), "f4")
    return np.array(at, np.int64), stacked.astype(np.float32)


def _crop(picture: Image, frame: dict[str, Any], xyxy: NDArray[np.float32]) -> Image:
    """Return the part of a written picture that a box in video pixels covers."""
    scale = np.array([frame["scale_x"], frame["scale_y"]] * 2)
    offset = np.array([frame["offset_x"], frame["offset_y"]] * 2)
    height, width = picture.shape[:2]
    x1, y1, x2, y2 = np.clip(xyxy * scale + offset, 0, [width, height] * 2).astype(int)
    return picture[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]


def embedder(context: Context[CleanSettings]) -> Resource[Embedder | None]:
    """Return the embedder that crops are compared with, if they are compared at all.

    Raises:
        UsageError: if a class has a score of its own that is no class of the workspace.
    """
    settings, classes = context.settings, context.project.classes
    for name in settings.score_per_class:
        if name not in classes:
            hint = nearest(name, classes)
            raise UsageError(f"clean.score_per_class names '{name}', which is no class{hint}")
    if settings.outliers == "off":
        return Resource(None)
    found = load_embedder("tiny")
    return Resource(found, found.fingerprint)


STAGE = Stage(
    name="clean",
    arrow=(__doc__ or "").splitlines()[0],
    settings=CleanSettings,
    run=clean,
    reads=(VIDEOS, FRAMES, DETECTIONS),
    optional=(EVIDENCE,),
    writes=(CANDIDATES,),
    project_keys=("seed",),
    per_round=True,
    version=3,
    resource=embedder,
)
