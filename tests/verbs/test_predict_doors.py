"""What predict is given, in both tasks: bad files among good ones, frames in memory, what is none.

What is refused is refused before any work, with its name and what it is.
"""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

import reelabel as api
from reelabel.errors import MediaError, ModelError, ReelabelError, UnreadableVideo, UsageError
from reelabel.media.pictures import encode_jpeg, read_rgb
from reelabel.media.video import decode

TASKS = ("detect", "classify-frames")
EVERY_TASK = pytest.mark.parametrize("task", TASKS)
ARRAY = np.full((32, 40, 3), (20, 220, 20), np.uint8)


@pytest.fixture
def folder(disc_clips, make_colour_clip, tmp_path) -> Path:
    """Return a folder of two videos of 2 s and 0.8 s, a picture, and one that is none."""
    home = tmp_path / "footage"
    make_colour_clip(home / "a-long.mp4", [("red", 2)])
    (home / "b-bad.mp4").write_bytes(b"no video")
    (home / "c-picture.jpg").write_bytes(encode_jpeg(ARRAY))
    shutil.copy(disc_clips[0], home / "d-short.mp4")
    return home


def names(found) -> set[str]:
    """Return the names of the files that a prediction has something of."""
    return {Path(one.source.name).name for one in found}


@EVERY_TASK
def test_a_bad_file_stops_no_other(folder, task, tmp_path):
    """It stands in `failures` and in the file that is written; what is drawn is of the others."""
    out = tmp_path / "out.json"
    found = api.predict("fake:", folder, task=task, out=out, render=tmp_path / "drawn")
    good = {"a-long.mp4", "c-picture.jpg", "d-short.mp4"}
    assert names(found) == good
    assert {path.name for path in (tmp_path / "drawn").iterdir()} == good
    ((bad, why),) = found.failures.items()
    assert bad == str(folder / "b-bad.mp4")
    assert str(found).endswith("; 1 file failed")
    assert json.loads(out.read_text())["failures"] == {bad: why} == found.to_json()["failures"]


@EVERY_TASK
def test_a_span_is_of_videos_that_have_it(folder, task):
    """A shorter video fails with its name and length; a picture is taken as a whole."""
    for span in ({"start_s": 1.0}, {"start_s": 1.2, "duration_s": 0.5}, {"end_s": 1.9}):
        found = api.predict("fake:", folder, task=task, **span)
        assert names(found) == {"a-long.mp4", "c-picture.jpg"}
        assert "beyond the video, which lasts 0.8" in found.failures[str(folder / "d-short.mp4")]
    for start_s in (0, 7):
        assert len(api.predict("fake:", folder / "c-picture.jpg", task=task, start_s=start_s)) == 1


@EVERY_TASK
def test_if_no_file_can_be_used_the_reason_is_raised(folder, task, tmp_path):
    """Of one file its own error; of several one that names them. Nothing is written."""
    bad, missing, out = folder / "b-bad.mp4", folder / "none.mp4", tmp_path / "out.json"
    for files, kind, words in (
        ([bad], UnreadableVideo, "b-bad"),
        ([bad, missing], MediaError, "none of 2 files can be used: .*b-bad.*none"),
        ([bad, folder / "d-short.mp4"], MediaError, "b-bad.*d-short"),
        ([folder / "d-short.mp4"], UsageError, "d-short.mp4: start 5.0 s is beyond"),
    ):
        with pytest.raises(kind, match=words):
            api.predict("fake:", files, task=task, start_s=5.0, out=out)
    assert not out.exists()


@EVERY_TASK
def test_the_command_ends_with_1_if_some_files_failed(folder, task, reelabel, tmp_path):
    """Failures are named on the standard error; the standard output is JSON where asked for."""
    out = tmp_path / "out.csv"
    call = ("predict", "fake:", folder, "--task", task, "--quiet")
    code, text, err = reelabel(*call, "--out", out)
    assert (code, err.count("\n")) == (1, 1)
    assert str(folder / "b-bad.mp4") in err
    assert "written to" in text
    assert out.exists()
    code, text, err = reelabel(*call, "--json")
    assert code == 1
    assert list(json.loads(text)["failures"]) == [str(folder / "b-bad.mp4")]


@EVERY_TASK
def test_a_file_that_is_named_twice_is_taken_once(folder, task, monkeypatch, reelabel):
    """Relative, absolute or by its folder: it is one, and the caller is told."""
    monkeypatch.chdir(folder)
    file, heard = folder / "c-picture.jpg", []
    found = api.predict(
        "fake:",
        [file.name, file, Path("../footage") / file.name],
        task=task,
        on_message=heard.append,
    )
    assert len(found) == 1
    assert heard == [f"{file} is named more than once: it is taken once"] or len(heard) == 2
    code, _, err = reelabel("predict", "fake:", file.name, file, "--task", task, "--quiet")
    assert (code, "is taken once" in err) == (0, True)


# -- what is no source -----------------------------------------------------------------------------

NO_SOURCES = {
    "None": None,
    "3": 3,
    "0.5": 0.5,
    "bytes": b"clip.mp4",
    "mapping": {"a.mp4": 1},
    "None first": [None, ARRAY],
    "None behind": [ARRAY, None],
    "None in an iterator": iter([None, ARRAY, ARRAY]),
    "numbers": [1, 2],
    "None behind a path": ["a.mp4", None],
    "grey": ARRAY[..., 0],
    "floats": ARRAY.astype(np.float32),
    "axes": ARRAY[None, None],
}


@EVERY_TASK
@pytest.mark.parametrize("kind", NO_SOURCES)
def test_what_is_no_source_is_refused_with_its_type(task, kind):
    """The message names the position and what stands there, and nothing is left out unsaid."""
    sources = NO_SOURCES[kind]
    sources = iter([None, ARRAY]) if "iterator" in kind else sources
    with pytest.raises(UsageError, match=r"^expected ") as caught:
        api.predict("fake:", sources, task=task)
    if "None" in kind:
        assert "None" in str(caught.value)


@EVERY_TASK
def test_nothing_is_an_empty_prediction(task):
    """An empty list or iterator has no frames."""
    assert len(api.predict("fake:", [], task=task)) == 0
    assert len(api.predict("fake:", iter(()), task=task)) == 0


@EVERY_TASK
def test_pil_images_are_frames(task, tmp_path):
    """One, several or mixed with arrays; grey and turned ones are seen as the file's are."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(np.vstack([ARRAY, ARRAY // 4])).save(tmp_path / "a.jpg", exif=exif, quality=99)
    turned = Image.open(tmp_path / "a.jpg")
    (one,) = api.predict("fake:", turned, task=task)
    assert one.picture.shape == read_rgb(tmp_path / "a.jpg").shape == (40, 64, 3)
    assert np.abs(one.picture.astype(int) - read_rgb(tmp_path / "a.jpg")).max() < 12
    grey = Image.fromarray(ARRAY[..., 0])
    assert len(api.predict("fake:", [ARRAY, grey, turned], task=task)) == 3
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "noise.png").read_bytes()[:-6000])
    damaged = pytest.raises(UsageError, match="expected frame 1 as a picture, but it is damaged")
    with Image.open(tmp_path / "cut.png") as cut, damaged:
        api.predict("fake:", [ARRAY, cut], task=task)


@EVERY_TASK
@pytest.mark.parametrize("classes", [3, [3], ["a", None], b"a", [b"a"]], ids=repr)
def test_class_names_are_texts(task, classes):
    """The message names the argument and the value that is none."""
    with pytest.raises(UsageError, match="expected classes as texts, but got"):
        api.predict("fake:", [ARRAY], task=task, classes=classes)


OF_FILES = {
    "detect": {"start_s": 1.0, "end_s": 1.0, "duration_s": 1.0, "render": "film.mp4"},
    "classify-frames": {"step_s": 1.0, "smooth_s": 1.0, "min_length_s": 1.0},
}
OF_FILES["classify-frames"] |= OF_FILES["detect"]


@EVERY_TASK
def test_what_is_about_files_is_refused_of_arrays(task, tmp_path, monkeypatch):
    """Nothing that was asked for is left out unsaid."""
    monkeypatch.chdir(tmp_path)
    for name, value in OF_FILES[task].items():
        with pytest.raises(UsageError, match=f"^{name} is about files"):
            api.predict("fake:", [ARRAY], task=task, **{name: value})
    assert not list(tmp_path.iterdir())


@EVERY_TASK
def test_spans_that_fit_no_video_are_refused_at_once(task):
    """Before any file is opened."""
    for span, words in (
        ({"end_s": 1.0, "duration_s": 1.0}, "not both"),
        ({"start_s": 2.0, "end_s": 1.0}, "behind start"),
        ({"duration_s": 0}, "more than 0 s"),
    ):
        with pytest.raises(UsageError, match=words):
            api.predict("fake:", "none.mp4", task=task, **span)


# -- outputs ---------------------------------------------------------------------------------------


@EVERY_TASK
@pytest.mark.parametrize("name", ["-", ".", "", "..", "/", "a\0.json"], ids=repr)
def test_names_that_no_file_has_are_refused(folder, task, name, monkeypatch):
    """Also by what was found: nothing is written under a name that means something else."""
    monkeypatch.chdir(folder.parent)
    picture = folder / "c-picture.jpg"
    with pytest.raises(UsageError, match="expected "):
        api.predict("fake:", picture, task=task, out=name)
    with pytest.raises(UsageError, match="expected "):
        api.predict("fake:", picture, task=task).save(name)
    assert [path.name for path in folder.parent.iterdir()] == ["footage"]


@EVERY_TASK
@pytest.mark.parametrize("name", ["two.mp4", "two.JPG", "two.mkv"])
def test_several_files_are_never_drawn_into_a_folder_that_is_called_like_a_film(
    folder, task, name, tmp_path
):
    """Also where one of two cannot be read: what was asked for decides, not what is left."""
    for files in ([folder / "a-long.mp4", folder / "d-short.mp4"], [folder / "b-bad.mp4"] * 1):
        with pytest.raises(ReelabelError) as caught:
            api.predict(
                "fake:", [*files, folder / "c-picture.jpg"], task=task, render=tmp_path / name
            )
        assert "expected a folder" in str(caught.value)
    assert not (tmp_path / name).exists()


OUTPUTS = {
    "show": lambda out: api.show("nowhere", out=out),
    "flicker": lambda out: api.flicker("nowhere.mp4", "nowhere.txt", out=out),
    "flicker, pictures": lambda out: api.flicker("a.mp4", "a.txt", out="a", frames=out),
    "flicker, coco": lambda out: api.flicker("a.mp4", "a.txt", out="a", coco_out=out),
    "compare": lambda out: api.compare(["fake:"], on="nowhere", json=out),
    "origins": lambda out: api.origins("nowhere", out=out),
    "export": lambda out: api.export("nowhere", out),
    "clips": lambda out: api.clips("nowhere", out),
    "recipe": lambda out: api.recipe("nowhere.yaml", out, videos=["a.mp4"], tags="folders"),
    "predict": lambda out: api.predict("fake:", "a.mp4", out=out),
    "predict, drawn": lambda out: api.predict("fake:", "a.mp4", render=out),
    "predict, frames": lambda out: api.predict("fake:", "a.mp4", keep_frames=out),
}
FILES = {"flicker", "flicker, coco", "compare", "origins", "predict"}


@pytest.mark.parametrize("verb", OUTPUTS)
def test_no_command_writes_to_a_name_that_means_something_else(verb, tmp_path, monkeypatch):
    """A dash, nothing, what is no path; and a folder where a file is written."""
    monkeypatch.chdir(tmp_path)
    for name in ("-", "", 3, *((".", "..", "/", tmp_path) if verb in FILES else ())):
        with pytest.raises(UsageError, match=r"expected (the name of )?a file"):
            OUTPUTS[verb](name)
    assert not list(tmp_path.iterdir())


# -- numbers and switches --------------------------------------------------------------------------

VERBS = {
    "predict": lambda **how: api.predict("fake:", [ARRAY], **how),
    "show": lambda **how: api.show("nowhere", **how),
    "flicker": lambda **how: api.flicker("nowhere.mp4", "nowhere.txt", **how),
    "compare": lambda **how: api.compare(["fake:"], on="nowhere", **how),
    "init": lambda **how: api.init("nowhere", **how),
    "run": lambda **how: api.run("nowhere", **how),
    "status": lambda **how: api.status("nowhere", **how),
    "ablate": lambda **how: api.ablate("nowhere", **how),
    "fetch": lambda **how: api.fetch("nowhere", **how),
    "forget": lambda **how: api.forget("nowhere", **how),
    "import_labels": lambda **how: api.import_labels("nowhere", "nowhere.json", **how),
    "export": lambda **how: api.export("nowhere", "nowhere", **how),
    "clips": lambda **how: api.clips("nowhere", "nowhere", **how),
    "recipe": lambda **how: api.recipe("a.yaml", "b", videos=[], tags="folders", **how),
    "demo": lambda **how: api.demo("nowhere", **how),
    "detect": lambda **how: api.detect("nowhere", **how),
    "evaluate": lambda **how: api.evaluate("nowhere", **how),
}
OF_SETTINGS = {
    "max_hours",
    "max_gb",
    "per_class",
    "max_videos",
    "min_height",
    "max_duration_s",
    "page",
}
"""Settings among the arguments of `fetch`, which the workspace checks."""
WRONG = (float("nan"), float("inf"), -2, "0.3", [1], 10**400)


def arguments(kinds: set[str]) -> list[tuple[str, str]]:
    """Return the arguments of these types, or None, of all commands."""
    return [
        (verb, name)
        for verb in VERBS
        for name, one in inspect.signature(getattr(api, verb)).parameters.items()
        if set(str(one.annotation).split(" | ")) - {"None"} <= kinds and name not in OF_SETTINGS
    ]


def test_every_command_with_numbers_or_switches_is_in_the_list():
    """None is forgotten when one is added; stages are alike, two stand for them."""
    stages = {name for name in api.__all__ if repr(getattr(api, name)).startswith("<stage")}
    functions = {n for n in api.__all__ if inspect.isfunction(getattr(api, n))} - stages
    bare = {"origins", "report", "remove_import"}
    assert functions - bare == VERBS.keys() - stages


@pytest.mark.parametrize(("verb", "name"), arguments({"int", "float"}))
def test_numbers_out_of_range_are_refused_at_the_first_door(verb, name):
    """Every number of every command, in both tasks: no other error comes before or instead."""
    tasks = ({"task": task} for task in TASKS) if verb == "predict" else ({},)
    for how in tasks:
        for value in (*WRONG, True):
            with pytest.raises(UsageError, match=f"^expected {name} as a (whole )?number"):
                VERBS[verb](**{name: value}, **how)


@pytest.mark.parametrize(("verb", "name"), arguments({"bool"}))
def test_switches_are_true_or_false(verb, name):
    """A text such as "no" is not taken for true."""
    for value in ("no", 0, 1, [], np.array([True, False])):
        with pytest.raises(UsageError, match=f"^expected {name} of True or False"):
            VERBS[verb](**{name: value})


@EVERY_TASK
@pytest.mark.parametrize("score", ["30", "nan", "-1", "inf"])
def test_the_command_refuses_scores_that_are_none(task, reelabel, score, folder):
    """With exit code 2."""
    code, out, err = reelabel(
        "predict", "fake:", folder, "--task", task, "--min-score", score, "--quiet"
    )
    assert (code, out) == (2, "")
    assert "expected min_score as a number from 0 to 1" in err


def test_numbers_of_numpy_are_numbers(folder):
    """Whatever library a number comes from."""
    for score in (np.float32(0.5), np.float64(0.5), np.int64(0)):
        assert len(api.predict("fake:", [ARRAY], min_score=score)) == 1


# -- what a function returns -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1, 1, 9, 9, 5.0, 0], "score of 0 to 1, but got 5"),
        ([1, 1, 9, 9, -0.5, 0], "score of 0 to 1, but got -0.5"),
        ([9, 1, 1, 9, 0.5, 0], r"x1 <= x2 and y1 <= y2, but got \[9.0, 1.0, 1.0, 9.0\]"),
        ([1, 9, 9, 1, 0.5, 0], r"x1 <= x2 and y1 <= y2, but got \[1.0, 9.0, 9.0, 1.0\]"),
    ],
)
def test_boxes_of_a_function_that_are_none_are_refused_with_their_frame(folder, row, words):
    """They are neither kept nor lost: the message names frame and value, of arrays and of files."""
    calls = []

    def third(image):
        calls.append(1)
        return np.array([row]) if len(calls) == 3 else np.zeros((0, 6))

    with pytest.raises(ModelError, match=f"{words}.*; in frame 2$"):
        api.predict(third, [ARRAY] * 4)
    calls.clear()
    frames = list(decode(folder / "d-short.mp4"))
    with pytest.raises(ModelError, match=f"{words}.*; in frame 2 at {frames[2].time_s:.3f} s"):
        api.predict(third, folder / "d-short.mp4")


def test_probabilities_of_a_function_that_are_none_are_refused_with_their_frame(folder):
    """As with boxes: of arrays and of files."""
    calls = []

    class Third:
        classes = ("a", "b")

        def predict(self, _image):
            calls.append(1)
            return [5.0, 0.0] if len(calls) == 3 else [1.0, 0.0]

    with pytest.raises(ModelError, match=r"got \[5.0, 0.0\]; in frame 2$"):
        api.predict(Third(), [ARRAY] * 4, task="classify-frames")
    calls.clear()
    with pytest.raises(ModelError, match=r"got \[5.0, 0.0\]; in frame 2 at 0.080 s"):
        api.predict(Third(), folder / "d-short.mp4", task="classify-frames", step_s=0)


@EVERY_TASK
def test_a_picture_has_no_time(folder, task, tmp_path):
    """Its time base and seconds are null in JSON and in Python; those of videos are not."""
    out = tmp_path / "out.json"
    found = api.predict("fake:", folder, task=task, out=out)
    saved = json.loads(out.read_text())
    timed = {Path(row["video"]).name: row["time_base"] is not None for row in saved["videos"]}
    assert timed == {"a-long.mp4": True, "c-picture.jpg": False, "d-short.mp4": True}
    for row in saved["boxes" if task == "detect" else "moments"]:
        assert (row["time"] is None) == row["video"].endswith(".jpg")
    bases = {Path(one.source.name).name: one.source.time_base is not None for one in found}
    assert bases.items() <= timed.items()
