"""What a step of a classifier sees: windows, one change for all their pictures, and the order."""

import json
from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

torch = pytest.importorskip("torch")

from reelabel.errors import DecodeError, MissingInput, UsageError  # noqa: E402 -- torch
from reelabel.models.students.classes.inputs import Preprocessing  # noqa: E402 -- torch
from reelabel.training.augmentation import augment_image  # noqa: E402 -- torch
from reelabel.training.classes.augmentation import (  # noqa: E402 -- torch
    flip_share,
    positions,
    sample,
)
from reelabel.training.classes.batches import ClassBatches, Inputs  # noqa: E402 -- torch
from reelabel.training.classes.pictures import PictureCache  # noqa: E402 -- torch
from reelabel.training.classes.schedule import ClassSchedule  # noqa: E402 -- torch
from reelabel.training.classes.settings import ClipTrainSettings  # noqa: E402 -- torch
from reelabel.training.classes.training_set import (  # noqa: E402 -- torch
    Examples,
    balanced,
    informative,
    positive_weight,
    read_examples,
)
from reelabel.training.schedule import StepSampler  # noqa: E402 -- torch

pytestmark = pytest.mark.train
HOW = Preprocessing(size=32)
NAN = float("nan")


def examples_of(target, *, exclusive=True, weight=None):
    """Return examples with these targets, without pictures."""
    target = np.array(target, np.float32)
    n, k = target.shape
    weight = np.ones(n, np.float32) if weight is None else np.array(weight, np.float32)
    names = tuple("abcdef"[:k])
    return Examples(names, exclusive, ((),) * n, target, weight, np.arange(n))


def inputs_of(folder, split="train", cache_mb=64, **more):
    """Return the inputs of a split."""
    given = {"frames": 4, "any_length": False, **more}
    return Inputs(read_examples(folder, split), PictureCache(HOW, cache_mb), HOW, **given)


def test_all_pictures_of_a_window_change_alike(tmp_path):
    """A window of equal pictures stays one: crop, mirroring and colour are drawn once."""
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8), (48, 32))
    cv2.imwrite(str(tmp_path / "a.png"), image)
    rows = [{"video": "v", "pts": i, "until_pts": i, "pictures": ["a.png"] * 4, "group": "v",
             "classes": {"a": i, "b": 1 - i}} for i in (0, 1)]  # fmt: skip
    (tmp_path / "train.json").write_text(json.dumps({"classes": ["a", "b"], "moments": rows}))
    inputs = inputs_of(tmp_path)
    plain = inputs.plain(0)
    changed = [
        inputs.augmented(0, np.random.default_rng(seed), ClipTrainSettings(), 0.5)
        for seed in range(8)
    ]
    for clip in changed:
        assert all(np.array_equal(clip[0], picture) for picture in clip)
    assert len({clip.tobytes() for clip in [plain, *changed]}) == 9


@given(seed=st.integers(0, 10_000), wide=st.booleans())
def test_a_crop_lies_inside_the_picture(seed, wide):
    """No border is seen: every pixel of the input comes from the picture."""
    how = Preprocessing(size=24, resize="crop", crop=0.8)
    size_wh = (60, 30) if wide else (30, 45)
    settings = ClipTrainSettings(colour_gain=0, brightness=0, crop_min=0.3, crop_aspect=1.5)
    change = sample(np.random.default_rng(seed), settings, how, size_wh=size_wh, flip=0.5)
    white = np.full((size_wh[1], size_wh[0], 3), 255, np.uint8)
    seen = augment_image(white, change, (24, 24))
    assert seen[1:-1, 1:-1].min() == 255
    assert seen.min() >= 180  # half a pixel at the very edge is mixed with the border


def test_a_mirrored_example_moves_the_other_way(moving):
    """Mirroring turns the direction, so it is off where a class names one, and can be set."""
    assert flip_share(ClipTrainSettings(), ["leftward", "rightward"]) == 0
    assert flip_share(ClipTrainSettings(), ["turns clockwise", "other"]) == 0
    assert flip_share(ClipTrainSettings(), ["upright", "cleft", "dog"]) == 0.5
    assert flip_share(ClipTrainSettings(flip=1), ["left", "right"]) == 1
    inputs = inputs_of(moving)
    assert np.array_equal(inputs.plain(0, mirrored=True), inputs.plain(0)[:, :, ::-1])


@given(
    length=st.integers(1, 40), frames=st.integers(1, 16), jitter=st.floats(0, 0.9),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_times_stay_inside_the_window_and_in_order(length, frames, jitter, seed):
    """Pictures are taken in order from inside the window; without jitter both ends are kept."""
    found = positions(np.random.default_rng(seed), length, frames, jitter)
    assert len(found) == min(length, frames)
    assert (np.diff(found) >= 0).all()
    assert found.min() >= 0
    assert found.max() < length
    if frames > 1:
        assert found[-1] - found[0] >= int((1 - jitter) * (min(length, 10**9) - 1)) - 1
    if jitter == 0 and 1 < frames <= length:
        assert (found[0], found[-1]) == (0, length - 1)


def test_short_windows_are_filled_up_or_named_short(make_moving):
    """A student of fixed length sees the last picture again; another is told how many there are."""
    folder = make_moving(count=4, frames=3)
    inputs = inputs_of(folder)
    clip = inputs.plain(0)
    assert len(clip) == 4
    assert np.array_equal(clip[2], clip[3])
    assert len(inputs_of(folder, any_length=True).plain(0)) == 3


def test_windows_never_mix(moving):
    """Each row of a batch holds the pictures of its own window, with its own target."""
    inputs = inputs_of(moving)
    settings = ClipTrainSettings(
        batch_size=3, max_steps=4, flip=0, crop_min=1, crop_aspect=1, colour_gain=0, brightness=0
    )
    schedule = ClassSchedule(inputs.data, settings)
    batches = ClassBatches(inputs, settings, inputs.data.weight)
    for step in range(4):
        items = schedule.batch(step)
        batch = batches[items]
        for row, item in enumerate(items):
            assert np.array_equal(batch.inputs[row].numpy(), inputs.plain(item.example))
            assert np.array_equal(batch.target[row], inputs.data.target[item.example])


def test_batches_are_the_same_whoever_loads_them(moving):
    """A batch depends on its step alone, also without room in memory and from a later start."""
    settings = ClipTrainSettings(batch_size=3, max_steps=4, time_jitter=0.5)
    first, second = (inputs_of(moving, cache_mb=mb) for mb in (64, 0))
    schedule = ClassSchedule(first.data, settings)
    whole = list(StepSampler(schedule, 0))
    assert list(StepSampler(schedule, 2)) == whole[2:]
    for items in whole:
        one, two = (ClassBatches(i, settings, i.data.weight)[items] for i in (first, second))
        assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_each_example_is_seen_as_often():
    """Without balance the schedule is shuffled passes over all examples."""
    data = examples_of([[1, 0]] * 5 + [[0, 1]] * 2)
    schedule = ClassSchedule(data, ClipTrainSettings(batch_size=7, max_steps=10))
    seen = Counter(each.example for step in range(4) for each in schedule.batch(step))
    assert set(seen.values()) == {4}


@pytest.mark.parametrize("exclusive", [True, False])
def test_sampling_shows_each_class_as_often(exclusive):
    """One rare and one frequent class take turns; questions without a right answer do too."""
    targets = [[1, 0]] * 9 + [[0, 1]] * 1 + ([] if exclusive else [[0, 0]] * 5)
    data = examples_of(targets, exclusive=exclusive)
    settings = ClipTrainSettings(batch_size=6, max_steps=30, class_balance="sampling")
    schedule = ClassSchedule(data, settings)
    seen = Counter(
        tuple(data.target[each.example]) for step in range(30) for each in schedule.batch(step)
    )
    assert len(set(seen.values())) == 1
    assert sum(seen.values()) == 180


def test_weights_make_classes_count_alike():
    """The sum of weights is the same for each class, and the mean weight stays 1."""
    data = examples_of([[1, 0, 0]] * 12 + [[0, 1, 0]] * 3 + [[0, 0, 1]] * 5)
    weight = balanced(data)
    sums = [weight[data.target[:, c] == 1].sum() for c in range(3)]
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-5)
    assert weight.mean() == pytest.approx(1)


def test_positive_weights_are_the_ratio_of_answers():
    """Three wrong answers for each right one make that weigh three; unknown ones do not count."""
    data = examples_of([[1, NAN], [0, 1], [0, NAN], [0, NAN]], exclusive=False)
    assert positive_weight(data).tolist() == [3, 1]


@pytest.mark.parametrize(
    ("row", "exclusive", "known"),
    [
        ([1, 0, 0], True, True), ([1, NAN, NAN], True, True), ([0, NAN, NAN], True, True),
        ([0, 0, 0], True, False), ([NAN] * 3, True, False), ([NAN] * 3, False, False),
        ([0, 0, 0], False, True),
    ],
)  # fmt: skip
def test_what_says_nothing_is_left_out(row, exclusive, known):
    """Exclusive classes need one that is possible; questions need one answer."""
    assert informative(np.array([row], np.float32), exclusive).tolist() == [known]


def test_wrong_data_sets_are_named(coloured, moving, tmp_path):
    """Missing and useless data sets, missing and unequal pictures end in our errors."""
    with pytest.raises(MissingInput):
        read_examples(tmp_path / "nowhere", "train")
    assert len(read_examples(tmp_path / "nowhere", "val")) == 0
    with pytest.raises(UsageError, match="show only: a"):
        ClassSchedule(examples_of([[1, 0]] * 3), ClipTrainSettings())
    inputs = inputs_of(coloured, frames=1)
    with pytest.raises(DecodeError):
        PictureCache(HOW, 1).image(tmp_path / "none.png")
    how = Preprocessing(size=16, resize="crop")
    cv2.imwrite(str(tmp_path / "tall.png"), np.zeros((90, 30, 3), np.uint8))
    first = inputs.data.pictures[0][0]
    with pytest.raises(DecodeError, match="same shape"):
        PictureCache(how, 1).window([first, tmp_path / "tall.png"])


@pytest.mark.parametrize(
    "wrong", [{"image_size": 16}, {"student": "cnn3d:x"}, {"backbone": "half"}]
)
def test_wrong_values_are_refused(wrong):
    """A value out of range, or one that means nothing, is an error."""
    with pytest.raises(ValidationError):
        ClipTrainSettings(**wrong)


def test_settings_are_described_once():
    """Each field has a description; those shared with detectors have the same one."""
    from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: PLC0415 -- for one test
    from reelabel.training.settings import TrainSettings  # noqa: PLC0415 -- for one test

    assert all(field.description for field in ClipTrainSettings.model_fields.values())
    for name in set(TrainSettings.model_fields) - {"student"}:
        ours, theirs = (kind.model_fields[name] for kind in (ClipTrainSettings, BoxTrainSettings))
        assert theirs.description.startswith(ours.description.rstrip("."))
    assert ClipTrainSettings().schedule == "cosine"
    assert BoxTrainSettings().schedule == "constant"
