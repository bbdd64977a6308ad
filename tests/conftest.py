"""What all tests share: the folder of real footage, and where it is looked for."""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import hypothesis
import numpy as np
import pytest

from reelabel.cli import main
from reelabel.config import Project
from reelabel.data.video import Video
from reelabel.engine.stage import Unit
from reelabel.media.encode import VideoWriter
from reelabel.models import registry
from reelabel.models.classifiers.fake import FakeClassifier, FakeOptions
from reelabel.tables import VIDEOS
from reelabel.workspace.folder import OutputFolder

ROOT = Path(__file__).parent.parent
os.environ.pop("COLUMNS", None)  # else what is printed would be as wide as the tests' own output

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("reelabel", deadline=None)
hypothesis.settings.load_profile("reelabel")


SLOW = (
    "test_real_loop.py",
    "damage/test_training.py",
    "test_unlucky.py",
    "test_damage.py",
    "training/test_fit.py",
    "classes/test_class_fit.py",
    "stages/test_tune.py",
    "docs/test_pages.py",
)
"""Files that take longest; they begin first, so that no worker waits for another at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first; the order within a file, and of the others, stays."""

    def rank(item: pytest.Item) -> int:
        path = item.path.as_posix()
        return next((n for n, name in enumerate(SLOW) if path.endswith(name)), len(SLOW))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real videos, annotations and weights, or skip."""
    folder = Path(os.environ.get("REELABEL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set REELABEL_TEST_DATA to the folder that holds it")
    return folder


MINED = {
    "cars_topdown_jitter": "traffic/cars_topdown.mp4",
    "dogs_play": "dogs/dogs_play_garden.mp4",
    "highway": "traffic/highway.mp4",
    "soccer_juggle": "sports/soccer_juggle.mp4",
    "street_cuts_jitter": "scenes/street_cuts.mp4",
    "train_rain_jitter": "trains/train_rain.mp4",
}


@pytest.fixture(params=sorted(MINED))
def mined_footage(data_dir, request) -> tuple[Path, Path]:
    """Return each video that the published miner was run on, and the folder of what it wrote."""
    name = request.param
    return data_dir / "videos" / MINED[name], data_dir / "golden" / "flicker" / name


def disc_clip(path: Path, seed: int = 0, frames: int = 20) -> Path:
    """Write a clip of 160 x 96 pixels in which one bright disc moves over a dark ground."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(20, 110, (12, 20, 3), dtype=np.uint8), (160, 96))
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, time_base=Fraction(1, 600), rate=25) as writer:
        for i in range(frames):
            centre = (20 + 6 * i, 30 + 12 * (seed % 4) + round(8 * np.sin(i / 3)))
            picture = cv2.circle(ground.copy(), centre, 9, (250, 240, 230), -1, cv2.LINE_AA)
            writer.write(picture, 24 * i)
    return path


@pytest.fixture(scope="session")
def make_disc_clip():
    """Return the function that writes a clip with one bright disc."""
    return disc_clip


@pytest.fixture(scope="session")
def disc_clips(tmp_path_factory) -> list[Path]:
    """Return four clips with one bright disc each; copy them before you change anything."""
    folder = tmp_path_factory.mktemp("clips")
    return [disc_clip(folder / f"clip{i}.mp4", i) for i in range(4)]


COLOURS = {"red": (220, 20, 20), "green": (20, 220, 20), "blue": (20, 20, 220)}
"""The colours that the classifier ``fake:`` tells apart."""


def colour_clip(path: Path, parts, fps: int = 25) -> Path:
    """Write a clip of 64 x 48 pixels that shows one colour after another.

    `parts` are pairs of a colour's name and seconds.
    """
    rng = np.random.default_rng(len(parts))
    path.parent.mkdir(parents=True, exist_ok=True)
    names = [name for name, seconds in parts for _ in range(round(seconds * fps))]
    with VideoWriter(path, time_base=Fraction(1, 600), rate=fps) as writer:
        for i, name in enumerate(names):
            noise = rng.integers(-12, 13, (48, 64, 1))
            picture = np.clip(np.array(COLOURS[name]) + noise, 0, 255).astype(np.uint8)
            writer.write(picture, i * (600 // fps))
    return path


@pytest.fixture(scope="session")
def make_colour_clip():
    """Return the function that writes a clip of colours."""
    return colour_clip


def textured_clip(path: Path, colour, seed: int = 0, frames: int = 12) -> Path:
    """Write a clip of 72 x 48 pixels of one colour, on which a bright disc moves."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(-25, 25, (4, 6, 1)).repeat(12, axis=0).repeat(12, axis=1)
    y, x = np.mgrid[:48, :72]
    path.parent.mkdir(parents=True, exist_ok=True)
    with VideoWriter(path, time_base=Fraction(1, 10), rate=Fraction(10)) as writer:
        for t in range(frames):
            picture = np.clip(np.array(colour) + ground + rng.integers(-4, 4, (48, 72, 1)), 0, 255)
            picture[(x - 8 - 4 * t) ** 2 + (y - 24) ** 2 < 36] = 250
            writer.write(picture.astype(np.uint8), t)
    return path


@pytest.fixture(scope="session")
def make_textured_clip():
    """Return the function that writes a clip of one colour with a moving disc."""
    return textured_clip


@pytest.fixture
def clip_model(monkeypatch) -> str:
    """Return the name of a classifier of clips: red, green, blue; four pictures, 0.2 s apart."""

    def load(request):
        options = FakeOptions(frames=4, step_s=0.2)
        return FakeClassifier(tuple(COLOURS), options, request.spec)

    module = types.ModuleType("clip_plug_in")
    module.load = load
    monkeypatch.setitem(sys.modules, "clip_plug_in", module)
    monkeypatch.setitem(registry._BUILT_IN[registry.CLASSIFIERS], "clips", "clip_plug_in:load")
    return "clips:"


@pytest.fixture
def reelabel(monkeypatch, capsys):
    """Return a function that runs our command line here: arguments in, code, out and err out."""

    def run(*arguments) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["reelabel", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


class RowsInMemory:
    """Stands for what a stage reads: rows by table name, without any workspace."""

    def __init__(self, rows, previous=()):
        self._rows, self._previous = rows, dict(previous)

    def rows(self, table, video_id, *, previous=False, columns=None):
        """Return the rows of a table, empty if none were given."""
        assert video_id == "v"
        rows = (self._previous if previous else self._rows).get(table.name, table.empty())
        return rows if columns is None else rows.select(columns)


def video_at(path="v.mp4", size_wh=(100, 100)) -> Video:
    """Return a video that is registered nowhere."""
    row = {c.name: "" if str(c.type) == "string" else 0 for c in VIDEOS.columns}
    row |= {"video_id": "v", "path": str(path), "name": "v.mp4", "state": "ok", "role": "footage"}
    return Video.from_row(row | {"width": size_wh[0], "height": size_wh[1]}, Path())


@pytest.fixture(scope="session")
def make_video():
    """Return a function from a path and a size to a video that is registered nowhere."""
    return video_at


@pytest.fixture(scope="session")
def make_unit():
    """Return a function that makes what a stage function is given, without any workspace."""

    def make(stage, rows, *, settings=None, video=None, previous=(), round_number=0):
        return Unit(
            root=Path(),
            project=Project(classes=("ball",)),
            settings=settings or stage.settings(),
            round_number=round_number,
            inputs=RowsInMemory(rows, previous),
            resource=None,
            files=OutputFolder(Path(), Path("unused")),
            tick=lambda *_: None,
            target=video or video_at(),
        )

    return make


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute with one thread: tests share the machine."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
