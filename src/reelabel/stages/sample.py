"""sample  clips -> frames, embeddings  1:N  one decode: sampling, quality, hash, embedding, JPEG.

Every frame that the sampling rule takes gets a row; a rejected one has a reason and no picture. The
embedding is made here because the pixels are here.

Frames that are further apart than key frames are reached by jumps: what lies between is not decoded
and shots are told apart by the taken frames alone. Footage that returns to a scene between two
of them is one shot; ``track.camera`` looks at every processed frame.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from reelabel.data.boxes import Placement
from reelabel.engine.stage import Context, Output, Resource, Stage, Unit
from reelabel.errors import MediaError
from reelabel.media.convert import Picture
from reelabel.media.cursor import Cursor
from reelabel.media.opening import OnError
from reelabel.media.pictures import encode_jpeg, fit
from reelabel.media.quality import (
    ANALYSIS_WH,
    USUAL_CHANGE,
    CutDetector,
    Quality,
    QualityLimits,
    measure,
    reject_reason,
    rule_of,
)
from reelabel.media.sampling import FrameSampler, SamplingSettings
from reelabel.media.signatures import chosen, signature
from reelabel.media.video import Frame, SparseSpans, decode_spans
from reelabel.models.base import Embed, Embedder, Image
from reelabel.models.registry import load_embedder
from reelabel.tables import CLIPS, EMBEDDINGS, FRAMES, VIDEOS, Row, spans_of
from reelabel.workspace.workspace import PICTURE_NAME

Side = Annotated[int, Field(ge=1, le=16_384)]
"""Of a written picture, in pixels."""


class SampleSettings(SamplingSettings):
    """Which frames are taken, and what makes one unusable."""

    resize: Literal["none", "longest", "letterbox", "exact"] = "none"
    """How pictures are resized: not, longest side, padded to a size, or distorted to a size."""
    size: tuple[Side, Side] = (640, 640)
    """Width and height for `resize`, in pixels; `longest` uses the larger one."""
    jpeg_quality: int = Field(90, ge=1, le=100)
    """Quality of the written pictures."""
    embedder: str = "tiny"
    """Model whose vectors find near-duplicates, and wrong tags: tiny (built in), onnx:,
    onnx-features:, hf: or timm:."""
    quality: QualityLimits = QualityLimits()
    """What makes a frame unusable."""


SampleUnit = Unit[SampleSettings, Embedder]


@dataclass
class Samples:
    """Rows and vectors of the frames taken so far."""

    rows: list[Row] = field(default_factory=list)
    vectors: dict[int, Any] = field(default_factory=dict)

    def thin(self, remove: Callable[[Row], None]) -> None:
        """Drop every second frame, with its picture."""
        for row in self.rows[1::2]:
            remove(row)
            self.vectors.pop(row["pts"], None)
        self.rows = self.rows[::2]


def sample(unit: SampleUnit) -> Output:
    """Return the sampled frames of one video and their vectors; write their pictures."""
    s = unit.settings
    embedder = unit.resource
    embed = embedder.open()
    taken, problems = Samples(), list[str]()
    for sampled in _sampled_frames(unit, problems):
        row = _row(unit, sampled)
        if row["kept"]:
            picture = sampled.frame.rgb()
            row |= _write(picture, f"{sampled.frame.pts}.jpg", unit)
            taken.vectors[sampled.frame.pts] = _vector(sampled.frame, embed, embedder)
        taken.rows.append(row)
        if len(taken.rows) > s.max_per_video:
            sampled.sampler.thin()
            taken.thin(lambda gone: _remove(unit, gone))
    unit.files.keep_only({f"{pts}.jpg" for pts in taken.vectors}, PICTURE_NAME)
    return _output(unit, taken, problems)


@dataclass(frozen=True)
class SampledFrame:
    """A taken frame with what was measured on it."""

    frame: Frame
    clip: int
    shot: int
    quality: Quality
    signature: bytes
    sampler: FrameSampler


def _sampled_frames(unit: SampleUnit, problems: list[str]) -> Iterator[SampledFrame]:
    """Yield the frames that the sampling rule takes, from one pass over all clips."""
    taking = _Taking(unit, unit.rows(CLIPS).to_pylist())
    step_s = taking.sampler.step_s
    note = _noted(problems)
    if step_s is not None and not unit.settings.keyframes:
        # More threads would decode frames behind each wanted one; videos are done side by side.
        with Cursor(unit.video.path, threads=1, on_error=note) as cursor:
            if cursor.is_sparse(step_s):
                yield from taking.far_apart(SparseSpans(cursor, taking.spans_s))
                return
    yield from taking.decoded(note)


class _Taking:
    """Takes the frames of one video: the sampling rule, its clips and shots so far."""

    def __init__(self, unit: SampleUnit, clips: list[Row]) -> None:
        self.unit, self.clips = unit, clips
        self.spans_s = spans_of(clips, unit.video.duration_s)
        self.lengths_s = [clip["end_s"] - clip["start_s"] for clip in clips]
        self.sampler = FrameSampler(unit.settings, sum(self.lengths_s))
        self.at, self.shot = -1, -1
        self.usual_change = USUAL_CHANGE
        self.cuts = CutDetector()
        self.before: Picture | None = None

    def decoded(self, on_error: OnError) -> Iterator[SampledFrame]:
        """Yield the frames from a decode of the clips; cuts are looked for in every frame."""
        found = decode_spans(
            self.unit.video.path,
            self.spans_s,
            keyframes_only=self.unit.settings.keyframes,
            on_error=on_error,
        )
        for position, frame in found:
            self.go_on(position)
            self.see(frame)
            if self.sampler.takes(self.since_s(frame.time_s)):
                yield self.taken(frame)

    def far_apart(self, spans: SparseSpans) -> Iterator[SampledFrame]:
        """Yield the same frames without those between; cuts are looked for among them alone."""
        self.usual_change = 0.0  # between frames seconds apart large changes are usual: no reason
        for position, pts, time_s in spans.times():
            self.go_on(position)
            if not self.sampler.takes(self.since_s(time_s)):
                continue
            frame = spans.frame(pts)
            if frame is None:  # the next one that is whole is taken in its place
                self.sampler.take_back()
                continue
            self.see(frame)
            yield self.taken(frame)

    def go_on(self, position: int) -> None:
        """Go on in a clip; a new one begins a shot."""
        if position != self.at:
            for length_s in self.lengths_s[max(self.at, 0) : position]:
                self.sampler.end_clip(length_s)
            self.at, self.shot = position, self.shot + 1
            self.cuts, self.before = CutDetector(ratio=self.usual_change), None

    def since_s(self, time_s: float) -> float:
        """Return seconds since the start of the clip."""
        return float(time_s - self.clips[self.at]["start_s"])

    def see(self, frame: Frame) -> None:
        """Compare a frame with the one before."""
        done_s = sum(self.lengths_s[: self.at]) + self.since_s(frame.time_s)
        self.unit.tick(done_s / max(sum(self.lengths_s), 1e-9), "")
        self.shot += bool(self.cuts.is_cut(frame.rgb(ANALYSIS_WH)))

    def taken(self, frame: Frame) -> SampledFrame:
        """Return a frame that is taken with its quality."""
        grey = frame.grey(ANALYSIS_WH)
        quality, self.before = measure(grey, self.before), grey
        clip = self.clips[self.at]["clip"]
        return SampledFrame(frame, clip, self.shot, quality, signature(grey), self.sampler)


def _noted(problems: list[str]) -> OnError:
    """Return what collects errors as text."""
    return lambda error: problems.append(str(error))


def _row(unit: SampleUnit, sampled: SampledFrame) -> Row:
    q, frame = sampled.quality, sampled.frame
    reason = reject_reason(q, unit.settings.quality) or ""
    return {
        "video_id": unit.video.video_id,
        "pts": frame.pts,
        "frame_index": frame.index,
        "time_s": frame.time_s,
        "clip": sampled.clip,
        "shot": sampled.shot,
        "sharpness": q.sharpness,
        "noise": q.noise,
        "entropy": q.entropy_bits,
        "exposure": q.exposure,
        "change": q.change,
        "hash": q.phash,
        "signature": sampled.signature,
        "kept": not reason,
        "reason": reason,
        "picture": "",
    }


def _write(picture: Image, name: str, unit: SampleUnit) -> Row:
    s = unit.settings
    placed = Placement()
    if s.resize != "none":
        picture, placed = fit(picture, s.resize, s.size)
    written = encode_jpeg(picture, quality=s.jpeg_quality)
    height, width = picture.shape[:2]
    return {
        "picture": unit.files.write(name, written),
        "crc32": zlib.crc32(written),
        "width": width,
        "height": height,
        **placed.row(),
    }


def _vector(frame: Frame, embed: Embed, embedder: Embedder) -> Any:
    return embed([frame.rgb(embedder.fit_wh)])[0]


def _remove(unit: SampleUnit, row: Row) -> None:
    if row["picture"]:
        unit.files.remove(f"{row['pts']}.jpg")


def _output(unit: SampleUnit, taken: Samples, problems: list[str]) -> Output:
    if not taken.rows:
        why = f": {problems[0]}" if problems else ""
        raise MediaError(f"{unit.video.name}: no frame could be taken{why}")
    vectors = pa.array(
        [np.asarray(v, np.float32) for v in taken.vectors.values()], EMBEDDINGS.schema[2].type
    )
    embeddings = EMBEDDINGS.build({
        "video_id": [unit.video.video_id] * len(vectors),
        "pts": list(taken.vectors),
        "vector": vectors,
    })
    signed = set(chosen([row["time_s"] for row in taken.rows]))
    for i, row in enumerate(taken.rows):
        row["signature"] = row["signature"] if i in signed else None
    kept = sum(row["kept"] for row in taken.rows)
    notes: dict[str, Any] = {"taken": len(taken.rows), "kept": kept}
    if rules := Counter(rule_of(row["reason"]) for row in taken.rows if not row["kept"]):
        notes["rejected"] = dict(rules)
    if problems:
        notes |= {"state": "partial", "damaged_places": len(problems), "first": problems[0]}
    return Output({"embeddings": embeddings, "frames": FRAMES.from_rows(taken.rows)}, notes)


def embedder_of(context: Context[SampleSettings]) -> Resource[Embedder]:
    """Return the description of the embedder that the settings name."""
    embedder = load_embedder(context.settings.embedder, home=context.root)
    return Resource(embedder, embedder.fingerprint)


STAGE = Stage(
    name="sample",
    arrow=(__doc__ or "").splitlines()[0],
    settings=SampleSettings,
    run=sample,
    reads=(VIDEOS, CLIPS),
    writes=(EMBEDDINGS, FRAMES),
    folder="frames",
    version=2,
    resource=embedder_of,
)
