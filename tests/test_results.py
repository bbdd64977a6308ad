"""What a round decides is read back as it was written, and damage is named."""

from __future__ import annotations

import json

import pytest

from reelabel.errors import ShardError
from reelabel.evaluation.figures import (
    Comparison,
    Figure,
    Finding,
    Gain,
    Measures,
    ModelScores,
    VideoScores,
)
from reelabel.evaluation.label_quality import BackgroundQuality, LabelQuality
from reelabel.evaluation.label_rules import LabelCount, RuleQuality
from reelabel.workspace.results import (
    Ablation,
    Decision,
    LabelCounts,
    Resamples,
    Scores,
    SideCounts,
    SplitReport,
    Variant,
)

FIGURE = Figure(0.5, 0.4, None)
MEASURES = Measures(FIGURE, FIGURE, FIGURE, FIGURE, FIGURE, FIGURE, Figure(None))
MODEL = ModelScores(MEASURES, {"ball": MEASURES}, (1.0, None), {"small": None})
COMPARED = Comparison(
    3,
    9,
    {"teacher": MODEL, "start": MODEL, "student": MODEL},
    {"start": Gain(0.1, -0.1, 0.3, 0.9)},
    "video",
    4,
    (VideoScores("v", "v.mp4", 3, {"student": MEASURES}),),
)
RESULTS = (
    SplitReport(
        leak_free=False,
        reason="one video",
        leaks=("a and b",),
        groups={"a": "a"},
        videos={"a": {"train": 3}},
        names={"a": "a.mp4"},
        sides={"train": SideCounts(3, 2, 4, 1, 0)},
        unlabelled={"near": 2},
    ),
    Scores(
        0,
        0.5,
        truth=COMPARED,
        labels=LabelQuality(FIGURE, FIGURE, FIGURE),
        rules=(RuleQuality("score", LabelCount(3, 2, 1), LabelCount(1), None),),
        background=BackgroundQuality(3, 2, 1),
        alike={"a": "b"},
    ),
    Resamples({"student": (0.5, None)}),
    Decision(
        1,
        "stop",
        "motion",
        "motion",
        "not better",
        0.4,
        "truth",
        (Finding("AP", "teacher", 0.4, 0.5, FIGURE, "9 frames"),),
    ),
    Ablation(
        0,
        (1, 2),
        "truth",
        (
            Variant(
                "plain",
                "plain",
                FIGURE,
                FIGURE,
                FIGURE,
                0.9,
                None,
                None,
                (0.5, None),
                LabelCounts(3, 2, 1),
            ),
        ),
    ),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: type(r).__name__)
def test_a_result_is_read_back_as_it_was_written(result, tmp_path):
    """Every field of every result survives its file."""
    assert type(result).load(tmp_path) is None
    result.save(tmp_path)
    assert type(result).load(tmp_path) == result
    assert json.loads((tmp_path / result.FILE).read_text())["version"] == result.VERSION


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: type(r).__name__)
@pytest.mark.parametrize("damage", [{"version": 99}, {"round": "x", "ap": 1, "sides": 1}])
def test_a_damaged_result_or_one_of_another_version_is_named(result, damage, tmp_path):
    """The error names the file, what is wrong in it, and what to do."""
    result.save(tmp_path)
    path = tmp_path / result.FILE
    path.write_text(json.dumps(result.to_json() | damage))
    with pytest.raises(ShardError, match=rf"{path.name}: expected .* but .*; delete it"):
        type(result).load(tmp_path)
