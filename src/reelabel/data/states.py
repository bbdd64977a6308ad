"""The names of states, origins and kinds of evidence: each is spelled here and nowhere else."""

from __future__ import annotations

from typing import Final, Literal

State = Literal["positive", "ignore", "negative"]
"""What a label is to training: an object, a region without loss, or known background."""

POSITIVE: Final = "positive"
IGNORE: Final = "ignore"
NEGATIVE: Final = "negative"
STATES: tuple[State, ...] = (POSITIVE, IGNORE, NEGATIVE)

Decision = Literal["positive", "ignore", "negative", "dropped"]
"""What the rules decide about a detection: a state, or that it becomes no label."""

DROPPED: Final = "dropped"
DECISIONS: tuple[Decision, ...] = (*STATES, DROPPED)

Origin = Literal["teacher", "tracker", "previous", "truth", "person"]
"""Where a label's box came from."""

TEACHER: Final = "teacher"
TRACKER: Final = "tracker"
PREVIOUS: Final = "previous"
GROUND_TRUTH: Final = "truth"
PERSON: Final = "person"

EvidenceKind = Literal["flicker", "unsupported", "gap", "static", "smooth"]
"""What the neighbouring frames imply about a box."""

FLICKER: Final = "flicker"
UNSUPPORTED: Final = "unsupported"
GAP: Final = "gap"
STATIC: Final = "static"
SMOOTH: Final = "smooth"
UsableEvidence = Literal["flicker", "gap", "static", "smooth"]
"""The kinds that can be used or left out; what is unsupported belongs to flicker."""
USABLE_EVIDENCE: tuple[UsableEvidence, ...] = (FLICKER, GAP, STATIC, SMOOTH)
EVIDENCE_KINDS: tuple[EvidenceKind, ...] = (FLICKER, UNSUPPORTED, GAP, STATIC, SMOOTH)
