"""The flow of each task, one line per stage. Read this first.

A task is data: stages in order, the labels it learns from, what comes out. A stage is a pure
function from tables to tables, with a file in `stages/`; `engine/` does what is stale and loops.
"""

from __future__ import annotations

from reelabel.engine.loop import Run, run, run_one
from reelabel.engine.project import read_config, task_of
from reelabel.engine.task import Task
from reelabel.formats.writers import BOX_FORMATS
from reelabel.stages import (
    advance,
    clean,
    cut,
    dedup,
    detect,
    evaluate,
    merge,
    mine,
    register,
    sample,
    split,
    track,
    train,
    truth,
)
from reelabel.tables import LABELS
from reelabel.workspace.results import Scores

__all__ = ["DETECT", "Run", "read_config", "run", "run_one", "task_of"]

DETECT = Task(
    name="detect",
    meaning="boxes of objects",
    once=(
        register.STAGE,  # files      -> videos
        cut.STAGE,  #      videos     -> clips
        truth.STAGE,  #    file       -> truth, truth_frames
        sample.STAGE,  #   clips      -> frames, embeddings
        dedup.STAGE,  #    frames     -> duplicates
    ),
    each_round=(
        detect.STAGE,  #   videos     -> detections     by the round's teacher
        track.STAGE,  #    detections -> tracks         which of them are one object
        mine.STAGE,  #     tracks     -> evidence       flicker, gaps, static repeats
        clean.STAGE,  #    evidence   -> candidates     positive, ignore or negative, by rules
        merge.STAGE,  #    candidates -> labels         with the labels of the round before
        split.STAGE,  #    labels     -> dataset        by video and duplicate cluster
        train.STAGE,  #    dataset    -> model          the student
        evaluate.STAGE,  # model      -> scores         against truth, else agreement
        advance.STAGE,  #  scores     -> decision       is the student the next teacher?
    ),
    labels=LABELS,
    keys=("detector", "detector_options"),
    scores=Scores,
    exports=BOX_FORMATS,
    predict="reelabel.verbs.predict:predict_boxes",
    report="reelabel.verbs.report_boxes:report_boxes",
    show="reelabel.verbs.show:show_boxes",
    ablate="reelabel.verbs.ablate:ablate_boxes",
)
