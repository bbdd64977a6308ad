"""Several detectors are taken by the command, by `reelabel.yaml` and by the Python API alike."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

import reelabel as api
from reelabel.errors import ConfigError, ModelError, UsageError
from reelabel.pipeline import read_config
from reelabel.tables import DETECTIONS
from reelabel.verbs.report_boxes import report_boxes
from reelabel.workspace import Workspace

SETTINGS = {"clean": {"score": 0.2}, "sample": {"every": 4}}


@pytest.fixture
def files(data_dir):
    """Return the paths of two networks."""
    return [str(data_dir / "weights" / f"{n}.onnx") for n in ("yolox_nano", "nanodet_m_320")]


def detector_in(root):
    """Return the detector in a workspace's settings, as it is written there."""
    return yaml.safe_load((root / "reelabel.yaml").read_text())["detector"]


def test_the_command_and_the_function_write_the_same_list(reelabel, files, disc_clips, tmp_path):
    """Each file is found from everywhere; one detector alone is no list."""
    flags = [each for file in files for each in ("--detector", file)]
    clips = ["--videos", disc_clips[0].parent]
    assert reelabel("init", tmp_path / "a", "--classes", "dog", *clips, *flags)[0] == 0
    api.init(tmp_path / "b", classes="dog", videos=disc_clips, detector=files)
    api.init(tmp_path / "c", classes="dog", videos=disc_clips, settings={"detector": files})
    assert all(detector_in(tmp_path / name) == files for name in "abc")
    assert (
        reelabel("init", tmp_path / "d", "--classes", "dog", *clips, "--detector", files[0])[0] == 0
    )
    assert detector_in(tmp_path / "d") == files[0]
    assert reelabel("init", tmp_path / "e", "--classes", "dog", *clips)[0] == 0
    assert detector_in(tmp_path / "e") == "yolox-nano"


@pytest.mark.parametrize(
    ("detector", "error", "message"),
    [
        (["motion", "none"], ConfigError, "'none' cannot be fused"),
        (["motion", "motion"], ConfigError, "twice"),
        (["nix:a", "motion"], ModelError, "names no kind of model"),
        (["net.onnx", "motion"], ModelError, r"net\.onnx"),
    ],
)
def test_init_refuses_what_cannot_be_fused(detector, error, message, tmp_path):
    """Before anything is made the reason is stated."""
    with pytest.raises(error, match=message):
        api.init(tmp_path / "w", classes="dog", videos=[tmp_path], detector=detector)
    assert not (tmp_path / "w").exists()


def test_init_refuses_options_of_a_detector_that_is_not_there(disc_clips, tmp_path):
    """The nearest label is named."""
    options = {"detector_options": {"members": {"fale": {}}}}
    with pytest.raises(UsageError, match="did you mean 'fake'"):
        api.init(
            tmp_path / "w",
            classes="dog",
            videos=disc_clips,
            detector=["fake:", "motion"],
            settings=options,
        )


def test_init_names_a_class_that_no_file_has(files, disc_clips, tmp_path):
    """Where all detectors are on this machine, a class that none has is refused at once."""
    with pytest.raises(ModelError, match=r"none of yolox_nano, nanodet_m_320 has .*'sports ball'"):
        api.init(tmp_path / "w", classes="ball", videos=disc_clips, detector=files)
    api.init(tmp_path / "v", classes="ball", videos=disc_clips, detector=[*files, "motion"])


def left(image):
    """Find a box at the left of a picture."""
    return [(5, 5, 25, 25, 0.9, 0)] if image.any() else []


def near(image):
    """Find nearly the same."""
    return [(6, 5, 26, 25, 0.6, 0), (60, 60, 80, 80, 0.5, 0)] if image.any() else []


def test_functions_and_names_are_fused(disc_clips, tmp_path):
    """A run takes functions and names in one list, and each detection names who found it."""
    made = api.init(
        tmp_path / "w", classes="ball", videos=disc_clips[:2], detector="motion", settings=SETTINGS
    )
    done = api.run(made, detector=[left, near], until="merge", rounds=1, quiet=True)
    assert done.exit_code == 0
    names = {
        name
        for video_id in made.shards(DETECTIONS, 0)
        for name in made.read(DETECTIONS, video_id, 0)["found_by"].to_pylist()
    }
    parts = sorted(f"{one.__module__}.{one.__qualname__}" for one in (left, near))
    assert names == {" + ".join(parts), parts[1]}
    picture = np.full((96, 160, 3), 90, np.uint8)
    found = api.predict([left, near], picture, min_score=0.1)
    assert [box["score"] for box in found.boxes] == [0.75, 0.25]


def test_predict_takes_several_by_name(files, data_dir):
    """One name stands for several detectors, in Python and in the command."""
    clip = data_dir / "videos/dogs/dog_fetch.mp4"
    spec = f"fused:{files[0]} + {files[1]}"
    by_name, by_list = (
        api.predict(model, clip, end_s=0.1, classes=["dog"], min_score=0.1, quiet=True)
        for model in (spec, files)
    )
    assert by_name.boxes == by_list.boxes != []


def test_tables_and_the_report_name_the_teachers(reelabel, disc_clips, tmp_path):
    """The run prints how often they agree, the report too, with each of them as a model."""
    clips = ["--videos", disc_clips[0].parent, "--set", "clean.score=0.2"]
    root = tmp_path / "w"
    flags = ["--detector", "fake:", "--detector", "motion", "--set", "train.student=fake"]
    assert reelabel("init", root, "--classes", "ball", *clips, *flags)[0] == 0
    code, printed, _ = reelabel("run", root, "--rounds", 1, "-q")
    assert code == 0
    assert "Teachers: both found " in printed
    assert "teacher (fake + motion)" in printed
    workspace = Workspace.open(root)
    shown = report_boxes(workspace, read_config(workspace)).read_text()
    assert "both found " in shown
    assert "teacher (fake + motion)" in shown
