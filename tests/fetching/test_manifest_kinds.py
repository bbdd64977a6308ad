"""Each kind of manifest is read as it is published."""

from __future__ import annotations

import csv
import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelabel.config import Project
from reelabel.errors import FormatError, UsageError
from reelabel.sources.manifests.lookups import Lookups
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import labels_in, plan

ID = "0wR5jVB-WPk"


PROJECT = Project(classes=("dancing", "other"))


def made(tmp_path, **manifest):
    """Return the plan of a manifest."""
    return plan("it", Manifest(**manifest), PROJECT, tmp_path)


def entries(found):
    """Return the rows of a plan, sorted by id and span."""
    return sorted((want.entry for want in found.wants), key=lambda e: repr(e.key))


@pytest.fixture
def k400(data_dir):
    """Return the complete validation list of Kinetics-400."""
    return data_dir / "manifests/kinetics/kinetics-400_val.csv"


def test_the_complete_kinetics_400_validation_list_is_read(tmp_path, k400):
    """All 19,906 rows come with their id, label and span, as the csv module reads them."""
    found = made(tmp_path, kind="kinetics", file=str(k400), label=("*",))
    assert (found.tally.rows, found.tally.unusable, len(found.wants)) == (19_906, 0, 19_906)
    with k400.open(newline="") as file:
        expected = [
            (r["youtube_id"], (r["label"],), float(r["time_start"]), float(r["time_end"]))
            for r in csv.DictReader(file)
        ]
    rows = [(e.native_id, e.labels, e.start_s, e.end_s) for e in entries(found)]
    assert sorted(rows) == sorted(expected)
    assert sum(e.native_id.startswith("-") for e in entries(found)) == 644
    assert len({want.want_id.casefold() for want in found.wants}) == 19_906
    assert not [want for want in found.wants if not want.want_id[0].isalnum()]


def test_kinetics_states_a_licence_that_can_be_filtered(tmp_path, k400):
    """519 rows are Creative Commons; no other row passes the filter."""
    given = {"kind": "kinetics", "file": str(k400), "label": ("*",)}
    found = made(tmp_path, **given, licence=("creative commons*",))
    assert len(found.wants) == 519
    assert {e.licence for e in entries(found)} == {"Creative Commons"}


def test_labels_are_chosen_by_pattern(tmp_path, k400):
    """13 classes of Kinetics-400 contain dancing, and each can be a class of its own."""
    manifest = Manifest(kind="kinetics", file=str(k400), label=("*dancing*",))
    labels = labels_in(manifest, tmp_path, Lookups(tmp_path))
    assert len(labels) == 13
    assert "belly dancing" in labels
    assert "breakdancing" in labels
    assert len({e.labels for e in entries(made(tmp_path, **manifest.model_dump()))}) == 13


def test_a_name_goes_before_patterns_and_patterns_in_their_order(tmp_path, k400):
    """Many labels become one class, the rest another, and one by name a third."""
    classes = {"*": "other", "Salsa_Dancing": "salsa"}
    manifest = Manifest(kind="kinetics", file=str(k400), classes={"*dancing*": "dance", **classes})
    found = plan("it", manifest, Project(classes=("salsa", "dance", "other")), tmp_path)
    by_class = found.by_class()
    assert set(by_class) == {"salsa", "dance", "other"}
    assert 40 <= by_class["salsa"].chosen <= 50
    assert sum(one.chosen for one in by_class.values()) == 19_906


def test_kinetics_json_is_that_csv(tmp_path):
    """The JSON by id holds the same wants as the CSV, and the test side has no labels."""
    table = tmp_path / "val.csv"
    table.write_text(f"label,youtube_id,time_start,time_end,split\nswing dancing,{ID},3,13,val\n")
    entry = {
        "annotations": {"label": "swing dancing", "segment": [3.0, 13.0]},
        "duration": 10.0,
        "subset": "val",
        "url": f"https://www.youtube.com/watch?v={ID}",
    }
    (tmp_path / "val.json").write_text(json.dumps({ID: entry}))
    both = [made(tmp_path, kind="kinetics", file=f, label=("*",)) for f in ("val.csv", "val.json")]
    assert entries(both[0]) == entries(both[1])
    table.write_text(f"youtube_id,time_start,time_end,split\n{ID},3,13,test\n")
    assert [e.labels for e in entries(made(tmp_path, kind="kinetics", file="val.csv"))] == [()]


LABELS = "boomerang\nboxing\ntennis\n"


@pytest.mark.parametrize("label", ["tennis", "2", "Tenni?"])
def test_sports1m_rows_are_chosen_by_name_or_number(tmp_path, label):
    """The JSON and the text of the original choose the same videos, packed or not."""
    (tmp_path / "labels.txt").write_text(LABELS)
    ids = [f"{i:011d}" for i in range(4)]
    labels = [[2], [0, 2], [1], [0]]
    lines = [
        f"https://www.youtube.com/watch?v={i} {','.join(map(str, ns))}\n"
        for i, ns in zip(ids, labels, strict=True)
    ]
    (tmp_path / "train_partition.txt.gz").write_bytes(gzip.compress("".join(lines).encode()))
    rows = [
        {"id": i, "duration": 20 + 10 * n, "height": 720, "label487": labels[n], "more": {}}
        for n, i in enumerate(ids)
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    text = made(tmp_path, kind="sports1m", file="train_partition.txt.gz", label=(label,))
    table = made(tmp_path, kind="sports1m", file="rows.json", label=(label,))
    assert [e.native_id for e in entries(text)] == [e.native_id for e in entries(table)] == ids[:2]
    assert {e.labels for e in entries(text)} == {("tennis",)}
    assert {e.split for e in entries(text)} == {"train"}
    short = made(tmp_path, kind="sports1m", file="rows.json", label=(label,), max_duration_s=25)
    assert [e.duration_s for e in entries(short)] == [20]
    assert short.tally.filtered == {"longer than 25 s": 1}


def test_the_487_labels_of_sports1m_are_those_of_its_file(tmp_path, data_dir):
    """The first and last line are labels 0 and 486; another number is refused."""
    names = data_dir / "manifests/sports1m/labels.txt"
    url = "https://www.youtube.com/watch?v="
    lines = [f"{url}{i:011d} {n}\n" for i, n in enumerate([0, 486, 487, -1])]
    (tmp_path / "test_partition.txt").write_text("".join(lines))
    given = {"kind": "sports1m", "file": "test_partition.txt", "label_file": str(names)}
    found = made(tmp_path, **given, label=("*",))
    assert [e.labels for e in entries(found)] == [("boomerang",), ("model aircraft",)]
    assert found.tally.unusable == 2


def test_cut_off_errors_are_no_ids_of_youtube8m(tmp_path, data_dir):
    """The published list has 31 lines, of which three are the beginning of an error message."""
    file = data_dir / "manifests/youtube8m/category_03jm5_ids.txt"
    found = made(tmp_path, kind="youtube8m", file=str(file), classes={"03jm5": "other"})
    assert (found.tally.rows, found.tally.unusable, len(found.wants)) == (31, 3, 28)
    assert all("AccessDenie" in problem for problem in found.tally.problems)
    assert {e.labels for e in entries(found)} == {("other",)}


@pytest.fixture
def lookups(tmp_path):
    """Return a folder of lookup files: bedrooms, offices and beaches, one video under two tags."""
    tags = {"02_58j": ["aaaa", "bbbb"], "021sj1": ["bbbb", "cccc"], "0b3yr": ["dddd", "aaaa"]}
    for graph_id, ids in tags.items():
        path = tmp_path / "2/j/v" / f"{graph_id}.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"p({json.dumps(graph_id)},{json.dumps(ids)});")
    for own_id in ("aaaa", "bbbb", "dddd"):
        path = tmp_path / "2/j/i" / own_id[:2] / f"{own_id}.js"
        path.parent.mkdir(parents=True)
        path.write_text(f'i("{own_id}","video_{own_id}_");')
    (tmp_path / "2/j/i/cc").mkdir()
    (tmp_path / "2/j/i/cc/cccc.js").write_text("<?xml version='1.0'?><Error>AccessDenied</Error>")
    return tmp_path / "2"


def test_tags_of_youtube8m_lead_to_videos(tmp_path, lookups):
    """Several tags make one class; what has no id is counted; a video is one want."""
    classes = {"Bedroom": "indoor", "/m/021sj1": "indoor", "beach": "outdoor"}
    manifest = Manifest(kind="youtube8m", lookups=str(lookups), classes=classes)
    found = plan("it", manifest, Project(classes=("indoor", "outdoor")), tmp_path)
    assert [(e.native_id, e.labels) for e in entries(found)] == [
        ("video_aaaa_", ("indoor", "outdoor")),
        ("video_bbbb_", ("indoor",)),
        ("video_dddd_", ("outdoor",)),
    ]
    assert found.tally.unusable == 1
    apart = plan("it", manifest, Project(classes=("indoor", "outdoor")), tmp_path, exclusive=True)
    assert [e.native_id for e in entries(apart)] == ["video_bbbb_", "video_dddd_"]


def test_a_list_of_tags_with_classes_is_read(tmp_path, lookups):
    """Lines of a tag, a tab and a class name the classes."""
    (tmp_path / "tags.txt").write_text("Office\tindoor\nBeach\toutdoor")
    manifest = Manifest(kind="youtube8m", file="tags.txt", lookups=str(lookups))
    found = plan("it", manifest, Project(classes=("indoor", "outdoor")), tmp_path)
    assert {label for e in entries(found) for label in e.labels} == {"indoor", "outdoor"}


def test_the_published_example_of_tags_needs_the_vocabulary(tmp_path, data_dir):
    """Tags that are not known by name are named, with what helps."""
    file = data_dir / "manifests/youtube8m/selected_categories.txt"
    with pytest.raises(FormatError, match=r"'Garden' is no known tag.*vocabulary"):
        made(tmp_path, kind="youtube8m", file=str(file))
    (tmp_path / "vocabulary.csv").write_text(
        "Index,TrainVideoCount,KnowledgeGraphId,Name\n0,9,/m/0bl9f,Garden\n"
    )
    (tmp_path / "tags.txt").write_text("Garden\toutdoor")
    given = {"kind": "youtube8m", "file": "tags.txt", "label_file": "vocabulary.csv"}
    with pytest.raises(UsageError, match="expected a folder with the lookup files"):
        made(tmp_path, **given, lookups="nowhere")


ROWS = [
    {"url": "https://a.example/1.mp4", "label": "dancing", "start": 1.5, "end": 4.0},
    {"url": "https://a.example/2.mp4", "label": "other", "start": None, "end": None},
]


def write_rows(path):
    """Write the same two rows in the layout of a suffix."""
    if path.suffix == ".json":
        path.write_text(json.dumps(ROWS))
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    else:
        cells = [[("" if v is None else str(v)) for v in row.values()] for row in ROWS]
        path.write_text("\n".join(",".join(row) for row in [list(ROWS[0]), *cells]))


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet"])
def test_lists_of_addresses_say_the_same_in_every_layout(tmp_path, suffix):
    """CSV, JSON, JSON lines and Parquet give equal wants."""
    write_rows(tmp_path / f"rows.{suffix}")
    found = entries(made(tmp_path, kind="urls", file=f"rows.{suffix}"))
    assert [(e.url, e.labels, e.start_s, e.end_s, e.page) for e in found] == [
        ("https://a.example/1.mp4", ("dancing",), 1.5, 4.0, False),
        ("https://a.example/2.mp4", ("other",), None, None, False),
    ]


def test_columns_with_unusual_names_are_mapped(tmp_path):
    """A column is named by what it is about; one that is not there is an error that names it."""
    (tmp_path / "a.csv").write_text("where;what\nhttps://a.example/1.mp4;dancing|other\n")
    given = {"kind": "urls", "file": "a.csv", "columns": {"url": "where", "label": "What"}}
    assert [e.labels for e in entries(made(tmp_path, **given))] == [("dancing", "other")]
    with pytest.raises(FormatError, match="expected the columns where, side"):
        made(tmp_path, **given | {"columns": {"url": "where", "split": "side"}})


def test_a_text_of_addresses_needs_no_columns(tmp_path):
    """One address a line, comments and labels behind it; known sites are pages."""
    lines = ["# a comment", "https://a.example/1.mp4", "", f"https://youtu.be/{ID}?t=3"]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    found = entries(made(tmp_path, kind="urls", file="a.txt"))
    assert [(e.native_id, e.page) for e in found] == [
        (ID, True),
        ("https://a.example/1.mp4", False),
    ]
    assert {e.page for e in entries(made(tmp_path, kind="urls", file="a.txt", page=True))} == {True}


@pytest.mark.parametrize(
    ("file", "rows"),
    [("test_webvid.csv", 20), ("test_yt.csv", 3), ("mp4.parquet", 100), ("youtube.parquet", 100)],
)
def test_published_lists_are_read_without_settings(tmp_path, data_dir, file, rows):
    """The lists of another downloader need no mapping."""
    path = data_dir / "manifests/video2dataset" / file
    found = made(tmp_path, kind="urls", file=str(path))
    assert (len(found.wants), found.tally.unusable) == (rows, 0)


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl"])
@pytest.mark.parametrize(
    "names", [("label", "label", "category"), ("start", "start", "start_s")], ids=lambda n: n[0]
)
def test_of_two_columns_of_one_meaning_none_is_taken_in_silence(tmp_path, suffix, names):
    """The list, or the entry in which they differ, is refused; settings name the right one."""
    meaning, one, two = names
    row = {"url": "https://a.example/1.mp4", "label": "dancing", "end": "9"}
    row |= {one: "dancing", two: "other"} if meaning == "label" else {one: "1", two: "2"}
    texts = {
        "csv": f"{','.join(row)}\n{','.join(row.values())}\n",
        "json": json.dumps([row]),
        "jsonl": json.dumps(row),
    }
    (tmp_path / f"a.{suffix}").write_text(texts[suffix])
    given = {"kind": "urls", "file": f"a.{suffix}"}
    with pytest.raises(FormatError, match=rf"expected one (column for the )?{meaning}.*'columns'"):
        made(tmp_path, **given)
    (entry,) = entries(made(tmp_path, **given, columns={meaning: two}))
    assert (entry.labels, entry.start_s) in {(("other",), 0.0), (("dancing",), 2.0)}
