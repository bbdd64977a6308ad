"""What a step sees: pictures, boxes that move with them, and the order."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from reelabel.errors import DecodeError, FormatError, MissingInput, UsageError  # noqa: E402 -- torch
from reelabel.models.students.registry import family_of  # noqa: E402 -- torch
from reelabel.training.augmentation import Augmentation, augment_image  # noqa: E402 -- torch
from reelabel.training.boxes.augmentation import (  # noqa: E402 -- torch
    augment_boxes,
    clip_visible,
    sample,
)
from reelabel.training.boxes.batches import Batches, PictureCache  # noqa: E402 -- torch
from reelabel.training.boxes.schedule import BatchSchedule  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch
from reelabel.training.boxes.training_set import read_training_set, target_scores  # noqa: E402 -- torch
from reelabel.training.job import loader  # noqa: E402 -- torch
from reelabel.training.jobs import make_job  # noqa: E402 -- torch
from reelabel.training.schedule import BatchItem, StepSampler, total_steps  # noqa: E402 -- torch

pytestmark = pytest.mark.train
SIZE = 96


def edited(folder, change):
    """Change train.json by a function."""
    path = folder / "train.json"
    coco = json.loads(path.read_text())
    change(coco)
    path.write_text(json.dumps(coco))
    return folder


@given(seed=st.integers(0, 10_000))
def test_boxes_move_with_the_picture(seed):
    """A bright rectangle lies where its box goes, to a pixel, whatever the augmentation."""
    settings = BoxTrainSettings(colour_gain=0, brightness=0, scale_min=0.7, scale_max=1.5)
    image = np.zeros((64, 96, 3), np.uint8)
    image[20:44, 30:66] = 255
    augmentation = sample(np.random.default_rng(seed), settings, (96, 64))
    moved = augment_image(image, augmentation, (96, 64))
    box = augment_boxes(np.array([[30, 20, 66, 44]], np.float32), augmentation)
    clipped, visible, _ = clip_visible(box, (96, 64))
    seen = np.argwhere(moved[:, :, 0] > 180)
    if visible[0]:
        found = [*seen.min(0)[::-1], *(seen.max(0)[::-1] + 1)]
        assert np.abs(found - clipped[0]).max() <= 1.0


def test_mirrored_twice_is_the_same():
    """Mirroring a box about the middle twice gives it back."""
    mirror = Augmentation(scale_xy=(-1.0, 1.0), shift_xy=(96.0, 0.0))
    box = np.array([[3, 4, 20, 30]], np.float32)
    assert np.allclose(augment_boxes(augment_boxes(box, mirror), mirror), box)


def test_box_that_is_mostly_gone_becomes_ignored(squares):
    """A box of which less than 30 % stays in the picture is an ignore region, not a label."""
    settings = BoxTrainSettings()
    data = read_training_set(squares(1, 0), "train", settings)
    picture = data.pictures[0]
    first = picture.positive.xyxy[0].tolist()
    away = Augmentation(shift_xy=(-first[0] - 15.0, 0.0))  # 5 of its 20 columns stay
    target = Batches(data, settings, SIZE).target(picture, away, (96, 64))
    assert target.class_id.tolist() == [1]
    assert target.ignore.tolist() == [[0.0, first[1], 5.0, first[3]]]


def test_states_are_read(squares):
    """Crowds become ignore regions, hard negatives are kept; settings can leave both out."""

    def change(coco):
        coco["annotations"][1]["iscrowd"] = 1
        negative = {"bbox": [1, 2, 3, 4], "category": "red", "score": 0.9}
        coco["images"][0]["hard_negatives"] = [negative]

    folder = edited(squares(1, 0), change)
    picture = read_training_set(folder, "train", BoxTrainSettings()).pictures[0]
    assert picture.positive.class_id.tolist() == [0]
    assert picture.negative.xyxy.tolist() == [[1, 2, 4, 6]]
    assert len(picture.ignore) == 1
    off = BoxTrainSettings(use_ignore=False, use_negatives=False)
    picture = read_training_set(folder, "train", off).pictures[0]
    assert (len(picture.positive), len(picture.ignore), len(picture.negative)) == (1, 0, 0)


def test_filled_boxes_get_a_soft_target_score(squares):
    """A box that the tracker filled in is trained towards a lower score, all others towards 1."""

    def change(coco):
        coco["annotations"][0]["origin"] = "tracker"

    folder = edited(squares(1, 0), change)
    boxes = read_training_set(folder, "train", BoxTrainSettings()).pictures[0].positive
    assert target_scores(boxes, 0.5).tolist() == pytest.approx([0.9, 1])  # 1 - 0.5 * (1 - 0.8)
    assert target_scores(boxes, 0.0).tolist() == [1, 1]


def test_boxes_without_area_are_left_out(squares):
    """A label without area has nothing to learn from; it is not a label."""

    def change(coco):
        coco["annotations"][0]["bbox"] = [3, 4, 0, 5]

    data = read_training_set(edited(squares(1, 0), change), "train", BoxTrainSettings())
    assert data.pictures[0].positive.class_id.tolist() == [1]


def test_background_pictures_are_mixed_in_by_share(squares):
    """One in four pictures is background at a share of a third; each label is seen as often."""
    data = read_training_set(squares(6, 4), "train", BoxTrainSettings())
    schedule = BatchSchedule(
        data, BoxTrainSettings(background_share=1 / 3, batch_size=4, max_steps=20)
    )
    seen = Counter(each.example for step in range(18) for each in schedule.batch(step))
    assert {seen[i] for i in data.labelled} == {9}
    assert sum(seen[i] for i in data.background) == 18


def test_background_is_never_seen_more_often_than_labels(squares):
    """A single background picture is not repeated to fill its share."""
    data = read_training_set(squares(6, 1), "train", BoxTrainSettings())
    schedule = BatchSchedule(
        data, BoxTrainSettings(background_share=2.0, batch_size=7, max_steps=20)
    )
    seen = Counter(each.example for step in range(12) for each in schedule.batch(step))
    assert set(seen.values()) == {12}


def test_pictures_with_hard_negatives_come_more_often(squares):
    """One of three labelled pictures holds a hard negative and comes thrice as often."""

    def change(coco):
        coco["images"][0]["hard_negatives"] = [{"bbox": [1, 2, 30, 40], "category": "red"}]

    settings = BoxTrainSettings(negative_repeat=3, batch_size=5, max_steps=20)
    data = read_training_set(edited(squares(3, 0), change), "train", settings)
    schedule = BatchSchedule(data, settings)
    seen = Counter(each.example for step in range(10) for each in schedule.batch(step))
    assert sorted(seen.values()) == [10, 10, 30]


def test_pictures_that_a_person_drew_in_come_more_often(squares):
    """One of three labelled pictures holds a drawn box and comes four times as often."""

    def change(coco):
        for note in coco["annotations"]:
            note["origin"] = "person" if note["image_id"] == 1 else "teacher"

    settings = BoxTrainSettings(drawn_repeat=4, batch_size=6, max_steps=20)
    data = read_training_set(edited(squares(3, 0), change), "train", settings)
    schedule = BatchSchedule(data, settings)
    seen = Counter(each.example for step in range(10) for each in schedule.batch(step))
    assert [seen[number] for number in range(3)] == [40, 10, 10]


def test_a_crop_is_aimed_at_hard_negatives_too(squares):
    """Where a crop shows a part of the picture, a hard negative far from any object is seen."""

    def change(coco):
        for image in coco["images"]:
            image["hard_negatives"] = [{"bbox": [0, 0, 6, 6], "category": "red"}]

    settings = BoxTrainSettings(crop=32, image_size=96, max_steps=20)
    data = read_training_set(edited(squares(2, 0), change), "train", settings)
    batches = Batches(data, settings, SIZE)
    targets = [batches.example(BatchItem(0, step, 0))[1] for step in range(40)]
    assert sum(len(target.negative) > 0 for target in targets) >= 10


def test_crops_may_lie_anywhere(squares):
    """A share of the crops is not aimed at an object, so that many show none."""
    empty = {}
    for share in (0.0, 1.0):
        settings = BoxTrainSettings(crop=32, image_size=96, crop_anywhere=share)
        data = read_training_set(squares(1, 0, name=f"s{share}"), "train", settings)
        batches = Batches(data, settings, SIZE)
        targets = [batches.example(BatchItem(0, step, 0))[1] for step in range(40)]
        empty[share] = sum(not len(target.xyxy) for target in targets)
    assert empty[0.0] <= 2
    assert empty[1.0] >= 8


def test_order_depends_on_the_step_alone(squares):
    """A sampler that starts later hands out exactly what the first would have from there on."""
    settings = BoxTrainSettings(max_steps=9, batch_size=3)
    schedule = BatchSchedule(read_training_set(squares(), "train", settings), settings)
    whole = list(StepSampler(schedule, 0))
    assert list(StepSampler(schedule, 4)) == whole[4:]
    assert len(StepSampler(schedule, 4)) == 9


def test_processes_share_a_step(squares):
    """Two devices together see what one would see."""
    settings = BoxTrainSettings(max_steps=3, batch_size=4)
    schedule = BatchSchedule(read_training_set(squares(), "train", settings), settings)
    parts = [list(StepSampler(schedule, 0, rank, 2)) for rank in (0, 1)]
    both = [sorted(a + b, key=lambda each: each.slot) for a, b in zip(*parts, strict=True)]
    assert both == list(StepSampler(schedule, 0))


def test_batches_are_the_same_whoever_loads_them(squares):
    """A batch depends on its draws alone, also without room in memory."""
    settings = BoxTrainSettings(max_steps=3, batch_size=4, image_size=SIZE)
    data = read_training_set(squares(), "train", settings)
    draws = BatchSchedule(data, settings).batch(1)
    small = settings.model_copy(update={"cache_mb": 0})
    for images, targets in [Batches(data, settings, SIZE)[draws]]:
        again, same = Batches(data, small, SIZE)[draws]
        assert images.shape == (4, 3, 64, 96)
        assert torch.equal(images, again)
        assert all(torch.equal(a.xyxy, b.xyxy) for a, b in zip(targets, same, strict=True))


def test_another_step_is_another_change(squares):
    """The same picture looks different at another step."""
    settings = BoxTrainSettings(image_size=SIZE)
    batches = Batches(read_training_set(squares(), "train", settings), settings, SIZE)
    first, second = (batches.example(BatchItem(0, step, 0))[0] for step in (0, 1))
    assert not torch.equal(first, second)


def test_loader_walks_through_the_steps(squares):
    """The loader gives one batch for each step that is left."""
    settings = BoxTrainSettings(max_steps=5, batch_size=2, image_size=SIZE, student="centernet")
    job = make_job(squares(), settings, family_of(settings))
    walked = list(loader(job, 2, 0, 1))
    assert [len(targets) for _, targets in walked] == [2, 2, 2]


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({"max_steps": 7}, 7),
        ({"epochs": 10, "min_steps": 1, "batch_size": 10}, 100),
        ({"epochs": 10, "min_steps": 500, "batch_size": 10}, 500),
    ],
)
def test_number_of_steps(given, steps):
    """Steps follow from epochs, but are `min_steps` at least, and `max_steps` overrules both."""
    assert total_steps(100, 0.0, BoxTrainSettings(**given)) == steps


def test_wrong_data_sets_are_named(squares, tmp_path):
    """Missing, damaged and empty data sets and pictures end in our errors."""
    settings = BoxTrainSettings(image_size=SIZE)
    with pytest.raises(MissingInput):
        read_training_set(tmp_path / "nowhere", "train", settings)
    with pytest.raises(UsageError, match="positive labels"):
        BatchSchedule(read_training_set(squares(0, 2, name="empty"), "train", settings), settings)
    folder = squares()
    (folder / "frames" / "train0.png").write_bytes(b"no picture")
    with pytest.raises(DecodeError):
        PictureCache(read_training_set(folder, "train", settings), SIZE, 0).image(0)
    (folder / "train.json").write_text("[]")
    with pytest.raises(FormatError):
        read_training_set(folder, "train", settings)


def test_missing_val_is_empty(squares):
    """A data set without a validation split is no error."""
    folder = squares()
    (folder / "val.json").unlink()
    assert read_training_set(folder, "val", BoxTrainSettings()).pictures == ()
