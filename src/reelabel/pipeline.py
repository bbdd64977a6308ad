"""The flow of each task, one line per stage. Read this first.

A stage is a pure function with a file in `stages/`; `engine/` does what is stale and loops.
"""

from __future__ import annotations

from dataclasses import replace

from reelabel.engine import outputs
from reelabel.engine.loop import Run, run, run_one
from reelabel.engine.project import read_config, task_of
from reelabel.engine.task import Task
from reelabel.stages import (
    advance,
    classes,
    clean,
    cut,
    dedup,
    detect,
    evaluate,
    fetch,
    merge,
    mine,
    register,
    sample,
    split,
    track,
    train,
    truth,
    tune,
    want,
)

__all__ = ["DETECT", "Run", "read_config", "run", "run_one", "task_of"]

DETECT = Task(
    name="detect",
    meaning="boxes of objects",
    once=(
        want.STAGE,  #     manifests  -> wants          none named: nothing is done
        fetch.STAGE,  #    wants      -> downloads
        register.STAGE,  # files      -> videos
        cut.STAGE,  #      videos     -> clips
        truth.STAGE,  #    file       -> truth, truth_frames
        sample.STAGE,  #   clips      -> frames, embeddings
        dedup.STAGE,  #    frames     -> duplicates
    ),
    each_round=(
        tune.STAGE,  #     frames     -> input          size at which the teacher agrees with itself
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
    keys=("detector", "detector_options"),
    **outputs.BOXES,
)

CLASSIFY_FRAMES = Task(
    name="classify-frames",
    meaning="classes of frames",
    once=(
        want.EXCLUSIVE_STAGE,  #        manifests  -> wants        none named: nothing is done
        fetch.STAGE,  #                 wants      -> downloads
        register.STAGE,  #              files      -> videos
        replace(cut.STAGE, tests_too=True),  #     -> clips
        classes.tag.STAGE,  #           file       -> tags         weak labels of whole videos
        classes.truth.STAGE,  #         file       -> class_truth  people's classes
        replace(sample.STAGE, tests_too=True),  #  -> frames, embeddings
        dedup.STAGE,  #                 frames     -> duplicates
        classes.window.FRAME_STAGE,  #  frames     -> moments      what is judged
    ),
    each_round=(
        classes.classify.STAGE,  #      moments    -> predictions  by the round's teacher
        classes.clean.STAGE,  #         tags       -> candidates   what is doubted is ignored
        classes.merge.STAGE,  #         candidates -> labels       with the round before
        classes.split.STAGE,  #         labels     -> dataset      by video and duplicate cluster
        classes.train.FRAME_STAGE,  #   dataset    -> model        the student
        classes.evaluate.STAGE,  #      model      -> scores       per frame and per video
        classes.advance.STAGE,  #       scores     -> decision     does the student label next?
    ),
    keys=("teacher", "teacher_options", "tags", "columns", "multi_label"),
    check=classes.tag.check_project,
    **outputs.CLASSES,
)
_BEFORE, _AFTER = CLASSIFY_FRAMES.each_round[:4], CLASSIFY_FRAMES.each_round[5:]
CLASSIFY_CLIPS = replace(
    CLASSIFY_FRAMES,
    name="classify-clips",
    meaning="classes of windows of frames",
    once=(*CLASSIFY_FRAMES.once[:-1], classes.window.CLIP_STAGE),  # clips -> windows of frames
    each_round=(*_BEFORE, classes.train.CLIP_STAGE, *_AFTER),
)
