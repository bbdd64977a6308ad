"""demo: the whole loop on footage that it renders itself, against a truth that is known."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.engine.run import Options
from reelabel.errors import UsageError
from reelabel.files import read_json
from reelabel.formats.coco import read_coco, write_coco
from reelabel.models.students.folder import WEIGHTS
from reelabel.output_files import check_output
from reelabel.pipeline import Run, read_config, run
from reelabel.synthetic.footage import MANIFEST, render
from reelabel.synthetic.objects import Shape
from reelabel.verbs.ablate import ablate
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.init import init
from reelabel.verbs.report import report
from reelabel.verbs.show import Shown, show
from reelabel.workspace import Workspace
from reelabel.workspace.results import Ablation
from reelabel.workspace.rounds import model_dir

SETTINGS: dict[str, Any] = {
    "detector_options": {"shape": "round"},
    "sample": {"every": 2},
    # Motion detection has low scores where it is wrong: weak boxes must not be confirmed.
    "mine": {"gap": {"enabled": False}, "smooth": {"enabled": False}},
    "train": {"student": "centernet", "max_steps": 400, "image_size": 320, "crop": 192},
    "advance": {"keep_going": True},
}
"""What the demo does other than by default: two rounds whatever they bring, in minutes."""
VIDEOS = 9
SHAPES: tuple[Shape, ...] = ("square", "bar")
"""What moves beside the balls. A hoop has the outline of a ball: a teacher that goes by motion and
roundness takes every one for a ball, and no student unlearns what most of its labels repeat."""
SEEDS = 2
SHORT = {"max_steps": 40, "lr": 0.001}
"""Trainings that only compare kinds of evidence go on from the student of the first round. Begun
from nothing and as short, the same labels gave an AP of .01 to .19, by seed."""
TRUTH_EVERY = 4
"""Frames of which one is scored: neighbours are almost the same, and each costs time."""


@dataclass(frozen=True)
class Demo:
    """Where the demo left its things."""

    workspace: Workspace
    run: Run
    ablation: Ablation
    report: Path
    shown: list[Shown]


def demo(
    folder: Path | str = "demo", *, seed: int = 0, rounds: int = 2, quiet: bool | None = None
) -> Demo:
    """Render footage, label it without any weights, train on the labels, and go round again.

    Args:
        folder: a new folder for everything; one that holds an unfinished demo is gone on with.
        seed: of the footage and of the training.
        rounds: how many rounds.
        quiet: show no progress; None shows it to a person only.

    Raises:
        UsageError: if the folder holds something else.
    """
    check_arguments(seed=seed, rounds=rounds, quiet=quiet)
    check_output(folder)
    home = Path(folder)
    workspace = _begun(home, seed)
    config = read_config(workspace)
    options = Options.given(config.engine, quiet=quiet)
    done = run(workspace, config, options, rounds=rounds)
    begun = {"weights": (model_dir(workspace, 0) / WEIGHTS).resolve()}
    worth = ablate(workspace, seeds=SEEDS, train=SHORT | begun, quiet=quiet)
    assert isinstance(worth, Ablation)  # noqa: S101 -- the demo finds boxes
    shown = show(workspace, pictures=4, quiet=quiet)
    return Demo(workspace, done, worth, report(workspace), shown)


def _begun(home: Path, seed: int) -> Workspace:
    """Return the demo's workspace, made if it is not there."""
    root, footage = home / "workspace", home / "footage"
    if (root / "reelabel.yaml").is_file():
        return Workspace.open(root)
    if home.exists() and any(p.name != "footage" for p in home.iterdir()):
        raise UsageError(f"{home}: expected a new folder for the demo, but it holds something else")
    truth = thinned(render(footage, videos=VIDEOS, seed=seed, shapes=SHAPES))
    manifest = read_json(footage / MANIFEST)
    return init(
        root,
        classes=["ball"],
        videos=[footage / name for name in manifest["footage"]],
        test_videos=[footage / name for name in manifest["held_out"]],
        detector="motion",
        truth=truth,
        settings=SETTINGS | {"seed": seed},
    )


def thinned(truth: Path) -> Path:
    """Write every `TRUTH_EVERY`-th frame of a file of true boxes beside it, and return its path."""
    data = read_coco(truth)
    kept = [i for i, image in enumerate(data.images) if (image.frame_index or 0) % TRUTH_EVERY == 0]
    path = truth.with_name(f"{truth.stem}_every_{TRUTH_EVERY}.json")
    write_coco(path, data.subset(kept))
    return path
