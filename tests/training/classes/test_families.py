"""Every family of classifiers builds, trains, is saved, comes back and keeps the contract."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import ModelError, UsageError  # noqa: E402 -- torch
from reelabel.models.contract import classifier_faults  # noqa: E402 -- torch
from reelabel.models.registry import load_classifier, load_detector  # noqa: E402 -- torch
from reelabel.models.students.classes.card import read_class_card  # noqa: E402 -- torch
from reelabel.models.students.registry import built_in, family_of  # noqa: E402 -- torch
from reelabel.training.classes.settings import (  # noqa: E402 -- torch
    ClassTrainSettings,
    ClipTrainSettings,
)
from reelabel.training.registry import load_trainer  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
QUICK = {
    "max_steps": 2, "batch_size": 2, "warmup_steps": 0, "check_every": 2, "accelerator": "cpu",
    "precision": "32",
}  # fmt: skip
PICTURES = {
    "simple": {"image_size": 32},
    "mobilenet_v3_small": {"image_size": 32},
    "torchvision:squeezenet1_1": {"image_size": 32},
    "timm:resnet10t": {"image_size": 32},
    "fake": {},
}
CLIPS = {
    "cnn3d": {"image_size": 32},
    "tsm": {"image_size": 32},
    "tsm:resnet10t": {"image_size": 32},
    "tsm:mobilenetv3_small_050": {"image_size": 32},
    "cnn-lstm": {"image_size": 32},
    "cnn-lstm:resnet10t": {"image_size": 32, "differences": False},
    "gru:mobilenet_v3_small": {"image_size": 32, "backbone": "tuned"},
    "torchvision-video:r3d_18": {"image_size": 32},
    "torchvision-video:swin3d_t": {"image_size": 32},
    "fake": {},
}


def train(data, model, student, **settings):
    """Train two steps; return the classifier."""
    kind = ClipTrainSettings if student in CLIPS and "moving" in str(data) else ClassTrainSettings
    given = kind(student=student, **QUICK | settings)
    load_trainer(given).fit(data, model, lambda *_: None)
    return load_classifier(f"student:{model}")


def test_every_family_is_tested_here():
    """No family is without a case above; the one of transformers has tests of its own."""
    tested = {
        family_of(kind(student=student)).name
        for kind, students in ((ClassTrainSettings, PICTURES), (ClipTrainSettings, CLIPS))
        for student in students
    }
    assert tested | {"hf-video"} == set(built_in("classes"))


@pytest.mark.parametrize("student", PICTURES)
def test_students_of_pictures(coloured, tmp_path, student):
    """Two steps leave a folder that stands alone and keeps the contract of classifiers."""
    found = train(coloured, tmp_path / "model", student, **PICTURES[student])
    assert (found.classes, found.exclusive, found.frames) == (("red", "blue"), True, 1)
    assert classifier_faults(found) == []


@pytest.mark.parametrize("student", CLIPS)
def test_students_of_clips(moving, tmp_path, student):
    """Two steps on windows leave a folder that keeps the contract and names frames and step."""
    found = train(moving, tmp_path / "model", student, step_s=0.2, **CLIPS[student])
    assert (found.classes, found.frames) == (("leftward", "rightward"), 4)
    assert found.step_s == 0.2
    assert classifier_faults(found) == []


@pytest.mark.parametrize("student", ["cnn3d", "cnn-lstm:resnet10t", "gru:mobilenet_v3_small"])
def test_what_is_read_back_is_what_was_trained(moving, tmp_path, student, monkeypatch):
    """The network of the folder gives the very outputs of the one that was trained."""
    kept = []
    family = family_of(ClipTrainSettings(student=student))
    save = type(family).save

    def keep(self, folder, network):
        kept.append(network)
        save(self, folder, network)

    monkeypatch.setattr(type(family), "save", keep)
    train(moving, tmp_path / "model", student, **CLIPS[student])
    read = family.load(tmp_path / "model", read_class_card(tmp_path / "model"))
    pictures = torch.randint(0, 256, (2, 4, 32, 32, 3), dtype=torch.uint8)
    with torch.inference_mode():
        lengths = torch.tensor([4, 3])
        assert torch.equal(read(pictures, lengths), kept[0].eval()(pictures, lengths))


def test_a_student_continues_from_an_earlier_one(coloured, tmp_path):
    """The weights of a trained folder can be initial weights, also of a student of a library."""
    for student in ("simple", "mobilenet_v3_small"):
        first = tmp_path / student
        train(coloured, first, student, **PICTURES[student])
        card = read_class_card(first)
        settings = ClassTrainSettings(
            student=student, weights=first / "model.safetensors", **PICTURES[student]
        )
        family = family_of(settings)
        started = family.build(settings, card.classes, 1).eval()
        pictures = torch.randint(0, 256, (2, 1, 32, 32, 3), dtype=torch.uint8)
        with torch.inference_mode():
            lengths = torch.tensor([1, 1])
            expected = family.load(first, card)(pictures, lengths)
            assert torch.equal(started(pictures, lengths), expected)


def test_a_student_of_pictures_judges_windows_by_their_mean(moving, tmp_path):
    """Trained on windows it sees each picture; its answer is the mean, whatever the order."""
    found = train(moving, tmp_path / "model", "simple", image_size=32)
    assert found.frames == 1
    rng = np.random.default_rng(0)
    window = [rng.integers(0, 256, (32, 48, 3), dtype=np.uint8) for _ in range(3)]
    classify = found.open()
    alone = classify([[image] for image in window])
    np.testing.assert_allclose(classify([window])[0], alone.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(classify([window[::-1]])[0], classify([window])[0], atol=1e-6)


def test_students_of_clips_are_not_offered_for_pictures():
    """A task of single pictures refuses a student of clips and does not list it."""
    with pytest.raises(UsageError, match="classifies clips"):
        load_trainer(ClassTrainSettings(student="cnn3d"))
    assert "cnn3d" not in ClassTrainSettings.model_fields["student"].description
    assert "cnn3d" in ClipTrainSettings.model_fields["student"].description


def test_auto_is_a_student_of_the_task():
    """Where nothing is set, pictures and clips each have a student that needs no weights."""
    assert load_trainer(ClassTrainSettings()).family.frames == 1
    assert load_trainer(ClipTrainSettings()).family.frames > 1


def test_folders_of_the_other_kind_are_refused(coloured, tmp_path):
    """A classifier's folder is no detector, and the message names both tasks."""
    train(coloured, tmp_path / "model", "simple", image_size=32)
    with pytest.raises(ModelError, match="task 'detect', but got one for 'classify'"):
        load_detector(f"student:{tmp_path / 'model'}")


def test_outputs_that_are_no_numbers_are_an_error(coloured, tmp_path):
    """A network that returns NaN ends in an error, not in probabilities."""
    found = train(coloured, tmp_path / "model", "simple", image_size=32)
    classify = found.open()
    with torch.no_grad():
        classify._network.head.linear.bias.fill_(float("nan"))
    with pytest.raises(ModelError, match="no numbers"):
        classify([[np.zeros((8, 8, 3), np.uint8)]])


@pytest.mark.parametrize(
    ("student", "message"),
    [
        ("timm:resnet10", "did you mean 'resnet10t'"),
        ("torchvision:resnet19", "did you mean 'resnet18'"),
        ("torchvision:googlenet", "expected a classifier of torchvision"),
        ("tsm:vit_tiny_patch16_224", "residual blocks"),
    ],
)
def test_networks_that_cannot_serve_are_named(student, message):
    """An unknown or unfit network of a library is an error that names what to choose."""
    settings = ClipTrainSettings(student=student)
    with pytest.raises(ModelError, match=message):
        family_of(settings).build(settings, ("a", "b"), 4)


def test_a_frozen_backbone_needs_weights():
    """A backbone that starts from chance and is never trained is refused."""
    for student in ("gru:resnet18", "resnet18"):
        with pytest.raises(UsageError, match="needs initial weights"):
            load_trainer(ClipTrainSettings(student=student, backbone="frozen"))


def test_published_weights_need_a_network_or_a_file(tmp_path, monkeypatch):
    """Offline the error names the file and where to put it; with the file there it is used."""
    from torchvision.models import get_model  # noqa: PLC0415 -- slow

    monkeypatch.setenv("REELABEL_CACHE", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    settings = ClassTrainSettings(student="mobilenet_v3_small", weights="pretrained", image_size=32)
    family = family_of(settings)
    with pytest.raises(ModelError, match="Without a network, put the file at") as refused:
        family.build(settings, ("a", "b"), 1)
    place = str(refused.value).partition("put the file at ")[2].partition(",")[0]
    net = get_model("mobilenet_v3_small", weights=None)
    torch.save(net.state_dict(), place)
    network = family.build(settings, ("a", "b"), 1)
    assert torch.equal(network.backbone.net.features[0][0].weight, net.features[0][0].weight)
    assert network.backbone_rate < 1


def test_weights_of_another_network_are_refused(tmp_path):
    """Initial weights must be complete: half a network would be trained from chance unnoticed."""
    from torchvision.models import get_model  # noqa: PLC0415 -- slow

    path = tmp_path / "weights.pth"
    torch.save(get_model("mobilenet_v3_large", weights=None).state_dict(), path)
    settings = ClassTrainSettings(student="mobilenet_v3_small", weights=path, image_size=32)
    with pytest.raises(ModelError, match="are missing or have other shapes"):
        family_of(settings).build(settings, ("a", "b"), 1)
