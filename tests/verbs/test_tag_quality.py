"""What `clean` of classes finds out about tags is a result of its round."""

from __future__ import annotations

import reelabel
from reelabel.evaluation.classes.tag_judgement import Judgement
from reelabel.workspace.class_results import TagQuality


def states(workspace) -> dict[str, dict[str, int]]:
    """Return stage -> state -> units."""
    return {one.stage: one.units for one in reelabel.status(workspace)}


def test_probes_are_judged_and_leaks_are_tested(classes_copy):
    """One judgement for exclusive classes beside the leak test; the receipt has counts alone."""
    reelabel.clean(classes_copy, contradicts={"enabled": True}, quiet=True)
    found = TagQuality.load(classes_copy.round_dir(0))
    (judged,) = found.judgements
    assert (judged.category, judged.videos, judged.frames) == ("", 8, 48)
    accuracy = judged.frame_accuracy
    assert 0 <= accuracy.low <= accuracy.value <= accuracy.high <= 1
    assert (found.leak_test.moments, found.leak_test.groups) == (48, 8)
    receipt = classes_copy.read_receipt("clean", 0)
    assert set(receipt.notes) == {"rules"}
    assert list(receipt.files) == ["rounds/0/tag_quality.json"]


def test_a_lost_result_is_made_again_by_the_stage_alone(classes_copy):
    """`clean` is no longer done, writes the same bytes again, and nothing after it is stale."""
    path = classes_copy.round_dir(0) / TagQuality.FILE
    written = path.read_bytes()
    path.unlink()
    found = states(classes_copy)
    assert "done" not in found["clean"]
    reelabel.clean(classes_copy, quiet=True)
    assert path.read_bytes() == written
    assert all(set(counts) <= {"done"} for counts in states(classes_copy).values())


def test_reasons_are_those_of_judgements_that_cannot_be_made():
    """A judgement that can be made has no reason."""
    judgements = (Judgement("dog", can_be_judged=True), Judgement("cat", reason="few videos"))
    assert TagQuality(judgements).reasons == ("few videos",)
    assert TagQuality().reasons == ()
