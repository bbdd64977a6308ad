"""Torch networks of students as the function that detection calls."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from reelabel.data.boxes import Boxes
from reelabel.models.students.inference import Inputs, Network
from reelabel.models.students.settings import Device
from reelabel.models.students.targets import Found, Student


def prepared_device() -> Device:
    """Return ``cuda`` if there is such a GPU, else ``cpu`` with torch set to one thread.

    More threads than one wait for each other as soon as anything else runs.
    """
    if torch.cuda.is_available():
        return "cuda"
    torch.set_num_threads(1)
    return "cpu"


def torch_network(student: nn.Module | Student, device: Device | torch.device) -> Network:
    """Return what a student in eval mode finds, as a function of arrays."""
    model = cast("Student", student)

    def network(images: Inputs) -> list[Boxes]:
        with torch.inference_mode():
            given = torch.from_numpy(images).to(device)
            return [_boxes(each) for each in model.forward_detect(given)]

    return network


def _boxes(found: Found) -> Boxes:
    def array(each: Tensor) -> Tensor:
        return each.detach().cpu()

    xyxy, score, class_id = (array(each) for each in found)
    return Boxes(xyxy.float().numpy(), score.float().numpy(), class_id.long().numpy())
