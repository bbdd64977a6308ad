"""Networks that classify: their input, their use of time, their initial weights, their licences."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from reelabel.errors import ModelError, UsageError  # noqa: E402 -- torch
from reelabel.media.pictures import read_rgb  # noqa: E402 -- torch
from reelabel.models.classifiers.fake import FakeClassifier  # noqa: E402 -- torch
from reelabel.models.contract import classifier_faults  # noqa: E402 -- torch
from reelabel.models.registry import load_classifier  # noqa: E402 -- torch
from reelabel.models.students.classes.card import ClassCard  # noqa: E402 -- torch
from reelabel.models.students.classes.inference import model_input, stacked  # noqa: E402 -- torch
from reelabel.models.students.classes.inputs import (  # noqa: E402 -- torch
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    window_of,
)
from reelabel.models.students.classes.licences import (  # noqa: E402 -- torch
    check_licence,
    is_noncommercial,
    known_licence,
)
from reelabel.models.students.classes.networks.base import (  # noqa: E402 -- torch
    ClassNetwork,
    MeanHead,
    PerPicture,
)
from reelabel.models.students.classes.networks.quantised import TensorflowConv  # noqa: E402 -- torch
from reelabel.models.students.classes.networks.tsm import shifted  # noqa: E402 -- torch
from reelabel.models.students.folder import write_card  # noqa: E402 -- torch
from reelabel.models.students.registry import family_of  # noqa: E402 -- torch
from reelabel.models.students.settings import ClassStudentSettings  # noqa: E402 -- torch
from reelabel.training.classes.settings import (  # noqa: E402 -- torch
    ClassTrainSettings,
    ClipTrainSettings,
)

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
CLIPS = ["cnn3d", "tsm", "cnn-lstm", "tsm:resnet10t", "cnn-lstm:resnet10t", "gru:resnet18"]


def built(student, classes=("a", "b", "c"), frames=4, **settings):
    """Return a new student in eval mode, and its family."""
    torch.manual_seed(0)
    given = ClipTrainSettings(student=student, **{"image_size": 32, **settings})
    family = family_of(given)
    return family.build(given, classes, frames).eval(), family


def stirred(net):
    """Return the network with noise on all weights: layers that begin as 0 hide what they do."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=rng), alpha=0.1)
    return net


def windows(n=3, t=4, seed=0):
    """Return random windows of 32 x 32 pixels."""
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, t, 32, 32, 3), generator=rng, dtype=torch.uint8)


@pytest.mark.parametrize("student", CLIPS)
def test_clip_students_use_the_order_of_pictures(student):
    """The same pictures in another order are another clip."""
    net = stirred(built(student)[0])
    clip, lengths = windows(), torch.tensor([4, 4, 4])
    with torch.inference_mode():
        once, turned = net(clip, lengths), net(clip.flip(1), lengths)
    assert (once - turned).abs().max() > 1e-6


@pytest.mark.parametrize("student", CLIPS)
def test_a_window_does_not_depend_on_its_batch_mates(student):
    """Alone or with others, also with longer ones: the outputs of a window are the same."""
    net, family = built(student)
    clip = windows(4)
    lengths = torch.tensor([2, 4, 3, 4] if family.any_length else [4, 4, 4, 4])
    with torch.inference_mode():
        together = net(clip, lengths)
        alone = torch.cat([
            net(clip[i : i + 1, :length], lengths[i : i + 1])
            for i, length in enumerate(lengths.tolist())
        ])
    assert torch.allclose(together, alone, atol=1e-5)


@pytest.mark.parametrize("student", ["cnn-lstm", "gru:resnet18"])
def test_what_fills_up_a_short_window_is_not_read(student):
    """Behind its length a window may hold anything."""
    net, _ = built(student)
    clip, lengths = windows(2), torch.tensor([2, 3])
    other = clip.clone()
    other[0, 2:], other[1, 3:] = 0, 255
    with torch.inference_mode():
        assert torch.allclose(net(clip, lengths), net(other, lengths), atol=1e-6)


def test_shift_moves_an_eighth_each_way():
    """One channel in eight comes from the next picture, one from the one before, the rest stays."""
    maps = torch.arange(3.0).reshape(1, 3, 1, 1, 1).expand(1, 3, 8, 1, 1)
    found = shifted(maps)[0, :, :, 0, 0]
    assert found[:, 0].tolist() == [1, 2, 0]
    assert found[:, 1].tolist() == [0, 0, 1]
    assert (found[:, 2:] == torch.arange(3.0)[:, None]).all()


@pytest.mark.parametrize(("student", "size", "thousands"), [
    ("cnn3d", 64, 182), ("tsm", 64, 61), ("simple", 128, 2490), ("cnn-lstm", 64, 391),
])  # fmt: skip
def test_sizes_are_as_documented(student, size, thousands):
    """The numbers of weights that the documentation states are those of the networks."""
    net, _ = built(student, image_size=size)
    assert round(sum(p.numel() for p in net.parameters()) / 1000) == pytest.approx(thousands, abs=9)


@given(n=st.integers(1, 30), frames=st.integers(1, 20))
def test_windows_are_cut_evenly_or_filled_up(n, frames):
    """A longer window keeps its ends and order; a shorter one all pictures, the last repeated."""
    found = window_of(list(range(n)), frames)
    assert len(found) == frames
    assert found == sorted(found)
    assert found[0] == 0
    assert found[-1] == n - 1 or frames == 1
    if n <= frames:
        assert found[:n] == list(range(n))
    else:
        assert len(set(found)) == frames


@pytest.mark.parametrize("name", ["mobilenet_v2", "efficientnet_b0", "resnet50"])
def test_inputs_are_those_of_the_makers(name):
    """Resizing, cropping and normalising give what torchvision's own transforms give."""
    from PIL import Image  # noqa: PLC0415 -- for one test
    from torchvision.models import get_model_weights  # noqa: PLC0415 -- slow

    net, _ = built(name, image_size=0)
    rng = np.random.default_rng(0)
    image = np.asarray(
        Image.fromarray(rng.integers(0, 256, (9, 14, 3), dtype=np.uint8)).resize((420, 300))
    )
    how = net.preprocessing
    ours = (model_input(image, how) / 255 - np.array(how.mean)) / np.array(how.std)
    theirs = get_model_weights(name).DEFAULT.transforms()(Image.fromarray(image))
    assert ours.shape == (224, 224, 3)
    assert np.abs(ours - theirs.permute(1, 2, 0).numpy()).mean() < 0.01


def test_timm_inputs_are_those_of_the_makers():
    """A network of timm states its size, crop and colours, and they are kept."""
    net, _ = built("timm:tf_efficientnet_lite0", image_size=0)
    how = net.preprocessing
    assert (how.size, how.crop, how.mean) == (224, 0.875, (0.5, 0.5, 0.5))
    assert how.interpolation == "bicubic"


@given(
    h=st.integers(1, 13), w=st.integers(1, 13), kernel=st.sampled_from([1, 3, 5]),
    stride=st.integers(1, 3),
)  # fmt: skip
def test_padding_is_tensorflows(h, w, kernel, stride):
    """Output sides are rounded up, and the odd pixel of padding is on the right and below."""
    conv = TensorflowConv(1, 1, kernel, stride, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
    ones = torch.ones(1, 1, h, w)
    found = conv(ones)[0, 0]
    assert found.shape == (-(-h // stride), -(-w // stride))

    def seen(side, i):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        first = i * stride - total // 2
        return min(first + kernel, side) - max(first, 0)

    expected = [[seen(h, y) * seen(w, x) for x in range(found.shape[1])]
                for y in range(found.shape[0])]  # fmt: skip
    assert found.tolist() == expected


def reference(data_dir, name):
    """Return the network that the loader beside the quantised weights builds."""
    path = data_dir / "weights" / "load_classifiers.py"
    spec = importlib.util.spec_from_file_location("load_classifiers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, name)(data_dir / "weights").eval()


def pictures_of(data_dir, how, count=None):
    """Return inputs of real pictures ``(n, 1, size, size, 3)``."""
    files = sorted((data_dir / "annotated/coco_val/images").glob("*.jpg"))[:count]
    return stacked([model_input(read_rgb(path), how)[None] for path in files])


def test_quantised_mobilenet_is_the_loaders(data_dir, tmp_path):
    """Dequantised weights give the loader's classes on real pictures; other padding does not."""
    weights = data_dir / "weights" / "mobilenet_v2_imagenet1001_uint8.safetensors"
    names = (data_dir / "weights" / "imagenet_labels_1001.txt").read_text().splitlines()
    classes = tuple(f"{i} {name}" for i, name in enumerate(names))
    net, _ = built("mobilenet_v2", classes, weights=weights, image_size=0)
    inputs, lengths = pictures_of(data_dir, net.preprocessing)
    pixels = (inputs[:, 0].float() - 128) / 128
    with torch.inference_mode():
        expected = reference(data_dir, "mobilenet_v2")(pixels.permute(0, 3, 1, 2)).argmax(1)
        assert (net(inputs, lengths).argmax(1) == expected).float().mean() >= 0.95
    for module in net.modules():
        if isinstance(module, TensorflowConv):
            module.__class__ = torch.nn.Conv2d
            module.padding = tuple(side // 2 for side in module.kernel_size)
    with torch.inference_mode():
        assert (net(inputs, lengths).argmax(1) == expected).float().mean() <= 0.7


def test_tensorflow_padding_comes_back(data_dir, tmp_path):
    """A trained folder keeps the padding of its weights."""
    weights = data_dir / "weights" / "mobilenet_v2_imagenet1001_uint8.safetensors"
    net, family = built("mobilenet_v2", weights=weights, image_size=64)
    card = ClassCard(kind=family.name, classes=("a", "b", "c"), image_size=64, arch=net.arch,
                     preprocessing=net.preprocessing)  # fmt: skip
    family.save(tmp_path, net)
    write_card(tmp_path, card)
    read = family.load(tmp_path, card)
    inputs, lengths = pictures_of(data_dir, net.preprocessing, 2)
    with torch.inference_mode():
        assert torch.equal(read(inputs, lengths), net(inputs, lengths))


def test_quantised_efficientnet_is_the_loaders(data_dir):
    """The features of EfficientNet-Lite0 are those that the loader's network gives."""
    weights = data_dir / "weights" / "efficientnet_lite0_imagenet_int8.safetensors"
    net, _ = built("timm:tf_efficientnet_lite0", weights=weights, image_size=0)
    inputs, _ = pictures_of(data_dir, net.preprocessing, 8)
    pixels = (inputs[:, 0].float() / 255 - 0.5) / 0.5
    with torch.inference_mode():
        expected = reference(data_dir, "efficientnet_lite0")(pixels.permute(0, 3, 1, 2))
        found = net.features(inputs)[:, 0]
    assert torch.allclose(found, expected, atol=1e-3)


def test_quantised_weights_of_another_network_are_refused(data_dir):
    """A quantised file that lacks a layer of the network is an error."""
    weights = data_dir / "weights" / "mobilenet_v2_imagenet1001_uint8.safetensors"
    with pytest.raises(ModelError, match="is missing"):
        built("resnet18", weights=weights)


def test_noncommercial_weights_need_consent(monkeypatch):
    """Weights whose licence forbids commercial use are refused unless the settings accept it."""
    refused = ["cc-by-nc-4.0", "CC BY-NC 4.0", "fair-noncommercial-research-license",
               "https://github.com/facebookresearch/SWAG/blob/main/LICENSE"]  # fmt: skip
    assert all(map(is_noncommercial, refused))
    assert not any(map(is_noncommercial, ["mit", "apache-2.0", "bsd-3-clause", "cc-by-4.0", ""]))
    settings = ClassStudentSettings(student="x")
    for hub_id in ("MCG-NJU/videomae-base-finetuned-kinetics", "facebook/timesformer-base"):
        with pytest.raises(UsageError, match="accept_noncommercial"):
            check_licence(hub_id, known_licence(hub_id), settings)
    accepted = settings.model_copy(update={"accept_noncommercial": True})
    check_licence("x", "cc-by-nc-4.0", accepted)
    check_licence("facebook/vjepa2-vitl-fpc64-256", known_licence("facebook/vjepa2-vitl"), settings)
    for student in ("timm:convnextv2_atto", "torchvision:vit_h_14"):
        given = ClassTrainSettings(student=student, weights="pretrained")
        with pytest.raises(UsageError, match="forbids commercial use"):
            family_of(given).build(given, ("a", "b"), 1)


def tiny_video(name, folder):
    """Write a tiny video classifier of the transformers library with random weights."""
    import transformers as tf  # noqa: PLC0415 -- slow

    small = {
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 16, "image_size": 32, "patch_size": 16, "num_labels": 3,
    }  # fmt: skip
    configs = {
        "videomae": lambda: tf.VideoMAEConfig(num_frames=4, **small),
        "timesformer": lambda: tf.TimesformerConfig(num_frames=4, **small),
        "vivit": lambda: tf.VivitConfig(num_frames=4, tubelet_size=[2, 16, 16], **small),
        "vjepa2": lambda: tf.VJEPA2Config(
            crop_size=32, frames_per_clip=4, pred_hidden_size=16, pred_num_hidden_layers=1,
            pred_num_attention_heads=2, num_pooler_layers=1, **small,
        ),
    }  # fmt: skip
    torch.manual_seed(0)
    net = tf.AutoModelForVideoClassification.from_config(configs[name]())
    net.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", ["videomae", "timesformer", "vivit", "vjepa2"])
def test_video_networks_of_transformers(tmp_path, name):
    """A local folder becomes a student of our classes, is saved, comes back and uses time."""
    source = tiny_video(name, tmp_path / "source")
    net, family = built(f"hf-video:{source}", ("a", "b"), image_size=0)
    stirred(net)
    assert (net.frames, net.preprocessing.size) == (4, 32)
    assert net.preprocessing.mean == IMAGENET_MEAN
    card = ClassCard(kind=family.name, classes=("a", "b"), image_size=32, frames=4, step_s=0.1,
                     preprocessing=net.preprocessing)  # fmt: skip
    model = tmp_path / "model"
    model.mkdir()
    family.save(model, net)
    write_card(model, card)
    read = family.load(model, card)
    clip, lengths = windows(2), torch.tensor([4, 4])
    with torch.inference_mode():
        expected = net(clip, lengths)
        assert torch.equal(read(clip, lengths), expected)
        assert not torch.allclose(net(clip.flip(1), lengths), expected, atol=1e-7)
    found = load_classifier(f"student:{model}")
    assert classifier_faults(found) == []


def test_a_models_card_names_its_licence(tmp_path):
    """A folder whose card names a non-commercial licence is refused, with the way to accept it."""
    source = tiny_video("videomae", tmp_path)
    (source / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\nA model.\n")
    with pytest.raises(UsageError, match="accept_noncommercial"):
        built(f"hf-video:{source}", image_size=0)
    built(f"hf-video:{source}", image_size=0, accept_noncommercial=True)


def test_missing_video_networks_are_named(tmp_path):
    """A folder that is not there ends in our error."""
    with pytest.raises(ModelError, match="nothing-here"):
        built(f"hf-video:{tmp_path / 'nothing-here'}", image_size=0)


def test_fake_classifier_keeps_the_contract():
    """The classifier for trying things out answers by colour, of pictures and of windows."""
    assert classifier_faults(FakeClassifier()) == []
    found = load_classifier("fake:", options={"frames": 3}, wanted=("warm", "cold"))
    assert classifier_faults(found) == []
    red = np.full((8, 8, 3), (220, 40, 30), np.uint8)
    assert found.open()([[red] * 3])[0].argmax() == 0


def test_classifiers_are_loaded_by_kind(tmp_path):
    """An unknown kind names the known ones; a round needs its workspace."""
    with pytest.raises(ModelError, match=r"did you mean 'student'.*classifiers: "):
        load_classifier("studnt:x")
    with pytest.raises(ModelError, match="needs the workspace"):
        load_classifier("round:0")
    with pytest.raises(ModelError, match=r"no model\.json"):
        load_classifier("round:0", home=tmp_path)


class HalfAndHalf(FakeClassifier):
    """Breaks the promise of probabilities that sum to 1."""

    def open(self):
        """Return the function."""
        return lambda shown: np.full((len(shown), 3), 0.5, np.float32)


def test_the_contract_finds_faults():
    """A classifier that breaks a promise is told which."""
    assert classifier_faults(HalfAndHalf()) == ["probabilities of exclusive classes must sum to 1"]


def test_inputs_have_the_stated_size():
    """Whatever the picture's shape, the input is a square of the stated side."""
    for resize in ("crop", "stretch"):
        how = Preprocessing(size=24, resize=resize, crop=0.8 if resize == "crop" else 1.0,
                            mean=IMAGENET_MEAN, std=IMAGENET_STD)  # fmt: skip
        for h, w in ((1, 1), (300, 2), (2, 300), (24, 24), (90, 61)):
            assert model_input(np.zeros((h, w, 3), np.uint8), how).shape == (24, 24, 3)


NORMED = (torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())


@pytest.mark.parametrize("fixed", [True, False])
def test_fixed_norms_keep_their_statistics(fixed):
    """A training pass changes the statistics of a backbone's batch norms unless they are fixed."""
    backbone = PerPicture(torch.nn.Sequential(*NORMED))
    network = ClassNetwork(
        backbone, MeanHead(4 * 36, 2), preprocessing=Preprocessing(size=8), frames=1, arch={}
    )
    network.fixed_norms = fixed
    norm = backbone.net[1]
    before = norm.running_mean.clone()
    network.train()
    network(torch.rand(3, 1, 8, 8, 3) * 255, torch.ones(3, dtype=torch.int64))
    assert torch.equal(norm.running_mean, before) == fixed
    assert norm.weight.requires_grad
