"""`clean` of classes returns what it decides and what it found out about tags."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from reelabel.stages.classes.clean import STAGE
from reelabel.workspace.class_results import TagQuality


def test_without_frames_the_result_is_there_and_empty(make_unit):
    """So that it takes the place of one that was made from frames that are gone."""
    nothing = SimpleNamespace(videos=(), video_ids=lambda _: [], readable_ids=lambda _: [])
    output = STAGE.run(replace(make_unit(STAGE, {}), inputs=nothing))
    assert output.results == (TagQuality(),)
    assert output.tables == {"class_candidates": {}}
    assert output.notes == {"rules": {}}
