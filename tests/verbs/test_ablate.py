"""What evidence is worth: the same training without and with each kind of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import reelabel as api
from reelabel.errors import MissingInput, UsageError
from reelabel.evaluation.intervals import over_seeds
from reelabel.verbs.ablate_boxes import VARIANTS

SETTINGS = {
    "train": {"student": "fake"},
    "evaluate": {"resamples": 20},
    "detect": {"frames": "all"},
    "engine": {"workers": 2},
}


@pytest.fixture(scope="module")
def truth(disc_clips, tmp_path_factory):
    """Return a file of true boxes of the discs in every fifth frame of two clips."""
    images, boxes = [], []
    for seed, clip in enumerate(disc_clips[:2]):
        for i in range(0, 20, 5):
            y = 30 + 12 * (seed % 4) + round(8 * np.sin(i / 3))
            frame = {"video": clip.name, "frame_index": i, "width": 160, "height": 96}
            images.append(frame | {"id": len(images) + 1})
            bbox = [20 + 6 * i - 9.5, y - 9.5, 19, 19]
            one = {"id": len(boxes) + 1, "image_id": len(images), "category_id": 1}
            boxes.append(one | {"bbox": bbox, "area": 361, "iscrowd": 0})
    path = tmp_path_factory.mktemp("truth") / "truth.json"
    coco = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "disc"}]}
    path.write_text(json.dumps(coco))
    return path


def begin(root, clips, truth=None, **settings):
    """Make a workspace whose teacher has looked, and whose boxes are linked."""
    workspace = api.init(
        root, classes=["disc"], videos=clips, detector="fake:", truth=truth,
        settings=SETTINGS | settings,
    )  # fmt: skip
    api.run(workspace, until="track")
    return workspace


@pytest.fixture(scope="module")
def ablated(disc_clips, truth, tmp_path_factory):
    """Return a workspace and its table."""
    workspace = begin(tmp_path_factory.mktemp("ablate") / "ws", disc_clips[:2], truth)
    return workspace, api.ablate(workspace, seeds=2)


def test_every_variant_is_trained_with_every_seed(ablated):
    """The table has a row per variant, with figures per seed, intervals and label counts."""
    _, table = ablated
    assert [row.name for row in table.variants] == list(VARIANTS)
    assert table.seeds == (1, 2)
    for row in table.variants:
        assert len(row.ap_by_seed) == 2
        assert row.ap.low <= row.ap.value + 1e-6 <= row.ap.high + 2e-6
        assert row.labels.positives > 0
        assert (row.gain_ap is None) == (row.name == "plain")
    assert table.variants[0].precision == 1.0


def test_the_round_itself_is_not_touched(ablated):
    """All that is made lies in the round's folder `ablation`, but for the table."""
    workspace, _ = ablated
    made = {path.name for path in workspace.round_dir(0).iterdir()}
    assert {"ablation", "ablation.json", "tracks"} <= made
    assert not {"labels", "dataset", "model", "scores.json", "evidence"} & made


def test_a_second_time_nothing_is_trained_again(ablated):
    """What was done is kept, so a run that was stopped goes on; the table is the same."""
    workspace, table = ablated
    models = list(workspace.round_dir(0).rglob("model.json"))
    before = [path.stat().st_mtime_ns for path in models]
    assert api.ablate(workspace, seeds=2) == table
    assert [path.stat().st_mtime_ns for path in models] == before
    assert len(before) == 2 * len({row.trained_as for row in table.variants})


def test_variants_with_the_same_labels_are_trained_once(ablated):
    """A sure teacher leaves flickers and repeats nothing to find: their rows say so, and agree."""
    _, table = ablated
    plain, *others = table.variants
    same = [row for row in others if row.trained_as == "plain"]
    assert {row.name for row in same} >= {"+flicker", "+static"}
    assert all(row.ap_by_seed == plain.ap_by_seed for row in same)
    assert all(row.gain_ap.value == 0 for row in same)


def test_without_truth_there_is_nothing_to_compare_on(disc_clips, tmp_path):
    """Labels of different variants cannot judge each other."""
    workspace = begin(tmp_path / "ws", disc_clips[:2])
    with pytest.raises(UsageError, match="--as truth"):
        api.ablate(workspace)


def test_a_round_without_tracks_is_refused(disc_clips, truth, tmp_path):
    """It says what to run first."""
    workspace = api.init(tmp_path / "ws", classes=["disc"], videos=disc_clips[:1], truth=truth)
    with pytest.raises(MissingInput, match="--until track"):
        api.ablate(workspace)


def test_train_ablate_prints_the_table(ablated, reelabel):
    """The flag of `train` and the command do the same; its own flags count."""
    workspace, _ = ablated
    code, out, _ = reelabel("ablate", workspace.root, "--seeds", 2)
    assert code == 0
    assert all(name in out for name in VARIANTS)
    code, again, _ = reelabel("train", workspace.root, "--ablate", "--seeds", 2)
    assert (code, again) == (0, out)


def test_over_seeds_holds_both_kinds_of_chance():
    """Equal trainings leave the resamples as they are; unequal ones widen their spread."""
    rng = np.random.default_rng(0)
    one = rng.normal(0, 1, 400)
    assert np.array_equal(over_seeds(np.stack([one, one])), one)
    apart = over_seeds(np.stack([one - 3, one + 3]))
    assert apart.std() > 1.5 * one.std()
    assert abs(apart.mean() - one.mean()) < 0.5
