"""What predict returns: frames of boxes from files, arrays and functions, and their conversions."""

from __future__ import annotations

import io
import json
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import supervision as sv
from pycocotools.coco import COCO

import reelabel as api
from reelabel.data.boxes import Boxes
from reelabel.engine.run import Result
from reelabel.errors import ModelError, UsageError
from reelabel.media.pictures import read_rgb
from reelabel.media.video import decode
from reelabel.verbs.rounding import DIGITS
from reelabel.verbs.run import RunResult


def bright(image):
    """Find the one bright disc of a frame: a detector as anybody would write it."""
    ys, xs = np.nonzero(image.max(axis=2) > 200)
    if not len(xs):
        return np.zeros((0, 6))
    return np.array([[xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, 0.9, 0]])


class Bright:
    """The same as an object that returns what supervision has."""

    classes = ("disc",)

    def predict(self, image):
        """Return the boxes of a picture."""
        rows = bright(image)
        return sv.Detections(rows[:, :4], confidence=rows[:, 4], class_id=rows[:, 5].astype(int))


@pytest.fixture(scope="module")
def arrays(disc_clips):
    """Return the frames of a clip."""
    return [frame.rgb() for frame in decode(disc_clips[0])]


def test_arrays_give_what_the_file_gives(disc_clips, arrays):
    """Frames as arrays, as an iterator and as a file have the same boxes, frame by frame."""
    of_file = api.predict("fake:", disc_clips[0])
    assert len(of_file) == len(arrays) == 20
    assert of_file.n_boxes > 0
    for found in (api.predict("fake:", arrays), api.predict("fake:", iter(arrays))):
        assert [frame.index for frame in found] == list(range(20))
        for one, other in zip(found, of_file, strict=True):
            np.testing.assert_allclose(one.boxes.xyxy, other.boxes.xyxy)
    assert len(api.predict("fake:", arrays[0])) == 1
    assert len(api.predict("fake:", np.stack(arrays[:3]))) == 3


@pytest.mark.parametrize("model", [bright, Bright()], ids=["function", "object"])
def test_a_python_function_is_a_model(disc_clips, model):
    """Whatever form its boxes have, they come out as Boxes in every frame."""
    found = api.predict(model, disc_clips[0], min_score=0.5)
    assert all(isinstance(frame.boxes, Boxes) and len(frame) == 1 for frame in found)
    assert 14 < np.ptp(found[0].boxes.xyxy[0, [0, 2]]) < 24


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (np.zeros((2, 7)), "got ndarray"),
        (["a"], "got list"),
        (np.array([[0, 0, np.nan, 1, 0.5, 0]]), "finite"),
        (np.array([[0, 0, 1, 1, 0.5, 3]]), "expected classes 0 to 0"),
    ],
)
def test_what_is_no_box_is_refused(arrays, returned, words):
    """The error names what was expected and what the function returned."""
    with pytest.raises(ModelError, match=words):
        api.predict(lambda _: returned, arrays[:1])


@pytest.mark.parametrize(
    "array", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)]
)
def test_arrays_of_another_form_are_refused(array):
    """Frames are uint8, three channels; anything else is named with its shape."""
    with pytest.raises(UsageError, match="expected frame 0 as a uint8 array"):
        api.predict("fake:", [array])


def test_files_and_arrays_are_not_mixed(disc_clips, arrays):
    """Both at once have no common meaning of a frame's index."""
    with pytest.raises(UsageError, match="files or arrays"):
        api.predict("fake:", [disc_clips[0], arrays[0]])


def test_boxes_convert_to_other_libraries(disc_clips, tmp_path):
    """The same boxes come out of supervision, pandas, COCO's own reader and the JSON file."""
    found = api.predict("fake:", disc_clips[:2], out=tmp_path / "boxes.json")
    detections = found.to_supervision()
    assert [len(d) for d in detections] == [len(frame) for frame in found]
    table = found.to_pandas()
    assert len(table) == found.n_boxes
    assert set(table["category"]) == {"blob"}
    (tmp_path / "coco.json").write_text(json.dumps(found.to_coco()))
    coco = COCO(tmp_path / "coco.json")
    assert len(coco.anns) == found.n_boxes
    assert len(coco.imgs) == len(found) == 40
    saved = json.loads((tmp_path / "boxes.json").read_text())
    assert saved["boxes"] == found.boxes
    assert len(found.boxes) == found.n_boxes
    first = next(frame for frame in found if len(frame))
    corners = first.boxes.xyxy[0]
    np.testing.assert_array_equal(detections[first.index].xyxy[0], corners)
    np.testing.assert_array_equal(table[["x1", "y1", "x2", "y2"]].iloc[0], corners)
    assert coco.anns[1]["bbox"] == saved["boxes"][0]["bbox"]


def test_frames_show_themselves_in_notebooks(disc_clips, arrays, tmp_path):
    """A frame of a file and one of an array draw the same picture; the text form is one line."""
    of_file, of_array = api.predict("fake:", disc_clips[0])[3], api.predict("fake:", arrays)[3]
    assert of_file._repr_jpeg_() == of_array._repr_jpeg_()
    (tmp_path / "x.jpg").write_bytes(of_file._repr_jpeg_())
    assert read_rgb(tmp_path / "x.jpg").shape == arrays[0].shape
    for value in (of_file, api.predict("fake:", disc_clips[0])):
        assert len(repr(value)) < 160
        assert "\n" not in repr(value)


def test_predictions_show_themselves_in_notebooks(disc_clips, arrays, tmp_path):
    """Each of the first sources has its boxes and one picture; names are escaped; more are counted.

    A file that is gone keeps its line, without the picture.
    """
    hostile = tmp_path / "<b>&.mp4"
    shutil.copy(disc_clips[0], hostile)
    found = api.predict(bright, [hostile])
    page = found._repr_html_()
    assert page.startswith("<p>20 boxes in 20 frames by ")
    assert "<p>&lt;b&gt;&amp;.mp4: object 20 in 20 frames</p><img " in page
    assert page.count("data:image/jpeg") == 1
    assert "<b>" not in page
    hostile.unlink()
    assert found._repr_html_() == page[: page.index("<img ")]
    black = api.predict(bright, [np.zeros_like(arrays[0])])
    assert black._repr_html_().endswith("<p>frames: no boxes in 1 frame</p>")
    copies = [shutil.copy(disc_clips[0], tmp_path / f"{i}.mp4") for i in range(6)]
    page = api.predict("fake:", copies)._repr_html_()
    assert (page.count("<img "), page.endswith("<p>and 2 more</p>")) == (4, True)


def test_results_of_runs_show_themselves_in_notebooks():
    """A table of labels by class and state, the failures and the end; all that is named escaped."""
    done = RunResult(
        workspace=Path("w"),
        round=1,
        labels={"<b>dog": {"positive": 7, "negative": 2}, "cat": {"positive": 1}},
        scores=None,
        decision=None,
        stages=(Result("detect", 1, failed={"<b>v": "no <b>file"}),),
        reason="stopped & <b>kept",
        exit_code=1,
    )
    assert done._repr_html_() == (
        "<p>Labels of round 1</p><table>"
        "<tr><th>class</th><th>positive</th><th>negative</th></tr>"
        "<tr><td>&lt;b&gt;dog</td><td>7</td><td>2</td></tr>"
        "<tr><td>cat</td><td>1</td><td>0</td></tr></table>"
        "<p>detect &lt;b&gt;v: no &lt;b&gt;file</p><p>stopped &amp; &lt;b&gt;kept</p>"
    )
    nothing = replace(done, round=None, labels={}, stages=(), reason="")
    assert nothing._repr_html_() == "<p>No labels</p><p>not decided</p>"


def test_a_function_teaches_a_workspace(disc_clips, tmp_path):
    """As the first teacher it labels every frame; another process is told what is missing."""
    ws = api.init(tmp_path / "w", classes=["disc"], videos=disc_clips[:2])
    done = api.run(ws, detector=bright, until="merge")
    assert done.labels == {"disc": {"positive": done.labels["disc"]["positive"]}}
    assert done.labels["disc"]["positive"] > 20
    assert repr(done).startswith("RunResult(round 0: ")
    again = api.run(ws, detector=bright, until="merge")
    assert not any(stage.done for stage in again.stages)


def test_a_function_that_raises_is_named_in_the_result(disc_clips, tmp_path):
    """The one-line result of a run holds the first failure's message."""

    def broken(image):
        raise RuntimeError("no\nlicence file")

    ws = api.init(tmp_path / "w", classes=["disc"], videos=disc_clips[:2])
    done = api.run(ws, detector=broken, until="detect")
    assert "2 failures, first: unexpected RuntimeError: no licence file" in repr(done)
    assert "\n" not in repr(done)


def test_short_forms_are_one_line(disc_clips, tmp_path):
    """What an interactive session prints of our objects fits on a line."""
    stream = io.StringIO()
    ws = api.init(tmp_path / "w", classes=["disc"], videos=disc_clips[:1], detector="fake:")
    print(api.sample(ws), api.run(ws, until="sample"), Boxes.empty(), api.clean, file=stream)
    assert stream.getvalue().count("\n") == 1


def test_files_of_all_kinds_hold_the_same_numbers(disc_clips, tmp_path):
    """JSON, CSV and COCO round alike, whatever the model gave."""

    def third(image):
        return np.array([[1 / 3, 2 / 3, 20 + 1 / 3, 30 + 1 / 7, 1 / 3, 0]])

    found = api.predict(third, disc_clips[0], classes=["disc"])
    found.save(tmp_path / "boxes.csv")
    found.save(tmp_path / "boxes.json")
    table = pd.read_csv(tmp_path / "boxes.csv")
    rows = json.loads((tmp_path / "boxes.json").read_text())["boxes"]
    coco = found.to_coco()["annotations"]
    assert (
        table["score"].tolist() == [row["score"] for row in rows] == [row["score"] for row in coco]
    )
    assert table["time_s"].tolist() == [row["time"] for row in rows]
    assert table["x1"].tolist() == [row["bbox"][0] for row in rows] == [r["bbox"][0] for r in coco]
    assert table["score"][0] == 0.3333


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_of_a_model_is_shown(disc_clips, name):
    """The message has what was given, in quotes where it would not be seen."""
    with pytest.raises(ModelError, match=f"'{name}' is no model"):
        api.predict(name, disc_clips[0])


@pytest.mark.parametrize("keep", [True, False])
def test_a_name_that_ends_in_csv_is_a_table(disc_clips, tmp_path, keep):
    """It holds the rows of the data frame, kept or streamed; another suffix is refused at once."""
    api.predict("fake:", disc_clips[:2], keep=keep, out=tmp_path / "boxes.CSV")
    written = pd.read_csv(tmp_path / "boxes.CSV")
    expected = api.predict("fake:", disc_clips[:2]).to_pandas().round(DIGITS)
    pd.testing.assert_frame_equal(written, expected, check_dtype=False)
    with pytest.raises(UsageError, match=r"ends in \.json or \.csv"):
        api.predict("fake:", disc_clips[0], out=tmp_path / "boxes.txt")


def test_frames_that_are_not_kept_are_the_same_frames(disc_clips, tmp_path):
    """A stream has the boxes, counts and file of a prediction that is kept, byte by byte."""
    kept = api.predict("fake:", disc_clips[:2], out=tmp_path / "kept.json")
    stream = api.predict("fake:", disc_clips[:2], keep=False)
    assert isinstance(stream, api.PredictionStream)
    for one, other in zip(stream, kept, strict=True):
        assert (one.source, one.pts, one.names) == (other.source, other.pts, other.names)
        np.testing.assert_array_equal(one.boxes.xyxy, other.boxes.xyxy)
    assert str(stream) == str(kept)
    written = api.predict("fake:", disc_clips[:2], keep=False, out=tmp_path / "stream.json")
    assert list(written) == []
    text = (tmp_path / "stream.json").read_text()
    assert text == (tmp_path / "kept.json").read_text()
    assert text == json.dumps(kept.to_json(), indent=2, sort_keys=True) + "\n"


def test_only_so_many_frames_are_in_memory(arrays):
    """However long an iterator of frames is, few of them are alive while boxes are found."""
    alive = []

    def source():
        for array in 10 * arrays:
            alive.append(weakref.ref(one := array.copy()))
            yield one

    stream = api.predict("fake:", source(), keep=False)
    assert max(sum(one() is not None for one in alive) for _ in stream) < len(arrays)
    assert stream.counts.total() == 10 * len(arrays)


def test_drawing_a_stream_draws_what_is_kept(disc_clips, tmp_path):
    """The film of a stream is the film of a prediction."""
    films = {}
    for keep in (True, False):
        target = tmp_path / f"{keep}.mp4"
        for _ in api.predict("fake:", disc_clips[0], render=target, keep=keep):
            pass
        films[keep] = [frame.rgb() for frame in decode(target)]
    assert len(films[True]) == 20
    np.testing.assert_array_equal(films[True], films[False])
