"""A round's detections as text files: every frame of every video, read back as they were."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import reelabel as api
from reelabel.engine.run import Options
from reelabel.errors import MissingInput
from reelabel.formats.detections_txt import read_detections
from reelabel.pipeline import read_config, run
from reelabel.tables import DETECTIONS
from reelabel.verbs.init import init


@pytest.fixture
def workspace(disc_clips, tmp_path):
    """Return a new workspace on two clips, of which every second frame is sampled."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, footage)
    settings = {"sample": {"every": 2}}
    return init(
        tmp_path / "w", classes=["disc"], videos=[footage], detector="fake:", settings=settings
    )


def test_every_frame_has_its_block_and_every_box_comes_back(workspace, tmp_path, reelabel):
    """Frames that nobody looked at are empty; what is written is what flicker reads."""
    run(workspace, read_config(workspace), Options(quiet=True), until="detect")
    out = tmp_path / "out"
    assert reelabel("export", workspace.root, out, "--format", "detections-txt")[0] == 0
    for row in workspace.videos():
        (path,) = out.glob(f"*-{row.video_id[:6]}.txt")
        blocks = read_detections(path)
        assert len(blocks) == 20
        assert not any(len(block) for block in blocks[1::2])
        found = workspace.read(DETECTIONS, row.video_id).to_pylist()
        assert sum(map(len, blocks)) == len(found) > 0
        for box in found:
            x1, y1, width, height, score = blocks[box["frame_index"]][0]
            assert np.allclose(
                [x1, y1, x1 + width, y1 + height],
                [box[k] for k in ("x1", "y1", "x2", "y2")],
                atol=1e-4,
            )
            assert score == pytest.approx(box["score"], abs=1e-6)
        assert api.flicker(row.path, path).read == 20


def test_without_detections_there_is_nothing_to_export(workspace, tmp_path):
    """The error says what to run."""
    with pytest.raises(MissingInput, match="reelabel detect"):
        api.export(workspace, tmp_path / "out", format="detections-txt")
