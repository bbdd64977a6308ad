"""Class names of files and models that look like those of the workspace are those."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reelabel.config import Project
from reelabel.data.dataset import Dataset
from reelabel.errors import FormatError, ModelError, ReelabelError
from reelabel.formats.coco import read_coco
from reelabel.labels.tagging import ClassNames
from reelabel.labels.tying import check_classes
from reelabel.models.classifiers.mapped import wanted_classes
from reelabel.models.detectors.mapped import wanted_only

OURS = ("bällé", "bat")
DECOMPOSED = unicodedata.normalize("NFD", OURS[0])
ALIKE = [DECOMPOSED, "bällé ", " bällé", f" {DECOMPOSED}\t"]


def boxes(folder: Path, names: list[str], project: Project) -> list[str]:
    """Return the classes that boxes of a label file have in the workspace."""
    rows = [
        {"id": i, "image_id": 1, "category_id": i, "bbox": [1, 2, 3, 4]}
        for i in range(1, 1 + len(names))
    ]
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
        "annotations": rows,
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, start=1)],
    }
    (folder / "a.json").write_text(json.dumps(content))
    data = read_coco(folder / "a.json")
    check_classes(folder / "a.json", data, project)
    data = data.in_classes(project.classes, project.class_map)
    assert data.box_count <= len(names)
    return _classes(data)


def _classes(data: Dataset) -> list[str]:
    return [data.classes[each] for each in data.boxes[0].class_id.tolist()]


def tags(_: Path, names: list[str], project: Project) -> list[str]:
    """Return the classes that tags, folders and classes of a file have in the workspace."""
    known = ClassNames(project.classes, project.class_map, exclusive=True)
    return [own for name in names if (own := known.own(name))]


def of_model(wanted: Callable[..., Any]) -> Callable[..., list[str]]:
    """Return a function that gives the classes that those of a model stand for."""

    def door(_: Path, names: list[str], project: Project) -> list[str]:
        model = SimpleNamespace(name="net", classes=tuple(names))
        sources = wanted(model, project.classes, project.class_map).sources
        return [project.classes[each] for each in sources if each >= 0]

    return door


Door = Callable[[Path, list[str], Project], list[str]]
DOORS: dict[str, Door] = {
    "boxes": boxes,
    "tags": tags,
    "detector": of_model(wanted_only),
    "classifier": of_model(wanted_classes),
}


@pytest.mark.parametrize("given", ALIKE)
@pytest.mark.parametrize("door", DOORS)
def test_names_that_look_alike_are_the_same_at_every_door(tmp_path: Path, door: str, given: str):
    """Decomposed letters and outer spaces make no other class, beside one that fits as it is."""
    project = Project(classes=OURS)
    assert DOORS[door](tmp_path, [given, "bat", "dog"], project) == [*OURS]


@pytest.mark.parametrize("given", ALIKE)
@pytest.mark.parametrize("door", DOORS)
def test_mapped_names_that_look_alike_are_the_same_at_every_door(
    tmp_path: Path, door: str, given: str
):
    """A key of class_map is compared in the same way, and so is what it leads to."""
    project = Project(classes=("ball", "bat"), class_map={"bällé": " ball"})
    assert DOORS[door](tmp_path, [given, "bat", "dog"], project) == ["ball", "bat"]


@pytest.mark.parametrize("given", ["Bat", " BAT "])
@pytest.mark.parametrize("door", ["boxes", "detector", "classifier"])
def test_names_that_differ_in_case_are_refused_with_the_nearest(
    tmp_path: Path, door: str, given: str
):
    """Upper and lower case are other names, and the message names the class that may be meant."""
    with pytest.raises((FormatError, ModelError), match=r"did you mean '?\s*(bat|Bat|BAT)"):
        DOORS[door](tmp_path, [OURS[0], given], Project(classes=OURS))


def test_a_class_in_two_cases_is_refused(tmp_path: Path):
    """Boxes of the other spelling would be dropped, and their objects be background."""
    with pytest.raises(ReelabelError, match=r"some are of 'Bat'"):
        boxes(tmp_path, ["bat", "Bat", OURS[0]], Project(classes=OURS))


def test_the_workspace_has_composed_names():
    """However they were typed; two that look alike are one name twice, which is refused."""
    assert Project(classes=(DECOMPOSED, " bat")).classes == OURS
    with pytest.raises(ValueError, match="each name stands for one class"):
        Project(classes=(DECOMPOSED, OURS[0]))
