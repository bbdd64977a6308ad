"""predict with classifiers: classes of pictures and arrays, and of videos over time."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import reelabel as api
from reelabel.errors import MediaError, ModelError, UsageError, WorkspaceError
from reelabel.formats.tags import read_tags
from reelabel.labels.segments import UNKNOWN
from reelabel.media.pictures import encode_jpeg, read_rgb
from reelabel.media.rendering import is_rendering
from reelabel.media.video import decode
from reelabel.models.classifiers.fake import FakeClassifier, FakeOptions
from reelabel.sources.footage import files_in
from reelabel.verbs import class_models, predict_classes

TASK = "classify-frames"
SOFT = FakeOptions(sharpness=1.0)


@pytest.fixture
def clip(make_colour_clip, tmp_path):
    """Return a clip that is red for four seconds, then blue for two."""
    return make_colour_clip(tmp_path / "a" / "clip.mp4", [("red", 4), ("blue", 2)])


@pytest.fixture
def picture(tmp_path):
    """Return a green picture."""
    path = tmp_path / "a" / "green.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encode_jpeg(np.full((32, 40, 3), (20, 220, 20), np.uint8)))
    return path


def classes(sources, model="fake:", **how):
    """Return what a classifier gives."""
    return api.predict(model, sources, task=TASK if model == "fake:" else "", **how)


# -- what is found ---------------------------------------------------------------------------------


def test_a_video_has_segments_and_one_answer(clip):
    """Frames are judged once a second; the class that lasts longer is the answer."""
    (found,) = classes(clip)
    assert [(s.category, s.start_s, s.end_s) for s in found.segments] == [
        ("red", 0.0, 3.5),
        ("blue", 3.5, 6.0),
    ]
    assert len(found) == 6
    assert found.category == "red"
    assert found.probabilities["red"] == pytest.approx(3.5 / 6, abs=0.01)
    assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_the_step_decides_how_exact_segments_are(clip):
    """At ten frames a second the change is found at its frame; 0 judges every frame."""
    (fine,) = classes(clip, step_s=0.1)
    assert fine.segments[0].end_s == pytest.approx(3.95, abs=0.05)
    (every,) = classes(clip, step_s=0)
    assert len(every) == 150
    assert every.index.tolist() == list(range(150))


def test_clips_are_judged_in_windows_that_contain_no_cut(clip, clip_model):
    """Windows have the model's own pictures and distance, end to end, and never two shots."""
    (found,) = classes(clip, clip_model)
    moments = found.predictions.moments
    assert (moments.until_pts - moments.pts).tolist() == [360] * 7
    assert moments.pts.tolist() == [0, 480, 960, 1440, 1920, 2400, 2880]
    assert (found.predictions.probability.max(axis=1) > 0.9).all()
    assert [s.category for s in found.segments] == ["red", "blue"]


def test_a_span_is_all_that_is_judged(clip, clip_model):
    """Nothing outside is taken; segments end where the span does."""
    for model in ("fake:", clip_model):
        (found,) = classes(clip, model, start_s=4.0, duration_s=1.5)
        assert [s.category for s in found.segments] == ["blue"]
        assert found.segments[0].start_s == 4.0
        assert found.segments[-1].end_s == 5.5
        assert found.time_s.min() >= 4.0
        assert found.time_s.max() < 5.5


def test_folders_stand_for_what_is_in_them(clip, picture):
    """A folder of a video and a picture gives two answers, whichever task predicts."""
    found = classes(clip.parent)
    assert {one.source.name: one.category for one in found} == {
        str(clip): "red",
        str(picture): "green",
    }
    assert found[1].segments == ()
    assert len({frame.source.name for frame in api.predict("fake:", clip.parent)}) == 2


def test_a_folder_without_footage_is_refused(tmp_path):
    """The error names the folder and what it should hold."""
    with pytest.raises(UsageError, match="expected a folder with videos or pictures"):
        classes(tmp_path)


def test_arrays_are_answers_of_their_own(clip):
    """One array, several, a stack or an iterator: each gets the class that its frame has."""
    arrays = [frame.rgb() for frame in decode(clip)][::25]
    of_file = classes(clip)[0].predictions.probability
    for given in (arrays, iter(arrays), np.stack(arrays)):
        found = classes(given)
        assert [one.category for one in found] == ["red"] * 4 + ["blue"] * 2
        rows = [list(one.probabilities.values()) for one in found]
        np.testing.assert_allclose(rows, of_file, atol=1e-4)
    assert len(classes(arrays[0])) == 1
    assert len(classes(iter(()))) == 0


def test_arrays_are_one_clip_for_a_model_of_clips(clip, clip_model):
    """All frames of an iterator together are judged once, by pictures spread over them."""
    arrays = [frame.rgb() for frame in decode(clip)]
    (found,) = classes(iter(arrays), clip_model)
    assert len(found) == 1
    picked = [arrays[i] for i in (0, 50, 99, 149)]
    expected = FakeClassifier(tuple(found.classes)).open()([picked])[0]
    np.testing.assert_allclose(list(found.probabilities.values()), expected, atol=1e-6)
    assert found.segments == ()


def test_what_is_no_frame_is_refused():
    """The error names the array's form."""
    with pytest.raises(UsageError, match="expected frame 0 as a uint8 array"):
        classes([np.zeros((4, 4), np.uint8)])


def test_several_classes_may_be_right(clip, monkeypatch):
    """Where classes are no alternatives, each has segments of its own, which may overlap."""
    several = FakeClassifier(("warm", "cold", "red too", "unknown"), exclusive=False)
    monkeypatch.setattr(class_models, "load_classifier", lambda *_, **__: several)
    (found,) = classes(clip, min_score=0.1)
    assert [(s.category, s.start_s, s.end_s) for s in found.segments] == [
        ("warm", 0.0, 3.5),
        ("unknown", 0.0, 3.5),
        ("red too", 3.5, 6.0),
    ]
    assert found.categories == ("red too", "warm", "unknown")


# -- thresholds ------------------------------------------------------------------------------------


def test_below_the_threshold_nothing_is_known(clip, monkeypatch):
    """A class that no moment reaches is not named, neither over time nor for the whole."""
    soft = FakeClassifier(options=SOFT)
    monkeypatch.setattr(class_models, "load_classifier", lambda *_, **__: soft)
    (found,) = classes(clip, min_score=0.9)
    assert found.category == UNKNOWN
    assert found.categories == ()
    assert {s.category for s in found.segments} == {UNKNOWN}
    (sure,) = classes(clip, min_score=0.3)
    assert [s.category for s in sure.segments] == ["red", "blue"]


def test_left_out_classes_keep_their_share(clip, clip_model):
    """With one class wanted the rest is unknown, not scaled up to 1."""
    (whole,) = classes(clip, clip_model)
    (part,) = classes(clip, clip_model, classes=["blue"])
    assert part.classes == ("blue",)
    assert part.probabilities["blue"] == pytest.approx(whole.probabilities["blue"])
    assert [s.category for s in part.segments] == [UNKNOWN, "blue"]


def test_short_segments_join_their_neighbours(make_colour_clip, tmp_path):
    """A flash of another class is removed by a minimum length, or by a median over time."""
    parts = [("red", 2), ("green", 0.2), ("red", 2)]
    clip = make_colour_clip(tmp_path / "flash.mp4", parts)
    assert len(classes(clip, step_s=0.1)[0].segments) == 3
    for how in ({"min_length_s": 0.5}, {"smooth_s": 0.7}):
        (found,) = classes(clip, step_s=0.1, **how)
        assert [s.category for s in found.segments] == ["red"]


@pytest.mark.parametrize(
    "how",
    [
        {"min_score": 1.5},
        {"step_s": -1},
        {"step_s": float("nan")},
        {"smooth_s": -1},
        {"min_length_s": float("inf")},
    ],
)
def test_values_out_of_range_are_refused(clip, how):
    """The error names the argument, before anything is decoded."""
    with pytest.raises(UsageError, match=next(iter(how))):
        classes(clip, **how)


def test_unknown_classes_are_refused(clip, clip_model):
    """The error names the class."""
    with pytest.raises(ModelError, match="rod"):
        classes(clip, clip_model, classes=["rod"])


@pytest.mark.parametrize("name", ["step_s", "smooth_s", "min_length_s", "keep_frames"])
def test_arguments_of_classifiers_do_not_apply_to_boxes(clip, name, tmp_path):
    """They are refused, never ignored."""
    value = tmp_path / "kept" if name == "keep_frames" else 1.0
    with pytest.raises(UsageError, match=f"{name} does not apply to .* detect"):
        api.predict("fake:", clip, **{name: value})
    assert not (tmp_path / "kept").exists()


# -- what is written -------------------------------------------------------------------------------


def test_json_holds_what_the_object_holds(clip, picture, tmp_path):
    """Answers, segments and moments of every source, as `to_pandas` gives them."""
    found = classes([clip, picture], out=tmp_path / "found.json")
    saved = json.loads((tmp_path / "found.json").read_text())
    assert saved == json.loads(json.dumps(found.to_json()))
    assert [row["classes"] for row in saved["videos"]] == [["red"], ["green"]]
    assert [row["class"] for row in saved["segments"]] == ["red", "blue", "green"]
    assert saved["segments"][2]["start_s"] is None
    assert [row["pts"] for row in saved["moments"]] == [0, 600, 1200, 1800, 2400, 3000, 0]
    table = found.to_pandas()
    assert len(table) == 7
    probabilities = [row["probabilities"]["red"] for row in saved["moments"]]
    np.testing.assert_allclose(table["p(red)"], probabilities)
    assert found.to_pandas("segments")["class"].tolist() == ["red", "blue", "green"]
    assert found.to_pandas("videos")["video"].tolist() == [str(clip), str(picture)]
    with pytest.raises(UsageError, match="moments, segments or videos"):
        found.to_pandas("frames")


def test_csv_is_read_back_as_tags(clip, picture, tmp_path):
    """The segments of a prediction are claims about spans, whole files for pictures."""
    classes([clip, picture], out=tmp_path / "found.csv")
    rows = read_tags(tmp_path / "found.csv").rows
    assert [(row.video, row.category, row.start_s, row.end_s) for row in rows] == [
        (str(clip), "red", 0.0, 3.5),
        (str(clip), "blue", 3.5, 6.0),
        (str(picture), "green", None, None),
    ]


def test_other_formats_are_refused_before_the_work(clip, tmp_path, monkeypatch):
    """A wrong suffix costs no minute."""
    monkeypatch.setattr(predict_classes, "video_moments", None)
    with pytest.raises(UsageError, match=r"ends in \.json or \.csv"):
        classes(clip, out=tmp_path / "found.txt")


def test_videos_are_drawn_frame_by_frame(clip, picture, tmp_path):
    """Every frame is there at its own time with its class; a picture becomes a JPEG."""
    classes([clip, picture], render=tmp_path / "drawn")
    before, after = list(decode(clip)), list(decode(tmp_path / "drawn" / "clip.mp4"))
    assert [frame.pts for frame in after] == [frame.pts for frame in before]
    corner = after[10].rgb()[1, 2].astype(int), before[10].rgb()[1, 2].astype(int)
    assert np.abs(corner[0] - corner[1]).max() > 30
    np.testing.assert_allclose(after[10].rgb()[40, 50], before[10].rgb()[40, 50], atol=25)
    assert read_rgb(tmp_path / "drawn" / "green.jpg").shape == (32, 40, 3)
    assert is_rendering(tmp_path / "drawn" / "green.jpg")
    with pytest.raises(UsageError, match="would be overwritten"):
        classes(clip, render=clip.parent)


def test_a_part_is_drawn_as_a_part(clip, tmp_path):
    """A rendering of a span has the frames of the span."""
    classes(clip, render=tmp_path / "part.mp4", start_s=4.0)
    assert len(list(decode(tmp_path / "part.mp4"))) == 50


def test_judged_frames_are_kept(clip, clip_model, tmp_path):
    """Each is written once as it was decoded, under its time stamp, and is no footage."""
    by_pts = {frame.pts: frame.rgb() for frame in decode(clip)}
    for model, pts in (("fake:", [0, 600, 1200, 1800, 2400, 3000]), (clip_model, None)):
        kept = tmp_path / model.strip(":")
        (found,) = classes(clip, model, keep_frames=kept)
        names = sorted(int(path.stem) for path in (kept / "clip").iterdir())
        assert pts is None or names == pts
        assert set(found.predictions.moments.pts.tolist()) <= set(names)
        for name in names:
            written = read_rgb(kept / "clip" / f"{name}.jpg").astype(int)
            assert np.abs(written - by_pts[name]).mean() < 4
        assert files_in(tmp_path) == [clip]
        with pytest.raises(UsageError, match="new or empty folder"):
            classes(clip, model, keep_frames=kept)
        shutil.rmtree(kept)


def test_frames_are_kept_whole_or_not_at_all(clip, tmp_path, monkeypatch):
    """After a full disk nothing stands in the way of the same command."""

    def full(path, rgb, **_):
        raise WorkspaceError(f"{path}: the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr("reelabel.verbs.predict_classes.write_bytes", full)
        with pytest.raises(WorkspaceError):
            classes(clip, keep_frames=tmp_path / "kept")
    assert [each.name for each in tmp_path.iterdir()] == ["a"]  # the footage
    classes(clip, keep_frames=tmp_path / "kept")
    assert len(list((tmp_path / "kept" / "clip").iterdir())) == 6


def test_objects_show_themselves(clip, picture):
    """Short forms are one line; a notebook shows curves over time, and pictures, with names."""
    hostile = picture.with_name("<b>&.jpg")
    shutil.copy(picture, hostile)
    found = classes([clip, hostile])
    for value in (found, found[0], str(found)):
        assert len(repr(value)) < 160
        assert "\n" not in repr(value)
    assert str(found) == "clip.mp4: red 0.58, <b>&.jpg: green 1.00, by fake:"
    page = found._repr_html_()
    assert page.count("data:image/svg+xml") == 1
    assert page.count("data:image/jpeg") == 1
    assert "&lt;b&gt;&amp;.jpg" in page
    assert "<b>" not in page


def test_damaged_files_are_named(tmp_path):
    """A file that is no video ends with its name."""
    (tmp_path / "x.mp4").write_bytes(b"no video at all")
    with pytest.raises(MediaError, match=r"x\.mp4"):
        classes(tmp_path / "x.mp4")


# -- the command ---------------------------------------------------------------------------------


def test_the_command_prints_the_answers(clip, reelabel, tmp_path):
    """One line with each file's class, and where things were written."""
    out = tmp_path / "found.csv"
    flags = ("--task", TASK, "--step-s", "0.5", "--min-score", "0.4", "--out", out, "--quiet")
    code, said, err = reelabel("predict", "fake:", clip, *flags)
    assert (code, err) == (0, "")
    assert said == f"clip.mp4: red 0.63, by fake:\nwritten to {out}\n"
    code, _, err = reelabel("predict", "fake:", clip, "--step-s", "0.5")
    assert code == 2
    assert "step_s does not apply" in err


def by_brightness(image):
    """Classify a picture as anybody would write it."""
    share = float(image.max() > 100)
    return {"bright": share, "dark": 1 - share}


def test_a_python_function_is_a_classifier_for_a_task(clip, picture):
    """With the task it gives classes, which the call names; without it finds boxes."""
    found = api.predict(by_brightness, [clip, picture], task=TASK, classes=["dark", "bright"])
    assert [one.category for one in found] == ["bright", "bright"]
    assert found.classes == ("dark", "bright")
    with pytest.raises(ModelError, match="expected Boxes"):
        api.predict(by_brightness, picture)
