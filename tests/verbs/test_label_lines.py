"""A round's labels are summed up class by class."""

from __future__ import annotations

import pyarrow as pa

from reelabel.tables import LABELS
from reelabel.verbs.label_lines import class_lines, classes_on_one_object
from reelabel.verbs.report import report
from reelabel.workspace.snapshot import Snapshot

from .conftest import copied


def doubled(workspace):
    """Give every label of the first video a second class."""
    video_id = workspace.shards(LABELS, 0)[0]
    rows = workspace.read(LABELS, video_id, 0)
    names = pa.array(["ring"] * len(rows), rows["category"].type)
    more = rows.set_column(rows.column_names.index("category"), "category", names)
    workspace.write(LABELS, video_id, pa.concat_tables([rows, more]), fingerprint="x")
    return rows


def test_a_line_counts_labels_by_state_and_frames_without_any(labelled):
    """Positive, ignored and empty frames are those of the tables; an unknown class has none."""
    disc, none = class_lines(labelled, 0, ("disc", "none"))
    rows = [row for v in labelled.shards(LABELS, 0) for row in labelled.read(LABELS, v).to_pylist()]
    assert disc.positive == sum(row["state"] == "positive" for row in rows) > 0
    assert disc.ignored == sum(row["state"] == "ignore" for row in rows)
    assert str(disc).startswith(f"disc: {disc.positive} positive, {disc.ignored} ignore")
    assert none.positive == 0
    assert none.empty_frames == none.frames > disc.empty_frames


def test_two_classes_on_one_object_are_named_in_the_report(labelled, tmp_path):
    """Labels of two classes at one place are counted, and the page states it."""
    workspace = copied(labelled, tmp_path)
    assert classes_on_one_object(Snapshot(workspace).rows(LABELS, 0)) == {}
    rows = doubled(workspace)
    positive = rows["state"].to_pylist().count("positive")
    found = classes_on_one_object(Snapshot(workspace).rows(LABELS, 0))
    assert found == {("disc", "ring"): positive}
    assert "disc and ring are on one object" in report(workspace).read_text(encoding="utf-8")
