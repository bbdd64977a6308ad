"""What the demo does beside the loop."""

from __future__ import annotations

from reelabel.formats.coco import read_coco
from reelabel.synthetic.footage import render
from reelabel.verbs.demo import TRUTH_EVERY, thinned


def test_the_truth_of_every_fourth_frame_is_scored(tmp_path):
    """The thinned file holds these frames alone, with all of their boxes."""
    truth = render(tmp_path, videos=1, frames=9, size_wh=(96, 64))
    whole, some = read_coco(truth), read_coco(thinned(truth))
    kept = [i for i, image in enumerate(whole.images) if image.frame_index in (0, 4, 8)]
    assert TRUTH_EVERY == 4
    assert some == whole.subset(kept)
    assert some.box_count > 0
