"""Data sets of classes are exported in formats that others read, as copies, whole or refused."""

from __future__ import annotations

import csv
import json

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.data.class_dataset import ClassDataset
from reelabel.data.classes import Moments
from reelabel.errors import FormatError, UsageError
from reelabel.formats.class_csv import write_class_csv
from reelabel.formats.class_export import moment_names
from reelabel.formats.fiftyone_folder import write_fiftyone
from reelabel.formats.image_folder import write_image_folder
from reelabel.formats.kinetics_csv import write_kinetics_csv

NAN = float("nan")
CLASSES = ("out door", "in/door", "Äther")
WRITERS = [write_image_folder, write_class_csv, write_fiftyone, write_kinetics_csv]


def data_of(targets, *, frames=1, exclusive=True, video="3f2a", classes=CLASSES):
    """Return a data set with these targets; each moment has so many pictures of its own."""
    n = len(targets)
    pts = np.arange(n) * 40
    return ClassDataset(
        classes,
        exclusive=exclusive,
        moments=Moments(np.full(n, video), pts, pts + 30 * (frames > 1)),
        pictures=tuple(tuple(f"{video}/{p + 10 * i}.png" for i in range(frames)) for p in pts),
        target=np.array(targets, np.float32).reshape(n, len(classes)),
        weight=np.full(n, 0.5, np.float32),
        group=np.full(n, f"g-{video}"),
    )


@pytest.fixture
def picture_path(tmp_path):
    """Return a function that writes each picture at first use, its grey level made of its name."""

    def path_of(name):
        path = tmp_path / "from" / name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((8, 12, 3), grey(name), np.uint8))
        return path

    return path_of


def grey(name):
    """Return the grey level of a picture."""
    return sum(name.encode()) % 256


ONE, TWO, THREE, NONE = (1, 0, 0), (0, 1, 0), (0, 0, 1), (NAN, NAN, NAN)


def test_image_folders_are_read_by_torchvision(tmp_path, picture_path):
    """Torchvision finds every picture under its class, with the same numbers in every split."""
    datasets = pytest.importorskip("torchvision.datasets")
    parts = {"train": data_of([ONE, TWO, THREE, NONE]), "val": data_of([TWO], video="77")}
    write_image_folder(tmp_path / "x", parts, picture_path)
    with (tmp_path / "x" / "classes.csv").open(newline="", encoding="utf-8") as file:
        names = {row["folder"]: row["class"] for row in csv.DictReader(file)}
    assert list(names.values()) == list(CLASSES)
    found = {}
    for split, data in parts.items():
        read = datasets.ImageFolder(tmp_path / "x" / split, allow_empty=True)
        found[split] = [names[read.classes[label]] for _, label in read]
        greys = sorted(int(np.asarray(image)[0, 0, 0]) for image, _ in read)
        kept = [p for t, (p,) in zip(data.target, data.pictures, strict=True) if t[0] >= 0]
        assert greys == sorted(map(grey, kept))
        assert len(read.class_to_idx) == 3
    assert found == {"train": sorted(CLASSES, key=found["train"].index), "val": ["in/door"]}
    assert sorted(found["train"]) == sorted(CLASSES)
    with (tmp_path / "x" / "left_out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["split"], row["pts"], row["reason"]) == ("train", "120", "its class is not known")


def test_the_table_holds_everything(tmp_path, picture_path):
    """Every target, unknown ones included, weight, group, split and picture come back."""
    parts = {
        "train": data_of([(1, 0, NAN), (1, 1, 0), NONE], exclusive=False),
        "test": data_of([(0, 0, 1)], frames=3, exclusive=False, video="77"),
    }
    write_class_csv(tmp_path / "x", parts, picture_path)
    with (tmp_path / "x" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    at = 0
    for split, data in parts.items():
        for number in range(len(data)):
            row = rows[at]
            values = [row[f"class:{name}"] for name in CLASSES]
            target = np.array([float(value or "nan") for value in values], np.float32)
            assert np.array_equal(target, data.target[number], equal_nan=True)
            assert row["class"] == ";".join(data.names_at(number))
            assert (row["split"], row["video"]) == (split, data.moments.video[number])
            assert (int(row["pts"]), float(row["weight"])) == (data.moments.pts[number], 0.5)
            place = tmp_path / "x" / row["path"]
            files = sorted(place.iterdir()) if place.is_dir() else [place]
            assert len(files) == int(row["frames"])
            assert [read_grey(path) for path in files] == list(map(grey, data.pictures[number]))
            at += 1
    assert at == len(rows)


def read_grey(path):
    """Return the grey level of a picture file."""
    return int(cv2.imread(str(path))[0, 0, 0])


def test_fiftyone_layout(tmp_path, picture_path):
    """A number, or a list of numbers, leads from each picture to its classes."""
    parts = {"train": data_of([ONE, TWO, NONE]), "val": data_of([TWO], frames=2, video="77")}
    write_fiftyone(tmp_path / "x", parts, picture_path)
    content = json.loads((tmp_path / "x/train/labels.json").read_text(encoding="utf-8"))
    assert content == {"classes": list(CLASSES), "labels": {"3f2a_0": 0, "3f2a_40": 1}}
    val = json.loads((tmp_path / "x/val/labels.json").read_text(encoding="utf-8"))
    assert val["labels"] == {"77_0-30_00001": 1, "77_0-30_00002": 1}
    for split, labels in (("train", content["labels"]), ("val", val["labels"])):
        files = sorted((tmp_path / "x" / split / "data").iterdir())
        assert [path.stem for path in files] == sorted(labels)
    several = {"train": data_of([(1, 0, 1), (0, 0, NAN), NONE], exclusive=False)}
    write_fiftyone(tmp_path / "y", several, picture_path)
    content = json.loads((tmp_path / "y/train/labels.json").read_text(encoding="utf-8"))
    assert content["labels"] == {"3f2a_0": [0, 2], "3f2a_40": []}
    assert (tmp_path / "y/left_out.csv").is_file()


def test_kinetics_manifest_and_list(tmp_path, picture_path):
    """The manifest has a row for each class; the list names folder, frames and classes."""
    parts = {"train": data_of([(1, 0, 1), (0, 1, 0), (0, 0, NAN)], frames=4, exclusive=False)}
    write_kinetics_csv(tmp_path / "x", parts, picture_path, time_s=lambda _, pts: pts / 90)
    with (tmp_path / "x" / "train.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[:5] == ["label", "youtube_id", "time_start", "time_end", "split"]
    assert [row["label"] for row in rows] == ["out door", "Äther", "in/door"]
    assert [float(row["time_end"]) for row in rows] == pytest.approx([1 / 3, 1 / 3, 7 / 9])
    lines = (tmp_path / "x" / "train_list.txt").read_text().splitlines()
    assert lines == ["frames/3f2a_0-30 4 0 2", "frames/3f2a_40-70 4 1"]
    for line in lines:
        place, frames, *_ = line.split()
        for number in range(1, int(frames) + 1):
            assert (tmp_path / "x" / place / f"img_{number:05d}.png").is_file()
    assert (tmp_path / "x" / "classes.txt").read_text().splitlines() == list(CLASSES)
    with (tmp_path / "x" / "left_out.csv").open(newline="") as file:
        assert [row["pts"] for row in csv.DictReader(file)] == ["80"]
    write_kinetics_csv(tmp_path / "y", parts, picture_path)
    with (tmp_path / "y" / "train.csv").open(newline="", encoding="utf-8") as file:
        assert {row["time_start"] for row in csv.DictReader(file)} == {""}


@pytest.mark.parametrize("write", WRITERS)
def test_pictures_are_copies(tmp_path, picture_path, write):
    """Changing the picture that was exported leaves the export as it is, and it is no link."""
    write(tmp_path / "x", {"train": data_of([ONE])}, picture_path)
    (copied,) = (tmp_path / "x").rglob("*.png")
    source = picture_path("3f2a/0.png")
    before = copied.read_bytes()
    assert before == source.read_bytes()
    source.write_bytes(b"changed")
    assert copied.read_bytes() == before
    assert not copied.is_symlink()
    assert copied.stat().st_nlink == 1


@pytest.mark.parametrize("write", WRITERS)
@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ({}, UsageError, "at least one split"),
        ({"training": data_of([ONE])}, FormatError, "'training'"),
        (
            {"train": data_of([ONE]), "val": data_of([ONE], classes=("a", "b", "c"))},
            FormatError,
            "same classes in 'train' and 'val'",
        ),
    ],
)
def test_wrong_splits_are_refused(tmp_path, write, parts, error, message):  # noqa: PLR0917 -- cases
    """No split, an unknown one, or splits of other classes are errors; nothing is written."""
    with pytest.raises(error, match=message):
        write(tmp_path / "x", parts, None)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("write", WRITERS)
def test_a_missing_picture_and_a_full_folder_are_errors(tmp_path, write):
    """A picture that is not there, or a folder that holds something, is an error with its name."""
    with pytest.raises(FormatError, match=r"none\.png"):
        write(tmp_path / "x", {"train": data_of([ONE])}, lambda _: tmp_path / "none.png")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(UsageError, match="full"):
        write(tmp_path / "full", {"train": data_of([ONE])}, lambda _: tmp_path / "none.png")


def test_what_a_format_cannot_hold_is_refused(tmp_path, picture_path):
    """Folders hold one class for each picture, and classes whose folders differ."""
    with pytest.raises(UsageError, match="class-csv or fiftyone"):
        write_image_folder(tmp_path / "x", {"train": data_of([ONE], exclusive=False)}, picture_path)
    alike = {"train": data_of([ONE], classes=("a b", "A_b", "c"))}
    with pytest.raises(UsageError, match="'a b' and 'A_b'"):
        write_image_folder(tmp_path / "x", alike, picture_path)
    with pytest.raises(UsageError, match="one class at pts 0 of 3f2a, but got out door, in/door"):
        write_fiftyone(tmp_path / "x", {"train": data_of([(1, 1, 0)])}, picture_path)
    broken = {"train": data_of([ONE], classes=("a\nb", "c", "d"))}
    with pytest.raises(UsageError, match="line breaks"):
        write_kinetics_csv(tmp_path / "y", broken, picture_path)


@given(st.lists(st.text(max_size=5), max_size=6), st.integers(1, 2))
def test_names_of_moments_are_safe_and_differ(videos, frames):
    """Whatever a video is called, its moments have different names that any file system takes."""
    one = [data_of([ONE, TWO], frames=frames, video=video) for video in videos[:3]]
    parts = dict(zip(("train", "val", "test"), one, strict=False))
    names = [name for each in moment_names(parts).values() for name in each]
    assert len({name.casefold() for name in names}) == len(names)
    assert not {char for name in names for char in name} & set('/\\:*?"<>|\n\0')
