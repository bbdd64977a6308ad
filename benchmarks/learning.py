"""What training adds to a teacher whose input was chosen first, on clips with hand-drawn boxes.

For each scene, over several seeds: the teacher as its file says, the same network at the input that
`tune` chose (not trained), the students of two rounds. Intervals are 95 %, over blocks of frames or
videos, of the mean over the seeds; each difference is to the line above. The last line is a
ceiling: a student whose labels are complemented by half of the drawn boxes, every other part of
each clip, scored on the other half, the mean of both halves and its gain over not trained there.

    python benchmarks/learning.py [--seeds 3] [--scenes ball,dogs,trains] [--jobs 4] [--home DIR]

With --teachers nothing is trained: two networks and their fused boxes are compared as teachers,
each at the input that `tune` chose. Precision and recall are those of the labels that come of it.

    python benchmarks/learning.py --teachers --scenes ball,dogs,trains
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

import reelabel
from common import DATA
from reelabel.data.boxes import Boxes
from reelabel.engine.project import read_config
from reelabel.evaluation.intervals import paired_difference
from reelabel.evaluation.label_quality import LabelQuality, label_quality
from reelabel.evaluation.scores import DetectionScores, detection_scores
from reelabel.labels.known_frames import boxes_by_pts, truth_frames
from reelabel.tables import DETECTIONS, LABELS, TRUTH, TRUTH_FRAMES
from reelabel.verbs.teachers import teachers_agreement
from reelabel.workspace import Workspace
from reelabel.workspace.results import InputChoice, Resamples, Scores

TRUTH_FILE = DATA / "annotated/hand_boxes/instances.json"
BALL = {"frisbee": "sports ball"}
ROUNDS = 2
PARTS = 6
"""Into so many parts of time the drawn boxes of a clip are divided, which alternate."""
YOLOX, NANODET = "yolox_nano", "nanodet_m_320"
WEIGHTED = {"detector_options": {"weights": {YOLOX: 3}}}
TEACHERS = {
    "yolox": ([YOLOX], {}),
    "nanodet": ([NANODET], {}),
    "both": ([YOLOX, NANODET], {}),
    "both, 3:1": ([YOLOX, NANODET], WEIGHTED),
}
"""Name -> files of the networks whose boxes are fused, and settings."""


@dataclass(frozen=True)
class Scene:
    """Clips of one class; `unseen` ones have truth and are not trained on."""

    name: str
    clips: Sequence[str]
    unseen: Sequence[str] = ()
    joined: dict[str, str] = field(default_factory=dict)


SCENES = {
    "ball": Scene("sports ball", ["sports/soccer_juggle.mp4"], joined=BALL),
    "dogs": Scene("dog", ["dogs/dog_fetch.mp4", "dogs/dogs_play_garden.mp4"]),
    "trains": Scene("train", ["trains/train_day.mp4", "trains/train_rain.mp4"]),
    "rain": Scene("train", ["trains/train_day.mp4"], ["trains/train_rain.mp4"]),
    "garden": Scene("dog", ["dogs/dog_fetch.mp4"], ["dogs/dogs_play_garden.mp4"]),
}


def main() -> None:
    """Run the scenes and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scenes", default=",".join(SCENES))
    parser.add_argument("--teachers", action="store_true", help="compare teachers, train nothing")
    parser.add_argument("--jobs", type=int, default=1, help="workspaces that are trained at once")
    parser.add_argument("--home", type=Path, help="keep the workspaces here, and go on with them")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = options.home or Path(scratch)
        names = options.scenes.split(",")
        if options.teachers:
            for name in names:
                _print_teachers(name, home / name)
        else:
            _train_all(names, home, options)


def _train_all(names: Sequence[str], home: Path, options: argparse.Namespace) -> None:
    """Train every scene with every seed, some at once, and print the scenes."""
    tasks = [task for name in names for task in _tasks(name, options.seeds)]
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        list(pool.map(_prepare, names, repeat(home)))
        results: dict[Task, list[Round]] = {}
        for task, found in zip(tasks, pool.map(_result, tasks, repeat(home)), strict=True):
            results[task] = found
            if set(_tasks(task.scene, options.seeds)) <= set(results):
                _print_scene(task.scene, results)


def _print_teachers(name: str, home: Path) -> None:
    """Print the scores of each network alone and of both fused, and the gain over each alone."""
    print(f"\n{name}: {SCENES[name].name}; AP / AP50, labels, gain over each one before in AP")
    before: list[DetectionScores] = []
    for label, (files, settings) in TEACHERS.items():
        root = home / label.replace(", ", "-").replace(":", "-")
        init_scene(
            root, SCENES[name], [f"onnx:{DATA}/weights/{file}.onnx" for file in files], settings
        )
        reelabel.run(root, rounds=1, until="merge", quiet=True)
        workspace = Workspace.open(root)
        scores, labels = _of_teacher(workspace, SCENES[name].name)
        gains = (paired_difference(one.resamples, scores.resamples) for one in before)
        shown = "  ".join(f"{g.mean:+.3f} ({g.low:+.3f} to {g.high:+.3f})" for g in gains)
        text = f"{scores.overall.ap:.3f} / {scores.overall.ap50:.3f}"
        quality = f"P {labels.precision.value:.2f} R {labels.recall.value:.2f}"
        print(f"  {label:<9} {scores.n_frames} frames  {text}  {quality}  {shown}", flush=True)
        before.append(scores)
        if agreed := teachers_agreement(workspace, read_config(workspace), 0):
            print(f"  {agreed}", flush=True)


def _of_teacher(workspace: Workspace, name: str) -> tuple[DetectionScores, LabelQuality]:
    """Return how good the detections of the first round are, and the labels made of them."""
    truth, tables = [], {DETECTIONS: {}, LABELS: {}}
    for video_id in workspace.shards(TRUTH_FRAMES):
        rows = (workspace.read(table, video_id) for table in (TRUTH_FRAMES, TRUTH))
        truth += truth_frames(video_id, *rows, [name])
        for table, found in tables.items():
            boxes = boxes_by_pts(workspace.read(table, video_id, 0), [name])
            found.update({(video_id, pts): some for pts, some in boxes.items()})
    found = [tables[DETECTIONS].get(frame.key, Boxes.empty()) for frame in truth]
    scores = detection_scores(truth, found, (name,), threshold=0.5, n_resamples=500, seed=0)
    return scores, label_quality(truth, tables[LABELS], (name,))


def _print_scene(name: str, results: Mapping[Task, list[Round]]) -> None:
    """Print the models of a scene, each with its gain over the one before."""
    own, *runs = (results[task] for task in results if task.scene == name and task.kind != "drawn")
    frames, before = own[0].frames, own[0].models["teacher"]
    print(f"\n{name}: {SCENES[name].name}, {frames} frames with truth, {len(runs)} seeds")
    print(f"  {runs[0][0].choice}")
    _line("teacher, own input", before)
    first = runs[0][0].models
    for role in ("teacher", "start"):
        _line(f"not trained: {role}", first[role], before)
    not_trained = max((first[role] for role in ("teacher", "start")), key=lambda m: m.ap)
    before = not_trained
    for number in range(ROUNDS):
        student = Measured.mean([run[number].models["student"] for run in runs])
        _line(f"student, round {number}", student, before)
        before = student
    _line("the same, to not trained", before, not_trained)
    drawn = [
        found[0] for task, found in results.items() if (task.scene, task.kind) == (name, "drawn")
    ]
    if drawn:
        roles = (
            Measured.mean([one.models[role] for one in drawn]) for role in ("start", "student")
        )
        start, student = roles
        _line("trained on drawn boxes", student, start)


@dataclass(frozen=True)
class Task:
    """One workspace: the teacher at its own input, a seed, or a half of the drawn boxes."""

    scene: str
    kind: Literal["own", "seed", "drawn"]
    number: int = 0


def _tasks(name: str, seeds: int) -> list[Task]:
    tasks = [Task(name, "own"), *(Task(name, "seed", seed) for seed in range(seeds))]
    halves = [] if SCENES[name].unseen else [Task(name, "drawn", half) for half in (0, 1)]
    return tasks + halves


def _result(task: Task, home: Path) -> list[Round]:
    """Bring a workspace to the end of its rounds and return their scores."""
    scene, home = SCENES[task.scene], home / task.scene
    if task.kind == "own":
        settings = {"tune": {"input": "own"}, "train": {"max_steps": 1}}
        return _scored(init_scene(home / "own", scene), 1, **settings)
    if task.kind == "seed":
        return _scored(_copied(home, task.number), ROUNDS, train={"seed": task.number})
    return _scored(_drawn(home / f"drawn{task.number}", scene, task.number), 1)


def _drawn(root: Path, scene: Scene, half: int) -> Path:
    """Return a workspace that trains on half of the drawn boxes, to be scored on the others.

    Its labels are right, of the same clips, and few: what a student could learn at best.
    """
    if not root.exists():
        files = [_half(root.with_name(f"half{n}-{half}.json"), n) for n in (half, 1 - half)]
        init_scene(root, scene, truth=files[1])
        reelabel.import_labels(root, files[0], what="labels")
    return root


def _half(path: Path, half: int) -> Path:
    """Write every other part of the annotated frames of each clip as COCO."""
    coco = json.loads(TRUTH_FILE.read_text())
    videos: dict[str, list[dict[str, Any]]] = {}
    for image in sorted(coco["images"], key=lambda image: image["frame_index"]):
        videos.setdefault(image["video"], []).append(image)
    coco["images"] = [
        image
        for images in videos.values()
        for number, image in enumerate(images)
        if number * PARTS // len(images) % 2 == half
    ]
    ids = {image["id"] for image in coco["images"]}
    coco["annotations"] = [each for each in coco["annotations"] if each["image_id"] in ids]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco))
    return path


@dataclass(frozen=True)
class Measured:
    """AP and AP50 of a model on hand-drawn boxes, and its AP in every resample of them."""

    ap: float
    ap50: float
    series: np.ndarray

    @classmethod
    def mean(cls, found: Sequence[Measured]) -> Measured:
        """Return the mean over trainings with different seeds."""
        parts = [np.mean([getattr(one, f) for one in found], axis=0) for f in cls.__annotations__]
        return cls(*parts)


@dataclass(frozen=True)
class Round:
    """The models of a round, on how many annotated frames they were scored, and at what input."""

    frames: int
    models: dict[str, Measured]
    choice: str


def _line(name: str, found: Measured, before: Measured | None = None) -> None:
    """Print a mean with its interval, and its gain over another."""
    text = f"  {name:<26} {found.ap:.3f} {_interval(found.series, '.2f')} / {found.ap50:.3f}"
    if before is not None:
        gain = found.series - before.series
        text += f"   {found.ap - before.ap:+.3f} {_interval(gain, '+.3f')}"
    print(text, flush=True)


def _interval(series: np.ndarray, form: str) -> str:
    low, high = np.percentile(series, (2.5, 97.5))
    return f"({low:{form}} to {high:{form}})"


def _scored(root: Path, rounds: int, **settings: Any) -> list[Round]:
    """Bring a workspace to the end of its rounds and return their scores."""
    settings |= {"advance": {"keep_going": True}}
    reelabel.run(root, rounds=rounds, settings=settings, quiet=True)
    return [_round(root / "rounds" / str(number)) for number in range(rounds)]


def _round(folder: Path) -> Round:
    scores, resamples = Scores.load(folder), Resamples.load(folder)
    models = {
        role: Measured(
            found.overall.ap.value, found.overall.ap50.value, np.array(resamples.ap[role], float)
        )
        for role, found in scores.truth.models.items()
    }
    return Round(scores.truth.frames, models, str(InputChoice.load(folder)))


def init_scene(
    root: Path,
    scene: Scene,
    detector: Sequence[str] = (f"onnx:{DATA}/weights/{YOLOX}.onnx",),
    settings: Mapping[str, Any] = MappingProxyType({}),
    *,
    truth: Path = TRUTH_FILE,
) -> Path:
    """Return the root of a workspace of a scene, which is made if it is not there."""
    if not root.exists():
        test = {"test_videos": [str(DATA / "videos" / clip) for clip in scene.unseen]}
        reelabel.init(
            root,
            classes=[scene.name],
            videos=[DATA / "videos" / clip for clip in scene.clips],
            detector=list(detector),
            truth=truth,
            settings={
                "class_map": dict(scene.joined),
                **settings,
                **(test if scene.unseen else {}),
            },
        )
    return root


def _prepare(name: str, home: Path) -> None:
    """Make the labels of a scene, once for all seeds."""
    reelabel.run(
        init_scene(home / name / "base", SCENES[name]), rounds=1, until="split", quiet=True
    )


def _copied(home: Path, seed: int) -> Path:
    """Return a copy of the workspace whose labels are made."""
    root = home / f"seed{seed}"
    if not root.exists():
        shutil.copytree(home / "base", root)
    return root


if __name__ == "__main__":
    main()
