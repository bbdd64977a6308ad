"""The input size of a student that detects before its training; see `models.input_size`."""

from __future__ import annotations

from reelabel.evaluation.frames import spread
from reelabel.media.pictures import read_rgb
from reelabel.models.input_size import AGREEMENT_BY_SIZE, PICTURES, SIZES, choose_size
from reelabel.models.self_agreement import BothViews
from reelabel.models.students.folder import ModelCard
from reelabel.models.students.inference import Network, Predictor
from reelabel.models.students.inputs import reduce
from reelabel.training.boxes.batches import largest_input
from reelabel.training.boxes.training_set import TrainingSet


def with_chosen_size(card: ModelCard, network: Network, data: TrainingSet) -> ModelCard:
    """Return a card with the input size that suits a data set, and what it was chosen by.

    Args:
        card: with the size that holds if too little is found.
        network: of the student, which detects already.
        data: whose pictures are looked at; sizes beyond theirs are not tried.

    Raises:
        DecodeError: if a picture is missing or damaged.
    """
    some = spread(data.pictures, PICTURES)
    pictures = [reduce(read_rgb(one.path), min(SIZES[-1], max(one.size_wh))) for one in some]

    def views_at(size: int) -> BothViews:
        single = card.model_copy(update={"image_size": size, "flip_test": False})
        return BothViews.of(Predictor(network, single), pictures, card.nms_iou)

    found = choose_size(views_at, largest_input(data))
    by_size = {str(size): round(value, 4) for size, value in found.agreement.items()}
    update = {
        "image_size": found.image_size or card.image_size,
        "training": card.training | {AGREEMENT_BY_SIZE: by_size},
    }
    return card.model_copy(update=update)
