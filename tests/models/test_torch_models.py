"""Models of torchvision, transformers and timm, tiny and untrained, keep the contract."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from reelabel.errors import ModelError, UsageError
from reelabel.models.contract import detector_faults, embedder_faults, sample_pictures
from reelabel.models.detectors.zero_shot import _prompt_columns
from reelabel.models.hub import fit_for
from reelabel.models.registry import load_detector, load_embedder
from reelabel.models.torch_tools import as_detections, in_batches
from reelabel.models.weights import LOCK_NAME

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.train

LABELS = {0: "ball", 1: "dog", 2: "train"}


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """Use one thread, no hub, and weights that do not depend on the order of tests."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    torch.manual_seed(0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def saved(folder, model, prepare):
    """Write a model and its preprocessing to a folder."""
    model.save_pretrained(folder)
    prepare.save_pretrained(folder)
    return folder


def rt_detr(folder):
    """Write a tiny RT-DETRv2."""
    backbone = transformers.RTDetrResNetConfig(
        embedding_size=32, hidden_sizes=[32, 32, 64, 64], depths=[1, 1, 1, 1],
        layer_type="basic", out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    config = transformers.RTDetrV2Config(
        backbone_config=backbone, encoder_in_channels=[32, 64, 64], encoder_hidden_dim=32,
        d_model=32, encoder_ffn_dim=32, decoder_ffn_dim=32, decoder_layers=2, num_queries=20,
        decoder_in_channels=[32, 32, 32], encoder_attention_heads=4, decoder_attention_heads=4,
        id2label=LABELS, num_denoising=0,
    )  # fmt: skip
    prepare = transformers.RTDetrImageProcessor(size={"height": 64, "width": 64})
    return saved(folder, transformers.RTDetrV2ForObjectDetection(config), prepare)


def yolos(folder):
    """Write a tiny YOLOS, which scores "nothing" as one more class and keeps the aspect."""
    config = transformers.YolosConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=[64, 96], num_detection_tokens=10, id2label=LABELS,
    )  # fmt: skip
    size = {"shortest_edge": 64, "longest_edge": 96}
    prepare = transformers.YolosImageProcessor(size=size)
    return saved(folder, transformers.YolosForObjectDetection(config), prepare)


@pytest.mark.parametrize("write", [rt_detr, yolos])
def test_transformers_detectors(tmp_path, write):
    """Detectors from a local folder keep the contract and speak below one half."""
    detector = load_detector(f"hf:{write(tmp_path)}", options={"floor": 0.01})
    assert detector.classes == ("ball", "dog", "train")
    assert detector_faults(detector) == []
    scores = detector.open()(sample_pictures())[0].score
    assert len(scores) > 0
    assert 0.01 <= scores.min() < 0.5


def test_options_of_transformers(tmp_path):
    """The floor drops boxes, and suppression is done only if asked for."""
    spec = f"hf:{rt_detr(tmp_path)}"
    low, high = (load_detector(spec, options={"floor": f}) for f in (0.01, 0.6))
    counts = [len(d.open()(sample_pictures())[0]) for d in (low, high)]
    assert counts[0] > counts[1]
    twice = {
        "boxes": torch.tensor([[1.0, 1, 9, 9], [1, 1, 9, 8.9]]),
        "scores": torch.tensor([0.7, 0.8]),
        "labels": torch.tensor([0, 0]),
    }
    once = load_detector(spec, options={"nms_iou": 0.5})
    assert [len(d._finish(twice, (20, 20))) for d in (low, once)] == [2, 1]


def test_fit_follows_the_preprocessing():
    """Pictures may be reduced to what the image processor leaves of them, with room to spare."""
    assert fit_for({"height": 640, "width": 320}) == (640, 1280)
    assert fit_for({"shortest_edge": 800, "longest_edge": 1333}) == (1333, 1333)
    assert fit_for({"shortest_edge": 224}) is None


def test_changed_folder_is_noticed(tmp_path):
    """A model folder whose weights changed since its first use is refused."""
    folder, home = rt_detr(tmp_path / "model"), tmp_path / "home"
    load_detector(f"hf:{folder}", home=home)
    assert list(json.loads((home / LOCK_NAME).read_text())) == [f"hf:{folder}"]
    with (folder / "config.json").open("a") as config:
        config.write("\n")
    with pytest.raises(ModelError, match="not the file that was used before"):
        load_detector(f"hf:{folder}", home=home)


def test_unfinished_models_are_refused(tmp_path):
    """Weights that are missing are an error: they are never filled with random numbers."""
    folder = rt_detr(tmp_path)
    detector = load_detector(f"hf:{folder}")
    weights = pytest.importorskip("safetensors.torch")
    state = weights.load_file(folder / "model.safetensors")
    dropped = {key: value for key, value in state.items() if "class_embed" not in key}
    weights.save_file(dropped, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks .* weights"):
        detector.open()
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ModelError, match="cannot be loaded"):
        detector.open()


def test_missing_models(tmp_path):
    """A folder without a model, a hub id without a network, and neither of the two."""
    with pytest.raises(ModelError, match="put a complete model there"):
        load_detector(f"hf:{tmp_path}")
    with pytest.raises(ModelError, match="name its folder"):
        load_detector("hf:nobody/nothing")
    with pytest.raises(ModelError, match="expected a folder or a hub id"):
        load_detector("hf:../no/folder")


def test_devices():
    """A device that torch does not see is an error."""
    if torch.cuda.is_available():
        pytest.skip("this machine has one")
    with pytest.raises(ModelError, match="set 'auto' or 'cpu'"):
        load_detector("torchvision:ssdlite320_mobilenet_v3_large", options=weightless("cuda"))


def weightless(device="cpu"):
    """Return options that name weights which are read only later."""
    return {"weights": __file__, "classes": ["a", "b"], "device": device}


@pytest.fixture(scope="module")
def ssdlite(tmp_path_factory):
    """Return a state dict of a small torchvision detector for two classes."""
    detection = pytest.importorskip("torchvision.models.detection")
    torch.manual_seed(0)
    model = detection.ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=3
    )
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    torch.save(model.state_dict(), path)
    return path


def test_torchvision_detectors(ssdlite):
    """A torchvision detector with one's own state dict keeps the contract."""
    options = {"weights": str(ssdlite), "classes": ["a", "b"], "floor": 0.3}
    detector = load_detector("torchvision:ssdlite320_mobilenet_v3_large", options=options)
    assert detector.classes == ("a", "b")
    assert detector_faults(detector, sample_pictures()[:2]) == []
    assert len(detector.open()(sample_pictures()[:1])[0]) > 0


def test_torchvision_refusals(ssdlite, tmp_path):
    """Unknown names, nameless weights, weights of another network and code are refused."""
    with pytest.raises(ModelError, match="did you mean 'fasterrcnn_resnet50_fpn'"):
        load_detector("torchvision:fasterrcnn_resnet50_fpm")
    spec = "torchvision:ssdlite320_mobilenet_v3_large"
    with pytest.raises(ModelError, match="carries no names"):
        load_detector(spec, options={"weights": str(ssdlite)})
    with pytest.raises(UsageError, match=r"no option 'classs' .did you mean 'classes'"):
        load_detector(spec, options={"classs": ["a"]})
    other = {"weights": str(ssdlite), "classes": ["a"]}
    with pytest.raises(ModelError, match="with 1 classes and background"):
        load_detector(spec, options=other).open()
    torch.save(Evil(tmp_path / "ran"), tmp_path / "evil.pth")
    evil = load_detector(spec, options={**other, "weights": str(tmp_path / "evil.pth")})
    with pytest.raises(ModelError, match="expected weights in"):
        evil.open()
    assert not (tmp_path / "ran").exists()


class Evil:
    """Would create a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        """Return what a careless reader would call."""
        return (type(self.path).touch, (self.path,))


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "red", "ball", "dog", "?"]


def grounding_dino(folder):
    """Write a tiny Grounding DINO."""
    backbone = transformers.SwinConfig(
        image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=2,
        out_indices=[2, 3, 4],
    )  # fmt: skip
    text = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    config = transformers.GroundingDinoConfig(
        backbone_config=backbone, text_config=text, num_queries=20, encoder_layers=1,
        decoder_layers=2, d_model=32, encoder_attention_heads=2, decoder_attention_heads=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, max_text_len=64,
    )  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokens = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))
    prepare = transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessor(size={"height": 128, "width": 128}), tokens
    )
    return saved(folder, transformers.GroundingDinoForObjectDetection(config), prepare)


def owl(folder):
    """Write a tiny OWL-ViT."""
    text = transformers.OwlViTTextConfig(
        vocab_size=600, hidden_size=32, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=16, pad_token_id=0, eos_token_id=3,
        bos_token_id=2,
    ).to_dict()  # fmt: skip
    vision = transformers.OwlViTVisionConfig(
        hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        image_size=64, patch_size=16,
    ).to_dict()  # fmt: skip
    config = transformers.OwlViTConfig(text_config=text, vision_config=vision, projection_dim=32)
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    tokens = transformers.BertTokenizer(vocab=str(folder / "vocab.txt"), model_max_length=16)
    prepare = transformers.OwlViTProcessor(
        transformers.OwlViTImageProcessor(size={"height": 64, "width": 64}), tokens
    )
    return saved(folder, transformers.OwlViTForObjectDetection(config), prepare)


@pytest.mark.parametrize("write", [grounding_dino, owl])
def test_zero_shot_detectors(tmp_path, write):
    """Zero-shot detectors take the wanted names as prompts and keep the contract."""
    spec = f"hf-zero-shot:{write(tmp_path)}"
    detector = load_detector(spec, wanted=["Red Ball", "dog"], options={"floor": 0})
    assert detector.classes == ("Red Ball", "dog")
    assert detector_faults(detector) == []
    assert len(detector.open()(sample_pictures()[:1])[0]) > 0


def test_zero_shot_prompts_are_mapped(tmp_path):
    """A mapping turns prompts into wanted names, several into one."""
    spec = f"hf-zero-shot:{grounding_dino(tmp_path)}"
    mapping = {"red ball": "toy", "ball": "toy"}
    detector = load_detector(spec, wanted=["toy", "dog"], mapping=mapping)
    assert detector.classes == ("toy", "dog")
    assert detector.inner.classes == ("red ball", "ball", "dog")


def test_words_of_a_prompt():
    """Each prompt owns the tokens between two full stops, without the special ones."""

    class Tokenizer:
        all_special_ids = (2, 3, 0, 1)
        unk_token_id = 1

        def convert_tokens_to_ids(self, word):
            return WORDS.index(word)

    text = ["[CLS]", "red", "ball", ".", "dog", ".", "[SEP]", "[PAD]"]
    ids = torch.tensor([WORDS.index(word) for word in text])
    assert _prompt_columns(ids, Tokenizer()) == [[1, 2], [4]]


def test_zero_shot_needs_words(tmp_path):
    """No words, words with full stops, and a network that takes no words are refused."""
    spec = f"hf-zero-shot:{grounding_dino(tmp_path / 'g')}"
    for wanted in ((), ("a.b",), (" ",)):
        with pytest.raises(ModelError, match="without full stops"):
            load_detector(spec, wanted=wanted)
    with pytest.raises(ModelError, match="'rt_detr_v2' network"):
        load_detector(f"hf-zero-shot:{rt_detr(tmp_path / 'r')}", wanted=["ball"])


def dinov2(folder):
    """Write a tiny DINOv2."""
    config = transformers.Dinov2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14
    )
    size = {"height": 28, "width": 28}
    prepare = transformers.ViTImageProcessor(size=size)
    return saved(folder, transformers.Dinov2Model(config), prepare)


def clip(folder):
    """Write a tiny CLIP."""
    small = {
        "hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }  # fmt: skip
    config = transformers.CLIPConfig(
        text_config={**small, "vocab_size": 50},
        vision_config={**small, "image_size": 32, "patch_size": 16},
        projection_dim=24,
    )
    prepare = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )
    return saved(folder, transformers.CLIPModel(config), prepare)


@pytest.mark.parametrize(("write", "dimensions"), [(dinov2, 32), (clip, 24)])
def test_transformers_embedders(tmp_path, write, dimensions):
    """Picture encoders of transformers keep the contract and tell pictures apart."""
    embedder = load_embedder(f"hf:{write(tmp_path)}")
    assert embedder.dimensions == dimensions
    assert embedder_faults(embedder) == []
    rows = embedder.open()([sample_pictures(seed=s)[s] for s in (0, 3)])
    assert rows[0] @ rows[1] < 0.9999


def test_timm_embedders(tmp_path):
    """A timm backbone with a local state dict keeps the contract; without it says what to do."""
    timm = pytest.importorskip("timm")
    spec = "timm:mobilenetv3_small_050"
    path = tmp_path / "net.pth"
    torch.save(timm.create_model("mobilenetv3_small_050").state_dict(), path)
    embedder = load_embedder(spec, options={"weights": str(path)})
    assert embedder_faults(embedder) == []
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="option 'weights'"):
        replace(embedder).open()
    with pytest.raises(ModelError, match="no network 'mobilenet_v9'"):
        load_embedder("timm:mobilenet_v9")


def test_numbers_that_overflow_say_nothing():
    """Boxes and scores that are no numbers are left out, and the rest stays inside."""
    boxes = torch.tensor([[0, 0, 5, 5], [0, 0, float("nan"), 5], [-3, 2, 50, 4.0]])
    found = as_detections(
        boxes, torch.tensor([0.3, 0.9, 0.8]), torch.tensor([0, 1, 2]), size_wh=(10, 10), floor=0.1
    )
    assert found.xyxy.tolist() == [[0, 2, 10, 4], [0, 0, 5, 5]]
    assert found.class_id.tolist() == [2, 0]
    nothing = as_detections(
        boxes, torch.full((3,), float("nan")), torch.zeros(3), size_wh=(10, 10), floor=0
    )
    assert len(nothing) == 0


def test_batches_hold_one_size():
    """Pictures are given in batches of one size, none larger than asked for, in order."""
    seen = []

    def some(pictures):
        seen.append([p.shape[:2] for p in pictures])
        return list(range(len(pictures)))

    small, large = np.zeros((2, 2, 3), np.uint8), np.zeros((3, 3, 3), np.uint8)
    in_batches(some, 2)([small, small, small, large, small])
    assert seen == [[(2, 2), (2, 2)], [(2, 2)], [(3, 3)], [(2, 2)]]
