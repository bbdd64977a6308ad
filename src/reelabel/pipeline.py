"""The flow of each task, one line per stage. Read this first.

A task is data: stages in order, the labels it learns from, what comes out. A stage is a pure
function from tables to tables, with a file in `stages/`; `engine/` does what is stale and loops.
"""

from __future__ import annotations

from typing import Any

from reelabel.config import Config, parse, read_yaml
from reelabel.engine.loop import Run, run_one, run_task
from reelabel.engine.run import Options
from reelabel.engine.task import Task, register_task, task_named
from reelabel.formats.coco_folder import write_coco_folder
from reelabel.formats.voc import write_voc
from reelabel.formats.yolo import write_yolo
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
from reelabel.workspace import Workspace
from reelabel.workspace.results import Scores

__all__ = ["DETECT", "Run", "read_config", "run", "run_one", "task_of"]

DETECT = register_task(
    Task(
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
        exports={"coco": write_coco_folder, "yolo": write_yolo, "voc": write_voc},
        scores=Scores,
        predict="reelabel.verbs.predict:predict_boxes",
        report="reelabel.verbs.report_boxes:report_boxes",
        show="reelabel.verbs.show:show_boxes",
        ablate="reelabel.verbs.ablate:ablate_boxes",
    )
)


def task_of(config: Config) -> Task:
    """Return the task of a workspace."""
    return task_named(config.project.task)


def read_config(workspace: Workspace) -> Config:
    """Return the checked settings of a workspace.

    Raises:
        ConfigError: if `reelabel.yaml` is damaged or holds something unknown.
    """
    raw = read_yaml(workspace.config_path)
    return parse(raw, sections_of(raw), where=str(workspace.config_path))


def sections_of(raw: dict[str, Any]) -> dict[str, Any]:
    """Return the settings types of the stages of the task that settings name.

    Raises:
        ConfigError: if there is no such task.
    """
    return task_named(raw.get("task", DETECT.name)).sections


def run(workspace: Workspace, config: Config, options: Options, **how: Any) -> Run:
    """Bring a workspace up to date; `how` is `rounds` and `until` of `engine.loop.run_task`."""
    return run_task(task_of(config), workspace, config, options, **how)
