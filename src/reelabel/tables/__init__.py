"""Every table, declared once: column, type, unit and meaning.

Reading and writing check against these declarations, and the reference page of the documentation
is made from them. A table belongs to the stage that writes it and is never changed afterwards.
All boxes are ``x1 y1 x2 y2`` in pixels of the upright video picture with square pixels; right and
bottom are exclusive.
"""

from reelabel.tables.base import (
    CORNERS,
    FRAME,
    SCHEMA_VERSION,
    Column,
    Row,
    Table,
    joined,
    xyxy_columns,
    xyxy_of,
)
from reelabel.tables.classes import (
    CLASS_CANDIDATES,
    CLASS_IMPORTED,
    CLASS_LABELS,
    CLASS_TRUTH,
    MOMENTS,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
    TAGS,
)
from reelabel.tables.fetching import DOWNLOADS, WANTS
from reelabel.tables.footage import CLIPS, COPIES, DUPLICATES, EMBEDDINGS, FRAMES, VIDEOS, spans_of
from reelabel.tables.labels import (
    CAMERA,
    CANDIDATES,
    DETECTIONS,
    EVIDENCE,
    LABELS,
    SEEN,
    TRACKS,
)
from reelabel.tables.people import IMPORTED, IMPORTED_FRAMES, TRUTH, TRUTH_FRAMES

__all__ = [
    "ALL",
    "CAMERA",
    "CANDIDATES",
    "CLASS_CANDIDATES",
    "CLASS_IMPORTED",
    "CLASS_LABELS",
    "CLASS_TRUTH",
    "CLIPS",
    "COPIES",
    "CORNERS",
    "DETECTIONS",
    "DOWNLOADS",
    "DUPLICATES",
    "EMBEDDINGS",
    "EVIDENCE",
    "FRAME",
    "FRAMES",
    "IMPORTED",
    "IMPORTED_FRAMES",
    "LABELS",
    "MOMENTS",
    "PREDICTIONS",
    "SCHEMA_VERSION",
    "SEEN",
    "STUDENT_PREDICTIONS",
    "TAGS",
    "TRACKS",
    "TRUTH",
    "TRUTH_FRAMES",
    "VIDEOS",
    "WANTS",
    "Column",
    "Row",
    "Table",
    "joined",
    "spans_of",
    "xyxy_columns",
    "xyxy_of",
]

ALL = (
    *(WANTS, DOWNLOADS),
    *(VIDEOS, CLIPS, FRAMES, EMBEDDINGS, DUPLICATES, COPIES),
    TRUTH_FRAMES,
    TRUTH,
    IMPORTED_FRAMES,
    IMPORTED,
    SEEN,
    DETECTIONS,
    CAMERA,
    TRACKS,
    EVIDENCE,
    CANDIDATES,
    LABELS,
    *(TAGS, CLASS_TRUTH, CLASS_IMPORTED, MOMENTS),
    *(PREDICTIONS, CLASS_CANDIDATES, CLASS_LABELS, STUDENT_PREDICTIONS),
)
"""Every table, in the order of the flow."""
