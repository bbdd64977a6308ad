"""What each family of students must do with labels, ignore regions and hard negatives."""

import subprocess
import sys
from dataclasses import replace
from itertools import islice, pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reelabel.errors import ModelError, UsageError  # noqa: E402 -- torch
from reelabel.media.video import decode  # noqa: E402 -- torch
from reelabel.models.students import inference  # noqa: E402 -- torch
from reelabel.models.students.centernet.network import (  # noqa: E402 -- torch
    CenterNet,
    _centre_loss,
    heat_target,
)
from reelabel.models.students.detector import load_student_detector  # noqa: E402 -- torch
from reelabel.models.students.folder import ModelCard, write_card  # noqa: E402 -- torch
from reelabel.models.students.registry import family_named, family_of  # noqa: E402 -- torch
from reelabel.models.students.targets import Student, Target  # noqa: E402 -- torch
from reelabel.models.students.torch_inference import torch_network  # noqa: E402 -- torch
from reelabel.models.students.yolox import loss as yolox_loss  # noqa: E402 -- torch
from reelabel.training.boxes.settings import BoxTrainSettings  # noqa: E402 -- torch

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]
MOBILENET = "fasterrcnn_mobilenet_v3_large_320_fpn"
FAMILIES = ("centernet", "torchvision", "d_fine", "detr")
NAMES = {"d_fine": "transformers", "detr": "transformers"}


def target(boxes=(), ignore=(), negative=(), *, target_score=1.0):
    """Return a target of class 0."""
    return Target(
        xyxy=torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        class_id=torch.zeros(len(boxes), dtype=torch.int64),
        target_score=torch.full((len(boxes),), float(target_score)),
        ignore=torch.tensor(ignore, dtype=torch.float32).reshape(-1, 4),
        negative=torch.tensor(negative, dtype=torch.float32).reshape(-1, 4),
    )


def build(settings, classes):
    """Return a new student."""
    return family_of(settings).build(settings, tuple(classes))


def save_student(folder, student, card):
    """Write a finished folder."""
    folder.mkdir(exist_ok=True)
    family_named(card.kind, "test", "boxes").save(folder, student)
    write_card(folder, card)


def load_student(folder, card):
    """Return the student of a finished folder."""
    return family_named(card.kind, "test", "boxes").load(folder, card)


def detect(student, images, card):
    """Return what a student detects in a batch."""
    return inference.detect(torch_network(student, "cpu"), images.numpy(), card)


def example():
    """Return two pictures with a bright square each, and their targets."""
    images = torch.full((2, 3, 96, 96), 100.0)
    images[0, :, 20:52, 16:48] = 250.0
    images[1, :, 40:72, 50:82] = 250.0
    return images, [target([[16, 20, 48, 52]]), target([[50, 40, 82, 72]])]


def tiny(family):
    """Return a small student of one class."""
    torch.manual_seed(0)
    if family == "centernet":
        return CenterNet(1)
    if family == "torchvision":
        from reelabel.models.students.torchvision.network import (  # noqa: PLC0415 -- slow
            TorchvisionStudent,
        )

        student = TorchvisionStudent(1, name=MOBILENET, anchor_sizes=[32, 64, 128])
        student.net.roi_heads.fg_bg_sampler.batch_size_per_image = 32  # or a step takes seconds
        student.net.rpn._post_nms_top_n = {"training": 40, "testing": 150}
        return student
    from transformers import AutoModelForObjectDetection  # noqa: PLC0415 -- slow

    from reelabel.models.students.transformers.network import (  # noqa: PLC0415 -- slow
        TransformersStudent,
    )

    return TransformersStudent(AutoModelForObjectDetection.from_config(tiny_config(family)))


def tiny_config(family):
    """Return the configuration of a small network of the transformers library."""
    import transformers as tf  # noqa: PLC0415 -- slow

    names = {"id2label": {0: "ball"}, "label2id": {"ball": 0}}
    if family == "detr":
        backbone = tf.ResNetConfig(
            embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1],
            layer_type="basic", out_features=["stage4"],
        )  # fmt: skip
        return tf.DetrConfig(
            backbone_config=backbone, use_timm_backbone=False, backbone=None,
            use_pretrained_backbone=False, d_model=32, encoder_layers=1, decoder_layers=1,
            encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32,
            decoder_ffn_dim=32, num_queries=8, **names,
        )  # fmt: skip
    backbone = tf.HGNetV2Config(
        stem_channels=[3, 8, 8], hidden_sizes=[16, 16, 32, 32],
        stage_in_channels=[8, 16, 16, 32], stage_mid_channels=[8] * 4,
        stage_out_channels=[16, 16, 32, 32], stage_num_blocks=[1] * 4, stage_numb_of_layers=[1] * 4,
        stage_downsample=[False, True, True, True], stage_light_block=[False] * 4,
        stage_kernel_size=[3] * 4, out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    return tf.DFineConfig(
        backbone_config=backbone, encoder_in_channels=[16, 32, 32], encoder_hidden_dim=32,
        d_model=32, decoder_in_channels=[32, 32, 32], num_queries=20, decoder_layers=2,
        encoder_ffn_dim=32, decoder_ffn_dim=32, decoder_attention_heads=2,
        encoder_attention_heads=2, feat_strides=[8, 16, 32], decoder_n_points=2, num_denoising=4,
        **names,
    )  # fmt: skip


def losses(student, images, targets, seed=0):
    """Return the summed loss; what the student draws by chance is the same each time."""
    torch.manual_seed(seed)
    return torch.stack(list(student.forward_train(images, targets).values())).sum()


def gradient(student, images, targets):
    """Return all gradients of the loss in one row."""
    student.train().zero_grad()
    losses(student, images, targets).backward()
    return torch.cat([p.grad.flatten() for p in student.parameters() if p.grad is not None])


@pytest.mark.parametrize("family", FAMILIES)
def test_loss_falls_on_a_tiny_set(family):
    """A few steps on two pictures make the loss much smaller, in every family."""
    student, (images, targets) = tiny(family), example()
    student.train()
    assert isinstance(student, Student)
    steps = {"centernet": 12, "torchvision": 10, "d_fine": 12, "detr": 40}[family]
    optimizer = torch.optim.AdamW(
        student.parameters(), lr=5e-4 if family == "torchvision" else 4e-3
    )
    seen = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = losses(student, images, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0 if family == "detr" else 10.0)
        optimizer.step()
        seen.append(loss.item())
    assert min(seen[-3:]) < 0.7 * seen[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_background_pictures_reach_the_loss(family):
    """A batch without any box has a finite loss with a gradient, and so has a mixed one."""
    student, (images, targets) = tiny(family), example()
    assert gradient(student, images, [target(), target()]).abs().sum() > 0
    mixed = gradient(student, images, [targets[0], target()])
    assert mixed.isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_ignore_regions_change_the_gradient(family):
    """A region that is ignored teaches something else than the same region as background."""
    student, (images, targets) = tiny(family), example()
    plain = gradient(student, images, [targets[0], target()])
    ignoring = gradient(student, images, [targets[0], target(ignore=[[40, 30, 92, 82]])])
    assert not torch.allclose(plain, ignoring)


@pytest.mark.parametrize("family", ["centernet", "torchvision"])
def test_hard_negatives_change_the_gradient(family):
    """A box that is surely background teaches more than background does."""
    student, (images, targets) = tiny(family), example()
    plain = gradient(student, images, [targets[0], target()])
    harder = gradient(student, images, [targets[0], target(negative=[[50, 40, 82, 72]])])
    assert not torch.allclose(plain, harder)


def test_nothing_is_taught_inside_an_ignore_region():
    """With all of a background picture ignored the centre student learns nothing from it."""
    student, (images, _) = tiny("centernet"), example()
    ignored = target(ignore=[[0, 0, 96, 96]])
    assert student.forward_train(images[:1], [ignored])["heat"].item() == 0.0


def test_heat_of_background_counts_more_in_negatives():
    """Background cells in a hard-negative box count `negative_weight` times."""
    student, (images, _) = CenterNet(1, negative_weight=5.0), example()
    student.eval()
    whole = target(negative=[[0, 0, 96, 96]])
    plain, harder = (student.forward_train(images[:1], [t])["heat"] for t in (target(), whole))
    assert (harder / plain).item() == pytest.approx(5.0, rel=1e-5)


def test_cells_in_hard_negatives_count_more_for_yolox():
    """Every cell of an empty picture lies in the negative: its loss is so many times as large."""
    cells = yolox_loss.grid(torch.zeros(1, 3, 64, 64))
    raw = torch.zeros(1, len(cells), 6)
    whole = [target(negative=[[0, 0, 64, 64]])]
    sums = (yolox_loss.loss_sums(raw, cells, whole, weight) for weight in (1.0, 4.0))
    plain, harder = (each.terms["object"].item() for each in sums)
    assert harder == pytest.approx(4 * plain)
    assert plain > 0


@pytest.mark.parametrize("score", [0.3, 0.6, 1.0])
def test_target_score_is_learnt(score):
    """The gradient at an object's centre points towards the target score, from both sides."""
    place = target([[8.0, 8.0, 24.0, 24.0]], target_score=score)
    pulls = []
    for predicted in (score - 0.2, min(score + 0.2, 0.99)):
        logit = float(torch.logit(torch.tensor(predicted)))
        heat = torch.full((1, 1, 8, 8), logit, requires_grad=True)
        _centre_loss(heat, [place]).backward()
        pulls.append(float(heat.grad.sum()))
    assert pulls[0] < 0
    assert pulls[1] > 0 or score == 1.0


def test_a_hard_negative_is_taught_inside_an_ignore_region():
    """Somebody looked there: that it is background is known."""
    student = CenterNet(1, negative_weight=5.0)
    both = target(ignore=[[0.0, 0.0, 32.0, 32.0]], negative=[[0.0, 0.0, 16.0, 16.0]])
    mask = student._background(both, torch.Size((8, 8)))[0]
    assert mask[0, 0] == 5
    assert mask[7, 7] == 0


def test_heat_peaks_at_the_centre_of_the_right_class():
    """The target heat is 1 at the centre cell of the box's class, and falls from there."""
    labels = replace(target([[8, 16, 40, 32]]), class_id=torch.tensor([1]))
    heat = heat_target(labels, 2, torch.Size([24, 24]))
    assert float(heat[1, 6, 6]) == 1.0
    row = heat[1, 6, 6:].tolist()
    assert all(a > b for a, b in pairwise(row[:4]))
    assert float(heat[0].max()) == 0.0


def test_centre_student_is_small():
    """The student for one CPU core has 0.39 million weights."""
    assert sum(p.numel() for p in CenterNet(1).parameters()) == pytest.approx(0.39e6, rel=0.02)


@pytest.mark.parametrize("family", FAMILIES)
def test_folder_stands_alone(family, tmp_path):
    """What is read back from a folder finds exactly what the trained student found."""
    student, (images, _) = tiny(family).eval(), example()
    card = ModelCard(
        kind=NAMES.get(family, family), classes=("ball",), image_size=96, score_floor=0.0
    )
    card = card.model_copy(update={"arch": student.arch})
    before = detect(student, images, card)
    save_student(tmp_path, student, card)
    after = detect(load_student(tmp_path, card), images, card)
    assert before == after
    detector = load_student_detector(tmp_path)
    picture = images[0].permute(1, 2, 0).byte().numpy()
    assert len(detector.open()([picture, picture[:40]])) == 2


def test_damaged_weights_are_a_model_error(tmp_path):
    """Weights that are cut off, or of another shape, end in our error."""
    card = ModelCard(kind="centernet", classes=("ball",), image_size=96)
    save_student(tmp_path, CenterNet(1), card)
    with pytest.raises(ModelError, match="fit"):
        load_student(tmp_path, card.model_copy(update={"classes": ("ball", "dog")}))
    (tmp_path / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(ModelError, match="cannot be read"):
        load_student(tmp_path, card)


def test_fingerprint_follows_weights_and_use(tmp_path):
    """Other weights, or other use of the same weights, are another model."""
    card = ModelCard(kind="centernet", classes=("ball",), image_size=96)
    prints = set()
    for seed, flip in ((0, False), (1, False), (1, True)):
        torch.manual_seed(seed)
        save_student(tmp_path, CenterNet(1), card.model_copy(update={"flip_test": flip}))
        prints.add(load_student_detector(tmp_path).fingerprint)
    assert len(prints) == 3


def test_mirrored_picture_is_pooled():
    """With `flip_test` a student finds in a mirrored picture the mirrored boxes."""
    student, (images, _) = tiny("centernet").eval(), example()
    card = ModelCard(kind="centernet", classes=("ball",), image_size=96, flip_test=True)
    card = card.model_copy(update={"score_floor": 0.0, "nms_iou": 1.0})
    straight, mirrored = (detect(student, x, card)[0] for x in (images[:1], images[:1].flip(-1)))
    assert np.allclose(np.sort(straight.score), np.sort(mirrored.score), atol=1e-5)
    assert len(straight) == 2 * 100


@pytest.mark.parametrize(
    ("sizes", "ratios", "per_place"),
    [((16, 32), (1.0,), 2), ((16, 32, 64), (0.5, 1.0), 2), ((), (1.0,), 5)],
)
def test_anchors_act(sizes, ratios, per_place):
    """Other anchors change their number, their sizes, and the head that scores them."""
    from reelabel.models.students.torchvision.network import (  # noqa: PLC0415 -- slow
        TorchvisionStudent,
    )

    net = TorchvisionStudent(1, name=MOBILENET, anchor_sizes=sizes, anchor_ratios=ratios).net
    assert net.rpn.anchor_generator.num_anchors_per_location() == [per_place] * 3
    assert net.rpn.head.cls_logits.out_channels == per_place
    assert net.rpn.head.bbox_pred.out_channels == 4 * per_place
    cell = net.rpn.anchor_generator.cell_anchors[0]
    side = float((cell[0, 2:] - cell[0, :2]).prod() ** 0.5)
    assert side == pytest.approx(sizes[0] if sizes else 32, abs=1.5)


def test_published_weights_keep_their_constant_norms(tmp_path):
    """A student from a file of weights has constant norms with the epsilon of that file."""
    from torchvision.models import get_model  # noqa: PLC0415 -- slow
    from torchvision.ops import FrozenBatchNorm2d  # noqa: PLC0415 -- slow

    net = get_model(MOBILENET, weights=None, weights_backbone=None)
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    settings = BoxTrainSettings(
        student=f"torchvision:{MOBILENET}", weights=tmp_path / "weights.pth", freeze_backbone=True
    )
    student = build(settings, ["ball"])
    norms = [m for m in student.net.backbone.modules() if isinstance(m, FrozenBatchNorm2d)]
    assert norms
    assert student.arch["frozen_norms"]
    assert torch.equal(
        student.net.backbone.fpn.inner_blocks[0][0].weight,
        net.backbone.fpn.inner_blocks[0][0].weight,
    )
    assert not any(p.requires_grad for p in student.net.backbone.body.parameters())
    assert any(p.requires_grad for p in student.net.rpn.parameters())


def test_epsilon_of_constant_norms_is_read_back(tmp_path):
    """A student whose norms have no epsilon is read back without one: it is the same network."""
    from reelabel.models.students.torchvision.network import (  # noqa: PLC0415 -- slow
        TorchvisionStudent,
    )

    student = TorchvisionStudent(1, name=MOBILENET, frozen_norms=True, norm_eps=0.0)
    card = ModelCard(kind="torchvision", classes=("ball",), image_size=96, arch=student.arch)
    save_student(tmp_path, student, card)
    again = load_student(tmp_path, load_student_detector(tmp_path).card)
    assert {m.eps for m in again.modules() if type(m).__name__ == "FrozenBatchNorm2d"} == {0.0}


def test_local_transformers_folder_gets_our_classes(tmp_path):
    """A pretrained folder with other classes becomes a student of ours, its body kept."""
    tiny("d_fine").net.save_pretrained(tmp_path)
    student = build(
        BoxTrainSettings(student=f"hf:{tmp_path}", freeze_backbone=True), ["dog", "cat"]
    )
    assert student.net.config.id2label == {0: "dog", 1: "cat"}
    images, _ = example()
    assert student.eval().net(student._pixels(images)).logits.shape[-1] == 2
    assert not any(p.requires_grad for p in student.net.model.backbone.parameters())


def test_missing_weights_are_named(tmp_path):
    """A student that cannot start ends in our errors, with what to do."""
    with pytest.raises(ModelError, match="nothing-here"):
        build(BoxTrainSettings(student=f"hf:{tmp_path / 'nothing-here'}"), ["ball"])
    with pytest.raises(ModelError, match="cannot be read"):
        build(BoxTrainSettings(weights=tmp_path / "none.pth"), ["ball"])
    with pytest.raises(UsageError, match="ONNX"):
        build(BoxTrainSettings(student="yolox"), ["ball"])


def test_yolox_starts_from_the_teacher_and_comes_back(data_dir, tmp_path):
    """The student from an ONNX file knows its class already, and its folder stands alone."""
    settings = BoxTrainSettings(weights=data_dir / "weights" / "yolox_nano.onnx")
    student, (images, targets) = build(settings, ["sports ball"]).eval(), example()
    card = ModelCard(kind="yolox", classes=("sports ball",), image_size=96, score_floor=0.0)
    card = card.model_copy(update={"arch": student.arch})
    save_student(tmp_path, student, card)
    before, after = (detect(s, images, card)[0] for s in (student, load_student(tmp_path, card)))
    assert before == after
    assert gradient(student, images, targets).abs().sum() > 0


def test_the_network_for_onnx_runtime_needs_no_torch_and_finds_the_same(data_dir, tmp_path):
    """A YOLOX student detects with ONNX Runtime as with torch, without importing it."""
    settings = BoxTrainSettings(weights=data_dir / "weights" / "yolox_nano.onnx")
    student = build(settings, ["dog", "sports ball"]).eval()
    card = ModelCard(kind="yolox", classes=("dog", "sports ball"), image_size=320, flip_test=True)
    card = card.model_copy(update={"arch": student.arch})
    save_student(tmp_path, student, card)
    path = data_dir / "videos" / "dogs" / "dogs_play_garden.mp4"
    (picture,) = (frame.rgb() for frame in islice(decode(path), 1))
    found = load_student_detector(tmp_path).open()([picture])[0]
    network = torch_network(load_student(tmp_path, card), "cpu")
    expected = inference.Predictor(network, card)([picture])[0]
    assert len(found) == len(expected) > 0
    assert np.allclose(found.xyxy, expected.xyxy, atol=0.05)
    assert np.allclose(found.score, expected.score, atol=1e-3)
    code = (
        "import sys, numpy as np\n"
        "from reelabel.models.students.detector import load_student_detector\n"
        "from pathlib import Path\n"
        "load_student_detector(Path(sys.argv[1])).open()([np.zeros((64, 64, 3), np.uint8)])\n"
        "assert not {'torch', 'torchvision'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
