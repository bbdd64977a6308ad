"""Classifiers of transformers and timm, tiny and untrained, are sound and agree with others."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reelabel.config import Project
from reelabel.errors import ModelError, UsageError
from reelabel.models.classifiers.mapped import leaves_a_rest
from reelabel.models.classifiers.timm import imagenet_names
from reelabel.models.contract import classifier_faults, sample_pictures
from reelabel.models.registry import load_classifier
from reelabel.models.teacher import load_class_teacher
from reelabel.models.weights import LOCK_NAME

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
transformers = pytest.importorskip("transformers")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

WORDS = [
    *("<pad>", "<unk>", "a", "photo", "of", "room", "inside", "building", "street"),
    *("indoor", "outdoor", "nothing", ".", "text", "</s>"),
]
KIND = "hf-zero-shot-image"
CLASSES = ("indoor", "outdoor")


@pytest.fixture(autouse=True)
def no_hub(monkeypatch):
    """Use no hub, and weights that do not depend on the order of tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    torch.manual_seed(0)


def save_tokenizer(folder):
    """Write a tokenizer of the words above, which ends each text as CLIP's does."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: PLC0415 -- heavy

    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))  # noqa: S106 -- no password
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", len(WORDS) - 1)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", eos_token="</s>",  # noqa: S106 -- no password
        model_input_names=["input_ids", "attention_mask"], model_max_length=64,
    )  # fmt: skip
    fast.save_pretrained(folder)


SIZES = {
    "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip
TEXT = {
    **SIZES, "vocab_size": len(WORDS), "max_position_embeddings": 64, "pad_token_id": 0,
    "eos_token_id": len(WORDS) - 1, "bos_token_id": None,
}  # fmt: skip
VISION = {**SIZES, "image_size": 32, "patch_size": 8}


def clip(folder):
    """Write a tiny CLIP, which crops the middle of a picture."""
    config = transformers.CLIPConfig(text_config=TEXT, vision_config=VISION, projection_dim=16)
    prepare = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    return _saved(folder, transformers.CLIPModel(config), prepare)


def siglip(folder):
    """Write a tiny SigLIP, which stretches pictures and has a bias."""
    config = transformers.SiglipConfig(text_config=TEXT, vision_config=VISION)
    model = transformers.SiglipModel(config)
    torch.nn.init.constant_(model.logit_scale, 2.0)
    torch.nn.init.constant_(model.logit_bias, -1.0)
    prepare = transformers.SiglipImageProcessor(size={"height": 32, "width": 32})
    return _saved(folder, model, prepare)


def _saved(folder, model, prepare):
    model.save_pretrained(folder)
    prepare.save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def probabilities(classifier, pictures=None):
    """Return what a classifier gives for single pictures."""
    return classifier.open()([[picture] for picture in pictures or sample_pictures()])


PROMPTS = {"indoor": ["a room", "inside a building"], "outdoor": "a street"}


@pytest.mark.parametrize("write", [clip, siglip])
@pytest.mark.parametrize("options", [{}, {"prompts": PROMPTS, "none_of_these": ["text"]}])
@pytest.mark.parametrize("exclusive", [True, False])
def test_zero_shot_keeps_the_contract(tmp_path, write, options, exclusive):
    """Image-text networks from a folder are sound classifiers of the wanted classes."""
    spec = f"{KIND}:{write(tmp_path)}"
    options = {**options, "exclusive": exclusive}
    if write is clip and not exclusive and "none_of_these" not in options:
        with pytest.raises(UsageError, match="none_of_these"):
            load_classifier(spec, options=options, wanted=CLASSES)
        return
    classifier = load_classifier(spec, options=options, wanted=CLASSES)
    assert classifier.classes == CLASSES
    assert classifier_faults(classifier) == []
    assert classifier.exclusive == (exclusive and "none_of_these" not in options)
    assert len(np.unique(probabilities(classifier, sample_pictures()[:1]).round(6))) > 1


@pytest.mark.parametrize(("write", "exclusive"), [(clip, True), (siglip, False)])
def test_zero_shot_is_that_of_the_library(tmp_path, write, exclusive):
    """One text for each class gives what the pipeline of transformers gives."""
    from PIL import Image  # noqa: PLC0415 -- on demand

    folder = write(tmp_path)
    pipeline = transformers.pipeline("zero-shot-image-classification", str(folder), device="cpu")
    template = "a photo of {}"
    options = {"template": template, "exclusive": exclusive, "device": "cpu"}
    ours = load_classifier(f"{KIND}:{folder}", options=options, wanted=CLASSES)
    picture = np.ascontiguousarray(sample_pictures((64, 64))[2])
    theirs = pipeline(
        Image.fromarray(picture), candidate_labels=list(CLASSES), hypothesis_template=template
    )
    expected = {each["label"]: each["score"] for each in theirs}
    found = probabilities(ours, [picture])[0]
    assert dict(zip(CLASSES, found, strict=True)) == pytest.approx(expected, abs=1e-4)


def test_texts_are_averaged_as_directions(tmp_path):
    """Several texts of a class are one: the mean of their unit vectors."""
    folder = clip(tmp_path)
    options = {"prompts": PROMPTS, "template": ("a photo of {}.", "{}"), "device": "cpu"}
    classifier = load_classifier(f"{KIND}:{folder}", options=options, wanted=CLASSES)
    model = transformers.CLIPModel.from_pretrained(folder).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    prepare = transformers.AutoImageProcessor.from_pretrained(folder)
    picture = sample_pictures()[0]
    rows = []
    with torch.inference_mode():
        for group in (["a room", "inside a building"], ["a street"]):
            texts = [t.format(text) for text in group for t in ("a photo of {}.", "{}")]
            given = tokenizer(texts, padding=True, return_tensors="pt")
            given.pop("token_type_ids", None)
            outputs = model.text_model(**given).pooler_output
            vectors = torch.nn.functional.normalize(model.text_projection(outputs), dim=1)
            rows.append(torch.nn.functional.normalize(vectors.mean(0), dim=0))
        image = model.visual_projection(
            model.vision_model(**prepare([picture], return_tensors="pt")).pooler_output
        )
        cosine = torch.nn.functional.normalize(image, dim=1) @ torch.stack(rows).T
        expected = (cosine * model.logit_scale.exp()).softmax(1)[0].numpy()
    assert probabilities(classifier, [picture])[0] == pytest.approx(expected, abs=1e-5)


def test_none_of_these_takes_its_share(tmp_path):
    """Texts of no class take probability from the others; shared out, their proportion returns."""
    spec = f"{KIND}:{clip(tmp_path)}"
    plain = probabilities(load_classifier(spec, wanted=CLASSES))
    options = {"none_of_these": ["text", "nothing"]}
    left = probabilities(load_classifier(spec, options=options, wanted=CLASSES))
    options["rest"] = "share"
    shared = load_classifier(spec, options=options, wanted=CLASSES)
    assert (left.sum(axis=1) < 0.99).all()
    assert shared.exclusive
    assert probabilities(shared) == pytest.approx(plain, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "wanted", "message"),
    [
        ({"prompts": {"outdor": "x"}}, CLASSES, "'outdor' .did you mean 'outdoor'"),
        ({"template": "a photo"}, CLASSES, "'template'"),
        ({"prompts": {"indoor": []}}, CLASSES, "not empty"),
        ({"rest": "gone"}, CLASSES, "'rest'"),
        ({}, (), "name the wanted classes"),
    ],
)
def test_wrong_options_of_zero_shot_are_named(tmp_path, options, wanted, message):
    """Options that describe no class, or have no place for the text, are errors."""
    with pytest.raises((UsageError, ModelError), match=message):
        load_classifier(f"{KIND}:{clip(tmp_path)}", options=options, wanted=wanted)


def test_models_that_cannot_be_had_are_explained(tmp_path):
    """A hub id that is not cached, and a network of another kind, are errors with advice."""
    with pytest.raises(ModelError, match="download it elsewhere and name its folder"):
        load_classifier(f"{KIND}:someone/clip", wanted=CLASSES)
    config = transformers.ViTConfig(**VISION)
    config.save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="'vit' network"):
        load_classifier(f"{KIND}:{tmp_path}", wanted=CLASSES)


def test_a_changed_folder_is_refused(tmp_path):
    """A model that is no longer the one of the first use is an error; so are missing weights."""
    folder, home = clip(tmp_path / "clip"), tmp_path / "ws"
    home.mkdir()
    spec = f"{KIND}:{folder}"
    before = load_classifier(spec, home=home, wanted=CLASSES).fingerprint
    assert load_classifier(spec, home=home, wanted=CLASSES).fingerprint == before
    assert spec in json.loads((home / LOCK_NAME).read_text())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "logit_scale_init_value": 1}))
    with pytest.raises(ModelError, match="not the file that was used before"):
        load_classifier(spec, home=home, wanted=CLASSES)


# ---- timm


@pytest.fixture
def timm_weights(tmp_path):
    """Return a function that writes the random weights of a timm network."""

    def write(name, **more):
        path = tmp_path / f"{name}.pth"
        torch.save(timm.create_model(name, pretrained=False, **more).state_dict(), path)
        return path

    return write


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "test_vit"])
def test_timm_is_that_of_the_library(timm_weights, name):
    """A network of timm gives what timm's own preparation and network give, and is sound."""
    from PIL import Image  # noqa: PLC0415 -- on demand

    path = timm_weights(name)
    classifier = load_classifier(f"timm:{name}", options={"weights": str(path)})
    assert len(classifier.classes) == 1000
    assert classifier_faults(classifier) == []
    model = timm.create_model(name, checkpoint_path=str(path)).eval()
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    picture = sample_pictures((320, 200))[1]
    with torch.inference_mode():
        expected = model(prepare(Image.fromarray(picture))[None]).softmax(1)[0].numpy()
    assert probabilities(classifier, [picture])[0] == pytest.approx(expected, abs=1e-6)


def test_many_classes_of_imagenet_are_one(timm_weights):
    """A map adds up the probabilities of its classes, by any name, number or pattern."""
    spec, options = "timm:test_vit", {"weights": str(timm_weights("test_vit"))}
    mapping = {
        "tabby cat": "cat", "Persian cat": "cat", "*terrier": "dog", "English setter": "dog",
    }  # fmt: skip
    whole = load_classifier(spec, options=options)
    rows = probabilities(whole)
    some = load_classifier(spec, options=options, wanted=["cat", "dog"], mapping=mapping)
    cats = [281, 283]
    dogs = [i for i, name in enumerate(whole.classes) if name.endswith("terrier")] + [212]
    assert len(dogs) > 15
    expected = np.stack([rows[:, cats].sum(1), rows[:, dogs].sum(1)], axis=1)
    assert probabilities(some) == pytest.approx(expected, abs=1e-6)
    assert not some.exclusive
    assert classifier_faults(some) == []
    by_number = load_classifier(spec, options=options, wanted=["cat"], mapping={"n02123394": "cat"})
    assert probabilities(by_number)[:, 0] == pytest.approx(rows[:, 283], abs=1e-6)
    with pytest.raises(ModelError, match=r"no class 'hotdg' .did you mean 'hotdog'"):
        load_classifier(spec, options=options, wanted=["hotdg"])
    with pytest.raises(ModelError, match="'crane' is a name of n02012849, n03126707"):
        load_classifier(spec, options=options, wanted=["crane"])


def test_names_of_imagenet_are_unique():
    """Each class has a name of its own; one that is asked for is used."""
    names = imagenet_names(["n1", "n2", "n3"], [["a", "b"], ["c", "a"], ["d"]], ["n3"])
    assert names == ("b", "c", "n3")
    assert imagenet_names(["n1", "n2"], [["a"], ["a"]], []) == ("a n1", "a n2")


def test_timm_with_other_classes(timm_weights, tmp_path):
    """Names come from an option or a file; what does not fit is an error that says what to do."""
    path = timm_weights("test_vit", num_classes=2)
    (tmp_path / "names.txt").write_text("indoor\noutdoor\n")
    options = {"weights": str(path), "labels": str(tmp_path / "names.txt")}
    classifier = load_classifier("timm:test_vit", options=options, wanted=["outdoor", "indoor"])
    assert classifier_faults(classifier) == []
    with pytest.raises(ModelError, match="option 'labels'"):
        load_classifier("timm:test_vit", options={"weights": str(path)}).open()
    with pytest.raises(ModelError, match="name it in the option 'weights'"):
        load_classifier("timm:mobilenetv3_small_050.lamb_in1k").open()
    with pytest.raises(ModelError, match="no network 'mobilnetv3'"):
        load_classifier("timm:mobilnetv3")


def test_a_network_that_finds_boxes_is_no_classifier(data_dir):
    """Its output is not flattened into classes; the message states what it is."""
    with pytest.raises(ModelError, match="does not classify; one that finds boxes is a detector"):
        load_classifier(f"onnx:{data_dir / 'weights/yolox_nano.onnx'}")


def test_what_is_left_over_suits_where_exactly_one_class_is_right(tmp_path):
    """A teacher may know more than the wanted classes; one that judges each for itself may not."""
    folder = tmp_path / "clip"
    clip(folder)
    save_tokenizer(folder)
    options = {"none_of_these": ["text"]}
    project = Project(
        task="classify-frames",
        classes=CLASSES,
        teacher=f"{KIND}:{folder}",
        teacher_options=options,
    )
    teacher = load_class_teacher(project, None, project.teacher)
    assert teacher.classes == CLASSES
    assert leaves_a_rest(teacher)
    several = project.model_copy(update={"teacher_options": options | {"exclusive": False}})
    with pytest.raises(ModelError, match="expected probabilities of exclusive classes"):
        load_class_teacher(several, None, project.teacher)
