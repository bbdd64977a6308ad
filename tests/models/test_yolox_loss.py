"""SimOTA and the YOLOX losses of whole batches, against a loop over boxes and cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("torchvision")

from torch.nn.functional import binary_cross_entropy_with_logits  # noqa: E402 -- torch
from torchvision.ops import box_iou  # noqa: E402 -- torch

from reelabel.models.students.targets import Target  # noqa: E402 -- torch
from reelabel.models.students.yolox.loss import decode, grid, loss_sums  # noqa: E402 -- torch

pytestmark = pytest.mark.train
SIDE, CLASSES = 128, 3


def some_boxes(rng, count):
    """Return boxes of at least 2 pixels inside the picture."""
    corner = torch.rand(count, 2, generator=rng) * (SIDE - 20)
    size = torch.rand(count, 2, generator=rng) * 60 + 2
    return torch.cat([corner, (corner + size).clamp(max=SIDE)], 1)


def some_target(rng, counts):
    """Return labels, ignore regions and hard negatives, so many of each."""
    labels, ignore, negative = (some_boxes(rng, count) for count in counts)
    return Target(
        xyxy=labels,
        class_id=torch.randint(0, CLASSES, (len(labels),), generator=rng),
        target_score=torch.rand(len(labels), generator=rng),
        ignore=ignore,
        negative=negative,
    )


def holds(box, point, margin=0.0):
    """Return whether a box, grown by a margin, has a point inside."""
    x1, y1, x2, y2 = box.tolist()
    x, y = point
    return x1 - margin < x < x2 + margin and y1 - margin < y < y2 + margin


def assigned(raw, boxes, cells, target):
    """Return cell -> index of the box that it is assigned to."""
    centres = [(x + s / 2, y + s / 2) for x, y, s in cells.tolist()]
    near, within = {}, {}
    for b, box in enumerate(target.xyxy):
        middle = ((box[:2] + box[2:]) / 2).tolist()
        for c, (x, y) in enumerate(centres):
            reach = 1.5 * float(cells[c, 2])
            near[b, c] = abs(x - middle[0]) < reach and abs(y - middle[1]) < reach
            within[b, c] = holds(box, (x, y))
    every = range(len(target.xyxy))
    some = [c for c in range(len(cells)) if any(near[b, c] or within[b, c] for b in every)]
    if not some:
        return {}
    iou = box_iou(target.xyxy, boxes[some])
    costs = {}
    for b in every:
        logits = torch.stack([raw[some, 4], raw[some, 5 + int(target.class_id[b])]])
        score = logits.sigmoid().prod(0).sqrt().clamp(1e-6, 1)
        cost = -score.log() - 3 * (iou[b] + 1e-8).log()
        outside = torch.tensor([not (near[b, c] and within[b, c]) for c in some])
        cost = cost + 1e5 * outside
        count = max(1, int(iou[b].topk(min(10, len(some)))[0].sum()))
        for place in cost.topk(count, largest=False)[1].tolist():
            costs.setdefault(some[place], []).append((float(cost[place]), b))
    return {cell: min(found)[1] for cell, found in costs.items()}


def expected_sums(raw, cells, target, negative_weight):
    """Return the loss sums of one picture, and the number of its assigned cells."""
    boxes, found = decode(raw, cells), assigned(raw, decode(raw, cells), cells, target)
    centres = [(x + s / 2, y + s / 2) for x, y, s in cells.tolist()]
    box, objects, classes = 0.0, 0.0, 0.0
    for cell, centre in enumerate(centres):
        weight, score = 1.0, 0.0
        if cell in found:
            b = found[cell]
            iou = float(box_iou(boxes[cell][None], target.xyxy[b][None]))
            wanted = torch.zeros(CLASSES)
            wanted[target.class_id[b]] = iou
            box += 5 * (1 - iou**2)
            classes += float(
                binary_cross_entropy_with_logits(raw[cell, 5:], wanted, reduction="sum")
            )
            score = float(target.target_score[b])
        elif any(holds(each, centre) for each in target.negative):
            weight = negative_weight
        elif any(holds(each, centre, 8.0) for each in target.ignore):
            weight = 0.0
        logit = raw[cell, 4]
        objects += weight * float(
            binary_cross_entropy_with_logits(logit, torch.full_like(logit, score))
        )
    return {"box": box, "object": objects, "class": classes}, len(found)


@given(
    seed=st.integers(0, 10_000),
    counts=st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=3),
)
def test_losses_are_those_of_each_picture(seed, counts):
    """The sums of a batch are what loops over pictures, boxes and cells give."""
    rng = torch.Generator().manual_seed(seed)
    targets = [some_target(rng, each) for each in counts]
    cells = grid(torch.zeros(1, 3, SIDE, SIDE))
    raw = torch.randn(len(targets), len(cells), 5 + CLASSES, generator=rng)
    sums = loss_sums(raw, cells, targets, negative_weight=3.0)
    each = [expected_sums(r, cells, t, 3.0) for r, t in zip(raw, targets, strict=True)]
    assert sums.divisor.item() == sum(count for _, count in each)
    for name, value in sums.terms.items():
        assert value.item() == pytest.approx(sum(terms[name] for terms, _ in each), rel=1e-3)


def test_pictures_without_labels_have_a_gradient():
    """A batch of background has no assigned cells, and its objectness is still trained."""
    cells = grid(torch.zeros(1, 3, SIDE, SIDE))
    raw = torch.zeros(2, len(cells), 5 + CLASSES, requires_grad=True)
    nothing = some_target(torch.Generator(), (0, 0, 0))
    sums = loss_sums(raw, cells, [nothing, nothing])
    sum(sums.terms.values()).backward()
    assert sums.divisor.item() == 0
    assert (raw.grad[..., 4] > 0).all()
    assert not raw.grad[..., :4].any()
