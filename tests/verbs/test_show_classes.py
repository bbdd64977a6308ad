"""show of a workspace of classes: what every frame carries, and the most doubtful moments."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import reelabel as api
from reelabel.errors import MissingInput, UsageError
from reelabel.media import draw
from reelabel.media.pictures import read_rgb
from reelabel.media.probe import probe
from reelabel.media.rendering import is_rendering
from reelabel.media.video import decode
from reelabel.tables import CLASS_LABELS, STUDENT_PREDICTIONS
from reelabel.verbs import show_classes
from reelabel.verbs.show_classes import _OverTime
from reelabel.verbs.show_video import stem_of


def change_labels(workspace, name, rows, **changes):
    """Change some labels of one video."""
    video_id = next(v.video_id for v in workspace.videos() if v.name == name)
    table = workspace.read(CLASS_LABELS, video_id).to_pylist()
    for i in rows:
        table[i].update(changes)
    workspace.write(CLASS_LABELS, video_id, CLASS_LABELS.from_rows(table), fingerprint="x")


@pytest.fixture
def texts(monkeypatch):
    """Return the texts of each drawn frame, in order."""
    found = []

    def noted(picture, bars):
        found.append([bar.text for bar in bars])
        return draw.draw_bars(picture, bars)

    monkeypatch.setattr(show_classes, "draw_bars", noted)
    return found


def test_every_frame_is_there_with_its_bar(classes_copy, tmp_path):
    """At the true frame rate; the upper left corner is drawn over, the rest of the frame is not."""
    shown = api.show(classes_copy, out=tmp_path / "s", pictures=0)
    assert len(shown) == 9
    videos = {video.name: video for video in classes_copy.videos()}
    for one in shown:
        video = videos[one.video]
        assert one.movie == tmp_path / "s" / f"{stem_of(video)}.mp4"
        assert one.pictures == []
        assert is_rendering(one.movie)
    first = videos[shown[0].video]
    before, after = list(decode(first.path)), list(decode(shown[0].movie))
    assert [frame.pts for frame in before] == [frame.pts for frame in after]
    assert probe(shown[0].movie).fps == probe(first.path).fps
    a, b = before[30].rgb().astype(int), after[30].rgb().astype(int)
    assert np.abs(a[:5, :40] - b[:5, :40]).mean() > 20
    assert np.abs(a[70:, 100:] - b[70:, 100:]).mean() < 8


def test_a_frame_carries_tag_label_and_prediction(classes_copy, tmp_path, texts):
    """Truth and tag of the video, the nearest moment's label with its rule, and probabilities."""
    change_labels(classes_copy, "r1.mp4", range(2), state="ignore", rule="stranger")
    for video_id in set(classes_copy.shards(CLASS_LABELS)):
        if classes_copy.read(CLASS_LABELS, video_id)["video_id"][0].as_py() != id_of(
            classes_copy, "r1.mp4"
        ):
            classes_copy.remove(CLASS_LABELS, video_id)
    api.show(classes_copy, out=tmp_path / "s", pictures=0)
    assert len(texts) == 60
    first, last = texts[0], texts[-1]
    assert first[:3] == ["truth: red", "tag: red", "ignore: red (stranger)"]
    assert last[2] == "positive: red"
    assert first[3].startswith("student: red ")
    assert first[4].startswith("student: green ")


def id_of(workspace, name):
    """Return the id of a video."""
    return next(video.video_id for video in workspace.videos() if video.name == name)


def test_predictions_are_the_teachers_where_no_student_was_scored(classes_copy, tmp_path, texts):
    """And the frame says whose they are."""
    shutil.rmtree(classes_copy.round_dir(0) / STUDENT_PREDICTIONS.name)
    api.show(classes_copy, out=tmp_path / "s", pictures=0)
    assert {text.split(":")[0] for some in texts for text in some} >= {"teacher", "tag", "positive"}
    assert not any(text.startswith("student") for some in texts for text in some)


def test_the_most_doubtful_moments_are_pictures(classes_copy, tmp_path):
    """Per class: ignored labels first, then the least likely; named by class and rank."""
    change_labels(classes_copy, "r1.mp4", [3], state="ignore", rule="stranger", probability=0.9)
    change_labels(classes_copy, "r2.mp4", [1], probability=0.2)
    shown = api.show(classes_copy, out=tmp_path / "s", pictures=2)
    names = sorted(path.name for one in shown for path in one.pictures)
    assert len(names) == 4
    assert [name.split("-")[:3] for name in names][2:] == [["red", "01", "r1"], ["red", "02", "r2"]]
    assert sorted(path.name for path in (tmp_path / "s").glob("*.jpg")) == names
    for one in shown:
        for path in one.pictures:
            assert read_rgb(path).shape == (96, 160, 3)
            assert is_rendering(path)
            assert path.name.split("-", 2)[2].startswith(one.movie.stem)


def test_evidence_is_of_boxes(classes_copy):
    """Asking for it is refused; so is a round that is not there."""
    with pytest.raises(UsageError, match="temporal evidence is of boxes"):
        api.show(classes_copy, evidence=True)
    with pytest.raises(MissingInput, match="no round 7"):
        api.show(classes_copy, round=7)
    shutil.rmtree(classes_copy.round_dir(0) / CLASS_LABELS.name)
    with pytest.raises(MissingInput, match="has no labels yet"):
        api.show(classes_copy)


def test_nothing_is_known_behind_a_hole():
    """A moment counts as far as its neighbours are; of windows the whole length counts."""
    time_s = np.array([[0.0, 0.4], [0.5, 0.9], [1.0, 1.4], [5.0, 5.4]])
    found = _OverTime.of(time_s, 8.0)
    at = [found.at(second) for second in (0.0, 0.45, 0.8, 3.0, 5.2, 7.9)]
    assert at == [0, 1, 1, None, 3, None]
    assert _OverTime.of(np.zeros((0, 2)), 3.0).at(1.0) is None


def test_the_command_writes_a_line_per_video(classes_copy, reelabel, tmp_path):
    """With the number of pictures."""
    code, out, err = reelabel("show", classes_copy.root, "--out", tmp_path / "s", "--quiet")
    assert (code, err) == (0, "")
    assert out.count(".mp4") == 9
    code, _, err = reelabel("show", classes_copy.root, "--evidence")
    assert code == 2
    assert "leave --evidence out" in err
