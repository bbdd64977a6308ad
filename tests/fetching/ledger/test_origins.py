"""Where footage came from is known to the end: in the ledger, exports, models and splits."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

import reelabel
from reelabel.errors import UsageError
from reelabel.formats.attribution import CSV_NAME, TEXT_NAME, Origin, attribution_csv
from reelabel.models.students.folder import TRAINED_ON
from reelabel.models.students.onnx_metadata import OnnxMetadata, read_metadata
from reelabel.verbs.export import export
from reelabel.workspace.known_exports import known_exports
from reelabel.workspace.results import SplitReport

FORMATS = {
    "detect": ("coco", "yolo", "voc"),
    "classify-frames": ("image-folder", "class-csv", "fiftyone"),
    "classify-clips": ("image-folder", "class-csv", "fiftyone", "kinetics-csv"),
}
WHOLE = "https://example.org/whole"


def workspace_of(task, root, clips, fetched_footage, **split):
    """Return a workspace of a task: one clip of the user's, the others were fetched.

    The second and third are spans of one video.
    """
    own = root.parent / "own"
    own.mkdir(parents=True)
    names = [path.stem for path in clips]
    shutil.copy(clips[0], own)
    settings = {"train": {"student": "fake"}, "split": split, "engine": {"workers": 1}}
    further = {"detector": "fake:", "classes": ["disc"]}
    if task != "detect":
        tags = root.parent / "tags.csv"
        classes = ("red", "green")
        rows = [f"{name}.mp4,{classes[i % 4 // 2]}" for i, name in enumerate(names)]
        tags.write_text("\n".join(["video,class", *rows]))
        settings["clean"] = {"contradicts": {"enabled": False}}
        settings |= {"window": {"frames": 3, "step_s": 0.2}} if task == "classify-clips" else {}
        further = {"task": task, "tags": tags, "classes": list(classes)}
    else:
        settings["detect"] = {"frames": "all"}
    ws = reelabel.init(root, videos=[own], settings=settings, **further)
    fetched = fetched_footage(root)
    for i, clip in enumerate(clips[1:], start=1):
        spans = {"url": WHOLE, "span_start_s": 5.0 * i, "span_end_s": 5.0 * i + 1}
        fetched.add("k400", names[i], clip, **(spans if i in (1, 2) else {}))
    fetched.write()
    return ws


@pytest.fixture(scope="module")
def eight_clips(tmp_path_factory, make_disc_clip):
    """Return eight clips with a ground of their own each."""
    folder = tmp_path_factory.mktemp("eight")
    return [make_disc_clip(folder / f"eight{i}.mp4", seed=20 + i) for i in range(8)]


@pytest.fixture(scope="module", params=sorted(FORMATS))
def trained(request, tmp_path_factory, eight_clips, fetched_footage):
    """Return a workspace of each task in which a student was trained."""
    root = tmp_path_factory.mktemp(request.param) / "w"
    ws = workspace_of(request.param, root, eight_clips, fetched_footage)
    assert reelabel.run(ws, until="train", quiet=True).exit_code == 0
    return ws, request.param


def rows_in(path):
    """Return the rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_ledger_lists_every_fetched_file(trained, tmp_path):
    """Each has its address, who and what was stated, time and hash; the user's own has no row."""
    ws, _ = trained
    found = reelabel.origins(ws, out=tmp_path / "o.csv")
    names = {v.video_id: v.name for v in ws.videos()}
    assert [names[one.video_id] for one in found] == [f"eight{i}.mp4" for i in range(1, 8)]
    first = found[0]
    assert (first.address, first.licence, first.uploader) == (WHOLE, "CC-BY", "Ann")
    assert (first.title, first.fetched_at) == ("Title of eight1", "2026-01-02T03:04:05Z")
    assert (first.start_s, first.end_s) == (5.0, 6.0)
    assert len(first.sha256) == 64
    assert [row["want_id"] for row in rows_in(tmp_path / "o.csv")] == [o.want_id for o in found]
    reelabel.origins(ws, out=tmp_path / "o.json")
    assert json.loads((tmp_path / "o.json").read_text())[0]["start_s"] == 5.0
    with pytest.raises(UsageError, match=r"\.csv or \.json"):
        reelabel.origins(ws, out=tmp_path / "o.txt")


def test_equal_content_has_two_origins(tmp_path, eight_clips, fetched_footage):
    """One video, and a line for each want that it was fetched for."""
    ws = workspace_of("detect", tmp_path / "w", eight_clips[:2], fetched_footage)
    fetched = fetched_footage(ws.root)
    fetched.add("a", "one", eight_clips[2])
    fetched.add("b", "two", eight_clips[2])
    fetched.write()
    reelabel.register(ws, quiet=True)
    twins = [one for one in reelabel.origins(ws) if one.source in ("a", "b")]
    assert [one.want_id for one in twins] == ["one", "two"]
    assert len({one.video_id for one in twins}) == 1


def test_every_export_carries_an_attribution(trained, tmp_path):
    """It has a row for each fetched video that pictures come from, and a text for people."""
    ws, task = trained
    used = SplitReport.load(ws.round_dir(0)).videos
    expected = {one.want_id for one in reelabel.origins(ws) if one.video_id in used}
    assert expected
    for kind in FORMATS[task]:
        folder = export(ws, tmp_path / kind, format=kind)
        assert {row["want_id"] for row in rows_in(folder / CSV_NAME)} == expected
        text = (folder / TEXT_NAME).read_text(encoding="utf-8")
        assert "CC-BY:" in text
        assert f"Title of eight1 by Ann: {WHOLE}, 5 s to 6 s" in text
    noted = {one.path: one for one in known_exports(ws.root)}
    assert set(noted[str(tmp_path / FORMATS[task][0])].videos) == set(used)


def test_an_export_of_own_footage_has_none(tmp_path, eight_clips, disc_clips):
    """Where nothing was fetched no such file appears."""
    (tmp_path / "own").mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, tmp_path / "own")
    ws = reelabel.init(
        tmp_path / "w", classes=["disc"], videos=[tmp_path / "own"], detector="fake:"
    )
    reelabel.run(ws, until="split", quiet=True)
    folder = export(ws, tmp_path / "out")
    assert not (folder / CSV_NAME).exists()
    assert not (folder / TEXT_NAME).exists()


def test_a_model_states_what_it_was_trained_on(trained):
    """Its card lists the ids of the videos of the training side, which are hashes."""
    ws, _ = trained
    card = json.loads((ws.round_dir(0) / "model" / "model.json").read_text())
    assert set(card["training"][TRAINED_ON]) == SplitReport.load(ws.round_dir(0)).trained


def test_an_onnx_file_states_what_it_was_trained_on():
    """The ids go through the metadata; files without them have none."""

    class Session:
        """Stands for an opened file."""

        def __init__(self, props):
            self.custom_metadata_map = props

        def get_modelmeta(self):
            """Return the metadata."""
            return self

    made = OnnxMetadata("detect", ("disc",), video_ids=("3f2a", "77aa"))
    assert read_metadata(Session(made.props()), "x.onnx") == made
    older = {key: value for key, value in made.props().items() if key != "video_ids"}
    assert read_metadata(Session(older), "x.onnx").video_ids == ()


@pytest.mark.parametrize("task", sorted(FORMATS))
def test_spans_of_one_video_are_never_divided(tmp_path, eight_clips, fetched_footage, task):
    """They are one group of the split; without `same_source` they are two."""
    for same in (True, False):
        root = tmp_path / str(same) / "w"
        ws = workspace_of(task, root, eight_clips, fetched_footage, same_source=same)
        assert reelabel.run(ws, until="split", quiet=True).exit_code == 0
        groups = SplitReport.load(ws.round_dir(0)).groups
        spans = [v.video_id for v in ws.videos() if v.origin == WHOLE]
        assert len(spans) == 2
        assert (groups[spans[0]] == groups[spans[1]]) == same
        assert len(set(groups.values())) == len(groups) - same


def test_awkward_titles_stay_one_row():
    """Quotes, commas, line breaks and other alphabets are read back as they were stated."""
    title = 'a "b", c\r\nd; Ünïcødé 視頻'
    one = Origin("v", "s", "w", "u", None, 2.5, title, "", "", "", "", "f")
    (row,) = csv.DictReader(attribution_csv([one]).splitlines(keepends=True))
    assert (row["title"], row["start_s"], row["end_s"]) == (title, "", "2.5")
