"""A trained student as one ONNX file that holds in its metadata all that is needed to use it.

A classifier takes pictures as they are, bytes of RGB with the channels last, and gives
probabilities: normalisation and softmax or sigmoid are inside. A detector takes and gives what its
family's own exports do. `onnx_metadata` defines the keys.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from reelabel.errors import ModelError, UsageError
from reelabel.files import write_atomic
from reelabel.models.onnx_session import open_session, run
from reelabel.models.students.box_family import BoxNetworkFamily
from reelabel.models.students.classes.calibration import read_calibration
from reelabel.models.students.classes.card import ClassCard, read_class_card
from reelabel.models.students.classes.family import ClassNetworkFamily
from reelabel.models.students.classes.inference import probabilities
from reelabel.models.students.folder import (
    MODEL_JSON,
    TRAINED_ON,
    ModelCard,
    fingerprint,
    read_card,
    task_of,
)
from reelabel.models.students.inputs import PAD
from reelabel.models.students.onnx_metadata import OnnxMetadata, Precision
from reelabel.models.students.registry import family_named
from reelabel.models.students.torch_onnx import write_onnx

TOLERANCE = {"float32": 1e-4, "float16": 5e-2}
"""Largest difference between the outputs in torch and in ONNX Runtime, relative to the largest, by
the number format of the file."""

_INPUT = "pictures"
_PROBE_WH = (64, 96)
_BATCH = 3
"""Of the check: another size than that of the example."""


def export_onnx(model_dir: Path, path: Path, precision: Precision = "float32") -> OnnxMetadata:
    """Write the student in a model folder as one ONNX file with an open batch size.

    Args:
        model_dir: of a finished student.
        path: the file; it appears when its outputs were compared with torch's.
        precision: number format of weights and activations; inputs and outputs stay as they are.

    Returns:
        What the file's metadata holds.

    Raises:
        ModelError: if the folder is no finished student, its network cannot be written as ONNX, or
            the outputs differ.
        UsageError: if the family has no such form.
        WorkspaceError: if the file cannot be written.
    """
    if task_of(model_dir) == ClassCard.model_fields["task"].default:
        return _export_classifier(model_dir, path, precision)
    return _export_detector(model_dir, path, precision)


class _Classifier(nn.Module):
    """Pictures ``(b, s, s, 3)`` or windows ``(b, t, s, s, 3)`` in, probabilities ``(b, k)`` out.

    They are calibrated: logits are divided by the temperature.
    """

    def __init__(self, network: nn.Module, card: ClassCard, temperature: float) -> None:
        super().__init__()
        self.temperature = temperature
        self.network, self.frames, self.exclusive = network, card.frames, card.exclusive

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the probabilities of full windows."""
        windows = pictures if self.frames > 1 else pictures[:, None]
        lengths = torch.full((windows.shape[0],), self.frames, dtype=torch.int64)
        return probabilities(self.network(windows, lengths) / self.temperature, self.exclusive)


def _export_classifier(model_dir: Path, path: Path, precision: Precision) -> OnnxMetadata:
    card = read_class_card(model_dir)
    family = family_named(card.kind, str(model_dir / MODEL_JSON), "classes")
    if not isinstance(family, ClassNetworkFamily):
        raise _no_network(model_dir, card.kind)
    how = card.preprocessing
    found = read_calibration(model_dir, fingerprint(model_dir))
    # Of means over the pictures of a window the network of single pictures has no part.
    is_applied = found is None or card.frames > 1 or found.pictures == 1
    metadata = OnnxMetadata(
        task=card.task,
        classes=card.classes,
        exclusive=card.exclusive,
        frames=card.frames,
        step_s=card.step_s,
        layout="bthwc" if card.frames > 1 else "bhwc",
        # The network itself normalises.
        preprocessing=how.model_dump(mode="json", exclude={"mean", "std"}),
        precision=precision,
        video_ids=tuple(card.training.get(TRAINED_ON, ())),
        temperature=found.temperature if found else None,
        is_applied=is_applied,
    )
    window = (card.frames,) if card.frames > 1 else ()
    shape = (1, *window, how.size, how.size, 3)
    example = torch.zeros(shape, dtype=torch.uint8)
    inside = metadata.temperature if is_applied else None
    module = _Classifier(family.load(model_dir, card), card, inside or 1.0)
    export_module(module, example, path, metadata)
    return metadata


def _export_detector(model_dir: Path, path: Path, precision: Precision) -> OnnxMetadata:
    card: ModelCard = read_card(model_dir)
    family = family_named(card.kind, str(model_dir / MODEL_JSON), "boxes")
    if not isinstance(family, BoxNetworkFamily):
        raise _no_network(model_dir, card.kind)
    module = family.onnx_form(family.load(model_dir, card))
    if module is None:
        raise _no_network(model_dir, card.kind)
    metadata = OnnxMetadata(
        task=card.task,
        classes=card.classes,
        exclusive=False,
        preprocessing={
            "image_size": card.image_size,
            "stride": card.stride,
            "pad": PAD,
            "order": "bgr",
            "score_floor": card.score_floor,
            "nms_iou": card.nms_iou,
        },
        precision=precision,
        video_ids=tuple(card.training.get(TRAINED_ON, ())),
    )
    example = torch.zeros(1, 3, *_PROBE_WH)
    export_module(module, example, path, metadata, open_sides={2: "height", 3: "width"})
    return metadata


def export_module(
    module: nn.Module,
    example: Tensor,
    path: Path,
    metadata: OnnxMetadata,
    *,
    open_sides: dict[int, str] | None = None,
) -> None:
    """Write a network as ONNX, with metadata, and compare its outputs with torch's.

    Args:
        module: one tensor in, one tensor ``(b, ...)`` out.
        example: an input with a batch of 1, uint8 or float32 of 0..255.
        path: the file.
        metadata: what it states of itself.
        open_sides: dimensions of the input beside the batch that stay open -> their names.

    Raises:
        ModelError: if the network cannot be written, or the outputs differ.
        WorkspaceError: if the file cannot be written.
    """
    module = module.cpu().eval()
    write_atomic(path, lambda scratch: _write(module, example, scratch, (metadata, open_sides)))


def _write(
    module: nn.Module,
    example: Tensor,
    path: Path,
    about: tuple[OnnxMetadata, dict[int, str] | None],
) -> None:
    metadata, open_sides = about
    sides = {_INPUT: {0: "batch", **(open_sides or {})}, "outputs": {0: "batch"}}
    write_onnx(module, example, path, sides)
    network = onnx.load(path)
    if metadata.precision == "float16":
        network = _halved(network)
    onnx.helper.set_model_props(network, metadata.props())
    onnx.save(network, path)
    _compare(module, example, path, TOLERANCE[metadata.precision])


def _halved(network: onnx.ModelProto) -> onnx.ModelProto:
    """Return a network that computes in half precision between inputs and outputs as before."""
    from onnxruntime.transformers.float16 import (  # noqa: PLC0415 -- slow, and seldom needed
        convert_float_to_float16,
    )

    halved: onnx.ModelProto = convert_float_to_float16(network, keep_io_types=True)
    return halved


def _compare(module: nn.Module, example: Tensor, path: Path, tolerance: float) -> None:
    """Compare the outputs for random pictures.

    Raises:
        ModelError: if they differ by more than the tolerance.
    """
    shape = (_BATCH, *example.shape[1:])
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    batch = torch.from_numpy(pixels).to(example.dtype)
    with torch.inference_mode():
        expected = module(batch).float().numpy()
    found = run(open_session(path, "cpu"), batch.numpy())[0]
    largest = max(1.0, float(np.abs(expected).max()))
    difference = np.abs(found - expected).max() if found.shape == expected.shape else np.inf
    if not difference <= tolerance * largest:
        raise ModelError(
            f"expected the outputs of the student from its ONNX file, but they differ by "
            f"{difference:.2g}: use the model folder itself, and report this network"
        )


def _no_network(model_dir: Path, kind: str) -> UsageError:
    return UsageError(
        f"expected a student that can be written as ONNX, but '{kind}' in {model_dir} has no such "
        "form: use the model folder itself, or train another student"
    )
