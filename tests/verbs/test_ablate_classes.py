"""What the rules that doubt tags are worth: the same training without and with each of them."""

from __future__ import annotations

import numpy as np
import pytest

import reelabel as api
from reelabel.errors import MissingInput, UsageError
from reelabel.verbs.ablate_classes import RULES, VARIANTS
from reelabel.workspace.class_results import ClassAblation

COLOURS = {"red": (190, 60, 60), "green": (60, 190, 60)}
SETTINGS = {
    "sample": {"per_video": 4},
    "train": {"student": "fake"},
    "engine": {"workers": 1},
    "evaluate": {"resamples": 50},
}


@pytest.fixture(scope="module")
def footage(tmp_path_factory, make_textured_clip):
    """Return a folder for each class, and two test videos of each with their classes."""
    home = tmp_path_factory.mktemp("ablate_classes")
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(6):
            folder = "test" if i > 3 else f"footage/{name}"
            make_textured_clip(home / folder / f"{name}{i}.mp4", colour, 10 * number + i)
    rows = [f"{name}{i}.mp4,{name}" for name in COLOURS for i in (4, 5)]
    (home / "truth.csv").write_text("\n".join(["video,class", *rows]))
    return home


def begin(root, footage, *, truth=True, until="classify", **changes):
    """Return a workspace whose moments are there."""
    given = {
        "classes": list(COLOURS),
        "videos": [footage / "footage"],
        "tags": "folders",
        "task": "classify-frames",
        "settings": SETTINGS,
    }
    if truth:
        given |= {"test_videos": [footage / "test"], "truth": footage / "truth.csv"}
    workspace = api.init(root, **given | changes)
    api.run(workspace, until=until)
    return workspace


@pytest.fixture(scope="module")
def ablated(footage, tmp_path_factory):
    """Return a workspace and its table."""
    workspace = begin(tmp_path_factory.mktemp("ablate") / "ws", footage)
    return workspace, api.ablate(workspace, seeds=2)


def test_every_rule_is_used_alone_and_with_the_others(ablated):
    """There is a variant without rules, one for each rule, and one with all."""
    assert set(RULES) == {"contradicts", "stranger", "blank", "copied"}
    _, table = ablated
    assert [one.name for one in table.variants] == list(VARIANTS)
    assert [one.gain == {} for one in table.variants] == [True] + [False] * 5


def test_students_are_scored_on_what_none_was_trained_on(ablated):
    """The figures are the accuracy on frames and videos of the truth, for each training."""
    _, table = ablated
    assert table.measure == "top1"
    assert table.moments == {"frame": 16, "video": 4}
    assert table.groups == 4
    for one in table.variants:
        for level, figure in one.scores.items():
            assert figure.value == pytest.approx(np.mean(one.by_seed[level]), abs=1e-6)
            assert len(one.by_seed[level]) == 2
            assert 0.0 <= figure.low <= figure.value <= figure.high <= 1.0


def test_what_a_rule_doubts_is_not_trained_on(footage, tmp_path, make_textured_clip):
    """A red video under the green ones is trained on without rules, and ignored by one of them."""
    make_textured_clip(tmp_path / "wrong" / "green" / "wrong.mp4", COLOURS["red"], 99)
    ws = begin(tmp_path / "w", footage, videos=[footage / "footage", tmp_path / "wrong"])
    found = {one.name: one for one in api.ablate(ws, seeds=1).variants}
    assert (found["plain"].positives, found["plain"].ignored) == (36, 0)
    assert (found["+contradicts"].positives, found["+contradicts"].ignored) == (32, 4)
    assert found["+copied"].trained_as == "plain"


def test_the_round_itself_is_not_touched_and_nothing_is_trained_twice(ablated):
    """All lies in the round's folder `ablation` but for the table, which a second call repeats."""
    workspace, table = ablated
    made = {path.name for path in workspace.round_dir(0).iterdir()}
    assert {"ablation", "ablation.json", "predictions"} <= made
    assert not {"labels", "dataset", "model", "scores.json"} & made
    models = list(workspace.round_dir(0).rglob("model.json"))
    before = [path.stat().st_mtime_ns for path in models]
    assert api.ablate(workspace, seeds=2) == table
    assert [path.stat().st_mtime_ns for path in models] == before
    assert len(before) == 2 * len({one.trained_as for one in table.variants})
    same = [one.trained_as for one in table.variants if not one.ignored]
    assert set(same) == {"plain"}


def test_the_table_is_kept_printed_and_in_the_report(ablated, reelabel):
    """The command prints a row for each variant; the report has the same rows."""
    workspace, table = ablated
    assert ClassAblation.load(workspace.round_dir(0)) == table
    code, out, _ = reelabel("ablate", workspace.root, "--seeds", 2, "-q")
    assert code == 0
    rows = [line for line in out.splitlines() if line.split(" ")[0] in VARIANTS]
    assert [row.split(" ")[0] for row in rows] == list(VARIANTS)
    api.run(workspace)
    page = api.report(workspace).read_text()
    assert "What each rule is worth" in page
    assert all(f">{name}" in page for name in VARIANTS)


def test_without_truth_or_predictions_it_is_stated_what_is_missing(footage, tmp_path):
    """Variants need people's classes of videos that no student saw, and a round that began."""
    with pytest.raises(UsageError, match="people's classes"):
        api.ablate(begin(tmp_path / "a", footage, truth=False))
    with pytest.raises(MissingInput, match="--until classify"):
        api.ablate(begin(tmp_path / "b", footage, until="truth"))
