"""The stages of classification that differ from those of detection; see `reelabel.pipeline`."""

from reelabel.stages.classes import (
    advance,
    classify,
    clean,
    evaluate,
    merge,
    split,
    tag,
    train,
    truth,
    window,
)

__all__ = [
    "advance",
    "classify",
    "clean",
    "evaluate",
    "merge",
    "split",
    "tag",
    "train",
    "truth",
    "window",
]
