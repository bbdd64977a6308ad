"""Every detector keeps the promises of its interface, and the check is able to fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from reelabel.data.boxes import Boxes
from reelabel.models.base import Image, Predict
from reelabel.models.contract import detector_faults, embedder_faults, sample_pictures
from reelabel.models.registry import load_detector, load_embedder

MAPPING = {"sports ball": "ball", "frisbee": "ball"}


@pytest.mark.parametrize(
    ("spec", "options", "wanted"),
    [
        ("fake:", {}, ()),
        ("fake:", {"threshold": 100}, ("warm", "cold")),
        ("motion", {}, ("ball",)),
        ("motion", {"shape": "round", "window": 5}, ("ball",)),
        ("motion", {"follow_camera": False, "work_side": 64}, ()),
    ],
)
def test_detectors_without_weights(spec, options, wanted):
    """Detectors that need no weights keep the contract."""
    assert detector_faults(load_detector(spec, options=options, wanted=wanted)) == []


@pytest.mark.parametrize("file", ["yolox_nano.onnx", "nanodet_m_320.onnx"])
def test_onnx_detectors(data_dir, file):
    """ONNX detectors keep the contract, at a floor so low that they say much."""
    spec = f"onnx:{data_dir}/weights/{file}"
    assert detector_faults(load_detector(spec, options={"floor": 0.001})) == []


def test_mapped_detector(data_dir):
    """A detector with joined and left-out classes keeps the contract."""
    spec = f"onnx:{data_dir}/weights/yolox_nano.onnx"
    detector = load_detector(
        spec, options={"floor": 0.001}, wanted=["ball", "dog"], mapping=MAPPING
    )
    assert detector.classes == ("ball", "dog")
    assert detector_faults(detector) == []


@pytest.mark.parametrize("spec", ["tiny", "fake:"])
def test_embedders_without_weights(spec):
    """Embedders that need no weights keep the contract."""
    assert embedder_faults(load_embedder(spec)) == []


@pytest.mark.parametrize(
    ("file", "dimensions"),
    [("osnet_x0_25_msmt17.onnx", 512), ("person-reidentification-retail-0248.onnx", 256)],
)
def test_onnx_embedders(data_dir, file, dimensions):
    """ONNX embedders keep the contract, with channels first and with channels last."""
    embedder = load_embedder(f"onnx:{data_dir}/weights/{file}")
    assert embedder.dimensions == dimensions
    assert embedder_faults(embedder) == []


@pytest.mark.parametrize(
    ("file", "dimensions"),
    [
        ("yolox_nano.onnx", 2 * (64 + 128 + 128)),
        ("nanodet_m_320.onnx", 2 * (116 + 232 + 96)),
        ("FastestDet.onnx", 2 * (48 + 96 + 192)),
        ("osnet_x0_25_msmt17.onnx", 2 * (64 + 96 + 128)),
        ("person-reidentification-retail-0248.onnx", 2 * (64 + 96 + 128)),
    ],
)
def test_onnx_features_embedders(data_dir, file, dimensions):
    """Pooled feature levels of detectors and of networks with channels last keep the contract."""
    embedder = load_embedder(f"onnx-features:{data_dir}/weights/{file}")
    assert embedder.dimensions == dimensions
    assert embedder_faults(embedder) == []


SHARED: list[int] = []


@dataclass(frozen=True)
class Bad:
    """A detector with one fault at a time."""

    fault: str = ""
    name: str = "bad"
    classes: tuple[str, ...] = ("thing",)
    fingerprint: str = "f"
    fit_wh: tuple[int, int] | None = None
    in_order: bool = False
    batch_size: int = 1

    def open(self) -> Predict:
        """Return a function with the fault."""
        calls: list[int] = SHARED if self.fault == "shared" else []
        rng = np.random.default_rng()

        def one(picture: Image, together: int) -> Boxes:
            h, w = picture.shape[:2]
            box, score, class_id = [0.0, 0.0, w, h], 0.5, 0
            if self.fault == "outside":
                box[2] = w + 1
            if self.fault == "score":
                score = 1.5
            if self.fault == "class":
                class_id = 1
            if self.fault == "random":
                score = rng.random()
            if self.fault == "batch":
                score = 0.5 / together
            if self.fault == "shared":
                calls.append(1)
                score = 1 / len(calls)
            return Boxes(np.array([box]), np.array([score]), np.array([class_id]))

        def predict(pictures: Sequence[Image]) -> list[Boxes]:
            found = [one(picture, len(pictures)) for picture in pictures]
            return found[:1] if self.fault == "short" else found

        return predict


def test_the_sound_one_passes():
    """The detector that the faults are put into has none without them."""
    assert detector_faults(Bad()) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("outside", "inside the picture"),
        ("score", "0..1"),
        ("class", "point into classes"),
        ("random", "the second time"),
        ("batch", "one by one"),
        ("shared", "disturb each other"),
        ("short", "4 pictures gave 1"),
    ],
)
def test_faults_are_found(fault, said):
    """Each broken promise is named."""
    assert any(said in line for line in detector_faults(Bad(fault)))


def test_descriptions_are_checked():
    """A description without names or identity is a fault."""
    faults = detector_faults(replace(Bad(), classes=(), fingerprint="", batch_size=0))
    assert [line.split()[0] for line in faults[:3]] == ["classes", "fingerprint", "batch_size"]


def test_sample_pictures_follow_their_seed():
    """The pictures to check with are the same for a seed and differ between seeds."""
    first, again, other = sample_pictures(), sample_pictures(), sample_pictures(seed=1)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
