"""A round's labels are summed up class by class, from what the stage noted of each video."""

from __future__ import annotations

import pyarrow as pa

from reelabel.labels.class_counts import class_counts
from reelabel.tables import FRAMES, LABELS
from reelabel.verbs.label_lines import label_notes
from reelabel.verbs.report import report

from .conftest import copied


def test_a_line_counts_labels_by_state_and_frames_without_any(labelled):
    """Positive, ignored and empty frames are those of the tables; an unknown class has none."""
    disc, none = class_counts(label_notes(labelled, 0), ("disc", "none"))
    videos = labelled.shards(LABELS, 0)
    rows = [row for v in videos for row in labelled.read(LABELS, v).to_pylist()]
    frames = [row for v in videos for row in labelled.read(FRAMES, v).to_pylist() if row["kept"]]
    found = {(r["video_id"], r["pts"]) for r in rows if r["state"] == "positive"}
    assert disc.positive == sum(row["state"] == "positive" for row in rows) > 0
    assert disc.ignored == sum(row["state"] == "ignore" for row in rows)
    assert disc.empty_frames == sum((f["video_id"], f["pts"]) not in found for f in frames)
    assert str(disc).startswith(f"disc: {disc.positive} positive, {disc.ignored} ignore")
    assert none.positive == 0
    assert none.empty_frames == none.frames == len(frames)


def test_two_classes_on_one_object_are_named_in_the_report(labelled, tmp_path):
    """The page states where labels of two classes are at one place."""
    workspace = copied(labelled, tmp_path)
    assert "are on one object" not in report(workspace).read_text(encoding="utf-8")
    video_id = workspace.shards(LABELS, 0)[0]
    receipt = workspace.receipt(LABELS, video_id, 0)
    notes = receipt.notes | {"two_classes": [["disc", "ring", 3]]}
    rows = workspace.read(LABELS, video_id, 0)
    names = pa.array(["ring"] * len(rows), rows["category"].type)
    more = rows.set_column(rows.column_names.index("category"), "category", names)
    workspace.write(LABELS, video_id, pa.concat_tables([rows, more]), fingerprint="x", notes=notes)
    page = report(workspace).read_text(encoding="utf-8")
    assert "disc and ring are on one object 3 times" in page
