"""How often several teachers whose boxes are fused agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reelabel.config import Config
from reelabel.short_names import AND, detector_labels
from reelabel.tables import CANDIDATES
from reelabel.workspace import Workspace

_PAIR = 2


@dataclass(frozen=True)
class TeachersAgreement:
    """Which of several teachers found the detections that became positive boxes.

    Attributes:
        teachers: their labels, two or more.
        found_by: labels of some of them -> how many boxes just these found.
    """

    teachers: tuple[str, ...]
    found_by: Mapping[tuple[str, ...], int]

    def __str__(self) -> str:
        """Return the counts as a sentence."""
        boxes = sum(self.found_by.values())
        alone: dict[tuple[str, ...], int] = {(label,): 0 for label in self.teachers}
        by_count = alone | dict(self.found_by)
        whole = "both" if len(self.teachers) == _PAIR else f"all {len(self.teachers)}"
        agreed = by_count.pop(tuple(sorted(self.teachers)), 0)
        parts = [
            f"{AND.join(labels)}{' alone' if len(labels) == 1 else ''} {n:,}"
            for labels, n in sorted(by_count.items(), key=lambda one: (-one[1], one[0]))
        ]
        return f"{whole} found {agreed:,} of {boxes:,} positive boxes; {', '.join(parts)}"


def teachers_agreement(
    workspace: Workspace, config: Config, number: int
) -> TeachersAgreement | None:
    """Return which teachers found the positive boxes of a round, None if it had a single one.

    No table is read: `clean` notes the counts.

    Args:
        workspace: the workspace.
        config: its settings.
        number: the round.
    """
    teachers = detector_labels(config.project.detector)
    if len(teachers) == 1:
        return None
    counts: Counter[tuple[str, ...]] = Counter()
    receipts = workspace.receipts(CANDIDATES, number)
    for video_id in receipts.keys() & set(workspace.readable(CANDIDATES, number)):
        found_by: dict[str, int] = receipts[video_id].notes.get("found_by", {})
        counts.update({tuple(names.split(AND)): n for names, n in found_by.items()})
    return TeachersAgreement(teachers, counts) if counts else None
