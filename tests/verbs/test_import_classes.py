"""The verb import in a workspace of classes, and how imports are taken back."""

from __future__ import annotations

import json
import shutil

import pytest

import reelabel as api
from reelabel.engine.run import Options
from reelabel.errors import FormatError, MissingInput, UsageError
from reelabel.pipeline import read_config, run
from reelabel.tables import CLASS_IMPORTED, CLASS_LABELS, CLASS_TRUTH
from reelabel.verbs.import_history import HISTORY, import_records

NAMES = ("clip0.mp4", "clip1.mp4")


@pytest.fixture
def begin(disc_clips, tmp_path):
    """Return a function that makes a workspace of two clips and the classes day and night."""

    def make(**settings):
        footage = tmp_path / "footage"
        footage.mkdir()
        for clip in disc_clips[:2]:
            shutil.copy(clip, footage)
        tags = tmp_path / "tags.csv"
        category = settings.get("columns", {}).get("class", "class")
        tags.write_text(f"video,{category}\nclip0.mp4,day\nclip1.mp4,night\n")
        given = {"task": "classify-frames", "tags": tags, "videos": [footage]}
        classes = ["day", "night"]
        return api.init(tmp_path / "w", classes=classes, settings=settings, **given)

    return make


@pytest.fixture
def table(tmp_path):
    """Return a function that writes a file of classes and returns it."""

    def write(*rows, header="video,class,start_s,end_s", name="given.csv"):
        path = tmp_path / name
        path.write_text("\n".join([header, *rows]) + "\n")
        return path

    return write


def state(workspace):
    """Return the settings, and the content of every imported file but the history."""
    home = workspace.root / "imports"
    files = (p for p in home.rglob("*") if p.is_file() and "history" not in p.parts)
    values = read_config(workspace).project.model_dump(mode="json")
    return values, {p.name: p.read_bytes() for p in sorted(files)}


def rows_of(workspace, table, name="clip0.mp4"):
    """Return what the stage truth reads of a video: class, claim and span."""
    run(workspace, read_config(workspace), Options(quiet=True), until="truth")
    video_id = next(v.video_id for v in workspace.videos() if v.name == name)
    if video_id not in workspace.shards(table):
        return []
    rows = workspace.read(table, video_id).to_pylist()
    return [(r["category"], r["claim"], r["start_s"], r["end_s"]) for r in rows]


@pytest.mark.parametrize(("what", "name"), [("labels", "imported"), ("truth", "truth")])
def test_classes_of_a_table_reach_their_stage(begin, table, reelabel, what, *, name):
    """By name, by id and by path, in any case; the command prints what was taken and where."""
    ws = begin()
    path = table("clip0.mp4,Day,,", f"{ws.root.parent}/footage/clip1.mp4,night,0,0.2")
    code, out, err = reelabel("import", ws.root, path, "--as", what)
    assert (code, err) == (0, "")
    assert f"2 classes of 2 videos imported as {what}" in out
    assert f"all {what}: {ws.root}/imports/{what}.csv" in out
    assert getattr(read_config(ws).project, what) == f"imports/{what}.csv"
    target = {"imported": CLASS_IMPORTED, "truth": CLASS_TRUTH}[name]
    assert rows_of(ws, target) == [("day", "is", None, None)]
    assert rows_of(ws, target, "clip1.mp4") == [("night", "is", 0.0, 0.2)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["clip0.mp4,day,,", "clip7.mp4,day,,"], r"given.csv:3: videos .* clip7.mp4"),
        (["clip0.mp4,dya,,"], r"given.csv:2: classes .* 'dya'.*did you mean 'day'"),
        (["clip0.mp4,day,3,1"], r"given.csv:2: expected an end after the start"),
        (["clip0.mp4,day,90,99"], r"given.csv:2: clip0.mp4 lasts .* s, but the span begins"),
        (["clip0.mp4,day,,", "clip0.mp4,night,0,1"], r"given.csv:2, given.csv:3: .* at once"),
        (["clip0.mp4,day,0,99"], r"given.csv:2: clip0.mp4 lasts .* s, but the span ends at"),
        (["clip0.mp4,,,"], r"given.csv:2: expected a class"),
        ([], r"given.csv: expected rows"),
    ],
)
def test_what_does_not_fit_is_refused_with_file_and_line(begin, table, rows, expected):
    """Unknown videos and classes, spans outside, contradictions, no row at all: nothing changes."""
    ws = begin()
    before = state(ws)
    with pytest.raises(FormatError, match=expected):
        api.import_labels(ws, table(*rows))
    assert state(ws) == before
    assert not (ws.root / HISTORY).exists()


def test_an_empty_file_is_refused_by_name(begin, tmp_path, reelabel):
    """Exit code 5, with the columns that are expected."""
    ws, path = begin(), tmp_path / "empty.csv"
    path.write_bytes(b"")
    code, _, err = reelabel("import", ws.root, path, "--as", "truth")
    assert code == 5
    assert "empty.csv: expected a header" in err
    assert "an empty file" in err


@pytest.mark.parametrize("names", [("train.csv", "val.csv"), ("train.csv", "val.csv", "test.csv")])
def test_every_empty_file_of_a_folder_is_named(begin, tmp_path, names):
    """One answer names all files that have to be corrected."""
    home = tmp_path / "exported"
    home.mkdir()
    for name in names:
        (home / name).write_bytes(b"")
    with pytest.raises(FormatError) as caught:
        api.import_labels(begin(), home)
    assert [name in str(caught.value) for name in names] == [True] * len(names)


def test_faults_beyond_some_are_counted(begin, table):
    """A file of another workspace gives one short message."""
    rows = [f"other{i}.mp4,day,," for i in range(30)]
    with pytest.raises(FormatError, match="30 rows cannot be used") as caught:
        api.import_labels(begin(), table(*rows))
    assert "and 25 more" in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_imports_join_and_spans_that_come_again_are_replaced(begin, table):
    """A second file changes what it is about and leaves the rest."""
    ws = begin()
    api.import_labels(ws, table("clip0.mp4,day,0,0.2", "clip1.mp4,night,,"))
    api.import_labels(ws, table("clip0.mp4,night,0,0.2", "clip0.mp4,day,0.2,0.4"))
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", 0.0, 0.2), ("day", "is", 0.2, 0.4)]
    assert rows_of(ws, CLASS_IMPORTED, "clip1.mp4") == [("night", "is", None, None)]


def test_an_import_that_contradicts_an_earlier_one_is_refused(begin, table):
    """A whole video that is something else than a part of it: both places are named."""
    ws = begin()
    api.import_labels(ws, table("clip0.mp4,day,,"))
    before = state(ws)
    with pytest.raises(FormatError, match=r"imported before \(labels.csv:2\), given.csv:2"):
        api.import_labels(ws, table("clip0.mp4,night,0,0.2"))
    assert state(ws) == before


def test_columns_of_the_settings_hold_for_imports_too(begin, table):
    """What is stored is read again under the names that the settings give."""
    ws = begin(columns={"class": "scene"})
    api.import_labels(ws, table("clip0.mp4,night", header="video,scene"))
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", None, None)]


def test_classes_that_are_claimed_not_to_be_right_stay_so(begin, table):
    """The claim is_not, and none of all, survive the import."""
    ws = begin(multi_label=True)
    header = "video,class,claim"
    api.import_labels(ws, table("clip0.mp4,day,is_not", "clip1.mp4,none,is", header=header))
    assert rows_of(ws, CLASS_IMPORTED) == [("day", "is_not", None, None)]
    none = rows_of(ws, CLASS_IMPORTED, "clip1.mp4")
    assert none == [("day", "is_not", None, None), ("night", "is_not", None, None)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--as", "detections"), "not as detections"),
        (("--format", "coco"), "files of classes are recognised"),
        (("--class", "day"), "are for boxes"),
        (("--remove",), "expected a file to import, or --remove"),
    ],
)
def test_flags_of_boxes_are_refused(begin, table, reelabel, flags, *, expected):
    """Exit code 2, and nothing is imported."""
    ws = begin()
    code, _, err = reelabel("import", ws.root, table("clip0.mp4,day,,"), *flags)
    assert (code, expected in " ".join(err.split())) == (2, True), err
    assert state(ws)[1] == {}


# -- exports come back -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["image-folder", "class-csv", "kinetics-csv", "fiftyone"])
def test_an_export_that_is_imported_labels_the_same_moments(classes_copy, tmp_path, kind):
    """Every moment that was exported is labelled by a person, with its class, and no other."""
    ws = classes_copy
    out = api.export(ws, tmp_path / "out", format=kind)
    before = labels_of(ws, origin=None)
    taken = api.import_labels(ws, out)
    assert taken.claims >= len(before)
    run(ws, read_config(ws), Options(quiet=True), until="merge")
    assert labels_of(ws, origin="person") == before


def labels_of(workspace, origin):
    """Return the moments of the data set's videos that are labelled right, with their class."""
    number = workspace.rounds()[0]
    found = set()
    for video_id in workspace.shards(CLASS_LABELS, number):
        for row in workspace.read(CLASS_LABELS, video_id, number).to_pylist():
            if (
                row["claim"] == "is"
                and row["state"] == "positive"
                and origin in {None, row["origin"]}
            ):
                found.add((video_id, row["pts"], row["until_pts"], row["category"]))
    return found


def test_a_claim_that_stands_often_is_counted_once(begin, table, reelabel):
    """As in tables of other tools, which list every picture of a clip."""
    path = table(*["clip0.mp4,day,,"] * 3, "clip1.mp4,night,,")
    _, out, _ = reelabel("import", begin().root, path)
    assert "2 classes of 2 videos imported" in out


def test_folders_of_the_videos_themselves_give_their_classes(begin, tmp_path):
    """Files that are no moments are videos, whose class is the folder or what classes.csv names."""
    ws = begin()
    home = tmp_path / "sorted"
    for folder, name in (("d", "clip1.mp4"), ("night", "clip0.mp4")):
        (home / folder).mkdir(parents=True)
        shutil.copy(tmp_path / "footage" / name, home / folder)
    (home / "classes.csv").write_text("folder,class\nd,day\n")
    api.import_labels(ws, home)
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", None, None)]
    assert rows_of(ws, CLASS_IMPORTED, "clip1.mp4") == [("day", "is", None, None)]


def test_a_folder_that_holds_no_classes_is_refused(begin, tmp_path):
    """The error names what a folder may hold."""
    (tmp_path / "nothing").mkdir()
    with pytest.raises(FormatError, match=r"train\.csv, labels\.json, or a folder"):
        api.import_labels(begin(), tmp_path / "nothing")


def fiftyone(folder, labels, classes=("day", "night")):
    """Write a file as FiftyOne does and return its folder."""
    folder.mkdir()
    content = {"classes": list(classes), "labels": labels} if classes else {"labels": labels}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ({"clip0": 1, "clip1": 0, "clip2": None}, ("day", "night")),
        ({"clip0": "night", "clip1": "day"}, ()),
        (
            {"some/clip0": {"label": 1, "confidence": 0.5}, "clip1": {"label": "day"}},
            ("day", "night"),
        ),
    ],
)
def test_all_forms_that_fiftyone_writes_are_read(begin, tmp_path, labels, classes):
    """Numbers, names, objects, and pictures without a label."""
    ws = begin()
    api.import_labels(ws, fiftyone(tmp_path / "given", labels, classes))
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", None, None)]
    assert rows_of(ws, CLASS_IMPORTED, "clip1.mp4") == [("day", "is", None, None)]


def test_classes_that_a_list_of_fiftyone_leaves_out_are_not_right(begin, tmp_path):
    """A list is complete: an empty one is about all classes."""
    ws = begin(multi_label=True)
    api.import_labels(ws, fiftyone(tmp_path / "given", {"clip0": [1], "clip1": []}))
    assert sorted(rows_of(ws, CLASS_IMPORTED)) == [
        ("day", "is_not", None, None),
        ("night", "is", None, None),
    ]
    none = rows_of(ws, CLASS_IMPORTED, "clip1.mp4")
    assert none == [("day", "is_not", None, None), ("night", "is_not", None, None)]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"clip0": 2}, r"labels\['clip0'\]: expected a class, or its number below 2, but got 2"),
        ({"clip0": True}, "below 2, but got True"),
        ({"clip0": -1}, "below 2, but got -1"),
        ({"clip0": {"confidence": 1}}, "below 2, but got {'confidence': 1}"),
        ({"clip0": [[0]]}, r"below 2, but got \[0\]"),
        ({"clip0": "dawn"}, "dawn"),
        ({"other": 0}, "other"),
    ],
)
def test_what_is_no_class_in_a_file_of_fiftyone_is_refused(begin, tmp_path, labels, expected):
    """The error names the entry, and nothing is imported."""
    ws = begin()
    before = state(ws)
    with pytest.raises(FormatError, match=expected):
        api.import_labels(ws, fiftyone(tmp_path / "given", labels))
    assert state(ws) == before


def test_tags_in_a_file_that_has_the_name_of_fiftyones_are_read_as_tags(begin, tmp_path):
    """Also in Windows-1252, which is no JSON for other readers."""
    ws = begin()
    rows = [{"video": "clip0.mp4", "class": "night", "note": "\u00e4"}]
    path = tmp_path / "labels.json"
    path.write_bytes(json.dumps(rows, ensure_ascii=False).encode("cp1252"))
    api.import_labels(ws, path)
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", None, None)]


# -- taking back -----------------------------------------------------------------------------------


def test_imports_are_taken_back_one_by_one(begin, table, reelabel):
    """Each step back is exactly what stood before: settings, files, and then nothing is left."""
    ws = begin()
    states = [state(ws)]
    for row, what in (("clip0.mp4,day,,", "labels"), ("clip1.mp4,day,,", "truth")):
        api.import_labels(ws, table(row), what=what)
        states.append(state(ws))
    api.import_labels(ws, table("clip1.mp4,night,,"), what="labels")
    while states:
        code, out, err = reelabel("import", ws.root, "--remove")
        assert (code, err) == (0, "")
        assert "taken back: " in out
        assert state(ws) == states.pop()
    code, _, err = reelabel("import", ws.root, "--remove")
    assert code != 0
    assert "expected an import to take back" in err


def test_the_last_import_of_a_kind_is_taken_back(begin, table):
    """Truth stays when labels go, though it was imported later."""
    ws = begin()
    api.import_labels(ws, table("clip0.mp4,day,,"), what="labels")
    api.import_labels(ws, table("clip1.mp4,day,,"), what="truth")
    gone = api.remove_import(ws, what="labels")
    assert (gone.what, gone.number) == ("labels", 1)
    assert [one.what for one in import_records(ws)] == ["truth"]
    assert read_config(ws).project.labels is None
    assert rows_of(ws, CLASS_TRUTH, "clip1.mp4") == [("day", "is", None, None)]
    with pytest.raises(MissingInput, match="expected an import as labels"):
        api.remove_import(ws, what="labels")


def test_the_file_that_the_settings_named_before_is_named_again(begin, table):
    """A person's own file of labels, and never changes itself."""
    own = table("clip0.mp4,day,,", name="own.csv")
    ws, content = begin(labels=str(own)), own.read_bytes()
    api.import_labels(ws, table("clip0.mp4,night,,"))
    assert rows_of(ws, CLASS_IMPORTED) == [("night", "is", None, None)]
    api.remove_import(ws)
    assert rows_of(ws, CLASS_IMPORTED) == [("day", "is", None, None)]
    assert own.read_bytes() == content


def test_a_setting_that_was_changed_since_is_not_overwritten(begin, table):
    """The error names it, and nothing is taken back."""
    ws = begin()
    api.import_labels(ws, table("clip0.mp4,day,,"))
    text = ws.config_path.read_text()
    ws.config_path.write_text(text.replace("imports/labels.csv", "mine.csv"))
    with pytest.raises(UsageError, match=r"but got mine\.csv"):
        api.remove_import(ws)
    assert (ws.root / "imports" / "labels.csv").is_file()


def test_an_import_that_fails_half_way_leaves_what_was(begin, table, monkeypatch):
    """Files are restored when the settings cannot be written."""
    ws = begin()
    api.import_labels(ws, table("clip0.mp4,day,,"))
    before = state(ws)

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("reelabel.verbs.import_history.set_key", fail)
    with pytest.raises(KeyboardInterrupt):
        api.import_labels(ws, table("clip1.mp4,day,,"))
    assert state(ws) == before
    assert len(import_records(ws)) == 1


def test_classes_of_spans_between_moments_are_counted(begin, table):
    """They are imported, and a sentence names those that nothing is trained or scored on."""
    ws, said = begin(), []
    rows = table("clip0.mp4,day,0.01,0.02", "clip1.mp4,night,,")
    api.import_labels(ws, rows, on_message=said.append)
    assert said == []  # nothing is sampled yet
    run(ws, read_config(ws), Options(quiet=True), until="window")
    api.import_labels(ws, rows, on_message=said.append)
    assert len(said) == 1
    assert said[0].startswith("1 class of spans that cover no sampled moment")
    assert "given.csv:2" in said[0]
