"""Weak boxes in frames that hold as many objects as they can: there they are none."""

from __future__ import annotations

import numpy as np

from reelabel.data.boxes import Bools
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import IGNORE, POSITIVE, Decision
from reelabel.labels.rules import Decisions


def decide_in_full_frames(
    boxes: BoxSequence, decisions: Decisions, most: int, state: Decision
) -> Decisions:
    """Return decisions in which boxes below the threshold have another state in full frames.

    Args:
        boxes: ``(n,)`` boxes of one video.
        decisions: about each of them.
        most: how many positives of a class a frame has at most; with so many it is full.
        state: of the boxes of that class there that were ignored for their score.
    """
    weak = (decisions.state == IGNORE) & (decisions.rule == "score")
    weak &= _in_full_frames(boxes, decisions.state == POSITIVE, most)
    states, rules, reasons = decisions.copies()
    states[weak], rules[weak] = state, "max_per_frame"
    reasons[weak] = f"its frame has {most} of its class already"
    return Decisions(states, rules, reasons)


def _in_full_frames(boxes: BoxSequence, positive: Bools, most: int) -> Bools:
    """Return which boxes are in a frame that has so many positives of their class."""
    result = np.zeros(len(boxes), bool)
    for class_id in np.unique(boxes.boxes.class_id).tolist():
        own = boxes.boxes.class_id == class_id
        frames, counts = np.unique(boxes.frame[own & positive], return_counts=True)
        result |= own & np.isin(boxes.frame, frames[counts >= most])
    return result
