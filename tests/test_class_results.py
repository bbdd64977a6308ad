"""Scores of classifiers and of their tags are read back as they were written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from reelabel.data.classes import Moments, Predictions
from reelabel.errors import ShardError
from reelabel.evaluation.classes.compare import ModelCost, ModelPredictions, compare
from reelabel.evaluation.classes.figures import ScoreSettings
from reelabel.evaluation.classes.leak_test import LeakTest
from reelabel.evaluation.classes.levels import Truth
from reelabel.evaluation.classes.speed import Speed
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.evaluation.figures import Figure
from reelabel.workspace.class_results import ClassificationScores, ModelComparison, TagQuality


def comparison(exclusive):
    """Return a comparison with every kind of figure, also such as are not defined."""
    videos = np.array([f"v{i}" for i in range(9)])
    moments = Moments(videos, np.arange(9), np.arange(9))
    target = np.eye(3, dtype=np.float32)[np.arange(9) % 2]
    truth = Truth(moments, target, videos)
    rng = np.random.default_rng(0)
    cost = ModelCost(3, None, Speed(0.1, 20.0, 8, 1.0, 7))
    models = [
        ModelPredictions("teacher", Predictions(moments, rng.dirichlet([1, 1, 1], 9))),
        ModelPredictions("student", Predictions(moments, target), cost),
    ]
    return compare(models, truth, ScoreSettings(("a", "b", "c"), exclusive))


RESULTS = (
    ClassificationScores(
        round=1,
        split="by video",
        truth={"frame": comparison(exclusive=True)},
        truth_unseen={"video": comparison(exclusive=False)},
        temperature=1.4,
        left_out=("x.mp4",),
        alike={"a": "b"},
    ),
    TagQuality(
        (
            Judgement("dog", 9, 3, 0.9, 0.8, 0.1, Figure(0.95, 0.9, 1.0), 1.0, can_be_judged=True),
            Judgement("cat", reason="few videos"),
        ),
        LeakTest(0.99, 0.8, 100, 9),
    ),
    TagQuality(),
    ModelComparison({"clip": comparison(exclusive=True), "video": comparison(exclusive=False)}),
)


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: type(r).__name__)
def test_a_result_is_read_back_as_it_was_written(result, tmp_path):
    """Every field of every result survives its file."""
    result.save(tmp_path)
    assert type(result).load(tmp_path) == result
    text = (tmp_path / result.FILE).read_text()
    assert "NaN" not in text
    assert json.loads(text)["version"] == result.VERSION


@pytest.mark.parametrize("result", RESULTS, ids=lambda r: type(r).__name__)
def test_a_damaged_result_is_named(result, tmp_path):
    """The error names the file, what is wrong in it, and what to do."""
    damage = {"truth": {"word": 1}, "levels": {"word": 1}, "judgements": [{"frames": 1}]}
    (tmp_path / result.FILE).write_text(json.dumps(result.to_json() | damage))
    with pytest.raises(ShardError, match=rf"{result.FILE}: expected .* but .*; delete it"):
        type(result).load(tmp_path)
