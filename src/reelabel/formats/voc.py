"""Pascal VOC folders (http://host.robots.ox.ac.uk/pascal/VOC), read and written.

::

    Annotations/<name>.xml              one picture: its size and its objects
    JPEGImages/<name>.jpg
    ImageSets/Main/{train,val,test}.txt the names in each split
    ignore.json                         what VOC cannot hold (see `reelabel.formats.side`)

VOC counts pixels from 1 and its corners are inclusive: ``xmin = left + 1``, ``xmax = left +
width``. The same rule is kept for fractions of a pixel, up to six digits, which today's readers
take; a box with whole numbers is exactly what VOC's own tools expect. ``difficult`` is VOC's word
for objects that neither train nor count: the state ignore.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath

from reelabel.data.dataset import BoxEntry, Dataset, ImageEntry
from reelabel.data.states import State
from reelabel.errors import FormatError
from reelabel.files import copy_file, new_folder, read_text, safe_join, write_text
from reelabel.formats.checked import Box
from reelabel.formats.pictures import PICTURE_SUFFIXES, picture_suffix, size_wh, unique_stems
from reelabel.formats.side import read_side, write_side

SPLITS = ("train", "val", "test")
XML_LIMIT = 4 * 2**20
"""Bytes of the largest annotation file that is read."""

# What XML 1.0 cannot hold, or does not give back as it was.
_NOT_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_voc(folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]) -> None:
    """Write a VOC folder; pictures are hard links where the file system can, else copies.

    Negatives, and objects narrower than a pixel, which inclusive corners cannot say, go to the
    side file. Pictures of no split stand in no list.

    Args:
        folder: new or empty.
        dataset: what to write.
        pictures: where the picture file of an image lies.

    Raises:
        FormatError: for a split that is none of train, val, test, a class name that XML cannot
            hold, or a picture that is missing or of a kind that VOC readers do not find.
        UsageError: if the folder holds files already.
        WorkspaceError: if the file system refuses.
    """
    _check(dataset)
    new_folder(folder)
    listed: list[tuple[str, BoxEntry]] = []
    stems = unique_stems(dataset.images)
    for image, boxes, stem in zip(dataset.images, dataset.boxes_by_image(), stems, strict=True):
        source = pictures(image)
        name = f"{stem}{picture_suffix(source)}"
        copy_file(source, folder / "JPEGImages" / name)
        listed += [(f"JPEGImages/{name}", box) for box in boxes if not _fits(box)]
        text = _xml(name, size_wh(image, source), list(filter(_fits, boxes)))
        write_text(folder / "Annotations" / f"{stem}.xml", text, atomic=False)
    write_side(folder, dataset.classes, listed)
    for split in SPLITS:
        names = [s for s, image in zip(stems, dataset.images, strict=True) if image.split == split]
        write_text(folder / f"ImageSets/Main/{split}.txt", "".join(f"{n}\n" for n in names))


def _check(dataset: Dataset) -> None:
    for name in dataset.classes:
        if _NOT_XML.search(name) or name != name.strip() or not name:
            raise FormatError(
                f"expected a class name that XML can hold, but got {name!r}: rename it"
            )
    unknown = sorted({image.split for image in dataset.images} - {"", *SPLITS})
    if unknown:
        raise FormatError(f"expected splits among {SPLITS}, but got {unknown}: rename them")


def _fits(box: BoxEntry) -> bool:
    return box.state != "negative" and min(box.xywh[2:]) >= 1


def _xml(name: str, picture_wh: tuple[int, int], boxes: Sequence[BoxEntry]) -> str:
    root = ET.Element("annotation")
    _child(root, "folder", "JPEGImages")
    _child(root, "filename", name)
    size = _child(root, "size")
    for tag, value in zip(("width", "height", "depth"), (*picture_wh, 3), strict=True):
        _child(size, tag, str(value))
    _child(root, "segmented", "0")
    for box in boxes:
        _add_object(root, box)
    ET.indent(root, "\t")
    return ET.tostring(root, encoding="unicode") + "\n"


def _child(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, tag)
    child.text = text
    return child


def _add_object(root: ET.Element, box: BoxEntry) -> None:
    entry = _child(root, "object")
    _child(entry, "name", box.category)
    _child(entry, "pose", "Unspecified")
    _child(entry, "truncated", "0")
    _child(entry, "difficult", str(int(box.state == "ignore")))
    x, y, w, h = box.xywh
    corners = _child(entry, "bndbox")
    for tag, value in (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + w), ("ymax", y + h)):
        _child(corners, tag, f"{value:.6f}".rstrip("0").rstrip("."))


def read_voc(
    folder: Path, *, annotations: str = "Annotations", pictures: str = "JPEGImages"
) -> Dataset:
    """Read a VOC folder, by name; a picture without annotation file is not part of it.

    Args:
        folder: where the folders below are.
        annotations: the folder of the XML files.
        pictures: the folder of the pictures, which need not be there.

    Raises:
        FormatError: naming the file that is wrong, and what was expected; also for XML with a
            document type or entities, and for files above `XML_LIMIT`.
    """
    paths = sorted(safe_join(folder, annotations).glob("*.xml"))
    if not paths:
        raise FormatError(f"expected *.xml in {folder / annotations}, but there are none")
    names = _picture_names(safe_join(folder, pictures), pictures)
    splits = _splits(folder, {path.stem for path in paths})
    images: list[ImageEntry] = []
    boxes: list[BoxEntry] = []
    for path in paths:
        root = _root(path)
        name = names.get(path.stem) or f"{pictures}/{_own_name(path, root)}"
        boxes += [_box(path, entry, len(images)) for entry in root.findall("object")]
        images.append(ImageEntry(name, *_size_wh(path, root), split=splits.get(path.stem, "")))
    known, rest = read_side(folder, [image.file_name for image in images])
    others = {box.category for box in boxes} - set(known)
    return Dataset((*known, *sorted(others)), tuple(images), (*boxes, *rest))


def _picture_names(folder: Path, prefix: str) -> dict[str, str]:
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    kept = [path for path in files if path.suffix.lower() in PICTURE_SUFFIXES]
    return {path.stem: f"{prefix}/{path.name}" for path in kept}


def _own_name(path: Path, root: ET.Element) -> str:
    """Return the file name that an annotation gives, without any folders before it."""
    name = PureWindowsPath((root.findtext("filename") or "").strip()).name
    return f"{path.stem}.jpg" if name in {"", ".."} else name


def _splits(folder: Path, known: set[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for split in SPLITS:
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        lines = read_text(path).split("\n") if path.is_file() else []
        for stem in filter(None, map(str.strip, lines)):
            if stem not in known:
                raise FormatError(f"{path}: expected names of annotations, but got {stem!r}")
            if found.setdefault(stem, split) != split:
                raise FormatError(f"{path}: expected {stem!r} in one split, but it is in two")
    return found


def _root(path: Path) -> ET.Element:
    text = read_text(path, XML_LIMIT)
    # Entities are what makes XML dangerous: they grow without bound, or reach for other files.
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise FormatError(f"{path}: expected XML without DOCTYPE and ENTITY; remove the file")
    try:
        root = ET.fromstring(text)  # noqa: S314 -- no entities, and a limited size: see above
    except (ET.ParseError, ValueError) as exc:
        raise FormatError(f"{path}: expected XML, but {exc}; correct or remove it") from exc
    if root.tag != "annotation":
        raise FormatError(f"{path}: expected <annotation>, but got <{root.tag[:80]}>")
    return root


def _size_wh(path: Path, root: ET.Element) -> tuple[int, int]:
    size = root.find("size")
    if size is None:
        return 0, 0
    width, height = (_number(path, size, tag) for tag in ("width", "height"))
    if width < 0 or height < 0:
        raise FormatError(f"{path}: expected a size from 0 up, but got {width} x {height}")
    return int(width), int(height)


def _box(path: Path, entry: ET.Element, image: int) -> BoxEntry:
    name, corners = (entry.findtext("name") or "").strip(), entry.find("bndbox")
    if not name or corners is None:
        raise FormatError(f"{path}: expected <name> and <bndbox> in each <object>; correct it")
    x1, y1, x2, y2 = (_number(path, corners, tag) for tag in ("xmin", "ymin", "xmax", "ymax"))
    if x2 - x1 + 1 < 0 or y2 - y1 + 1 < 0:
        raise FormatError(
            f"{path}: expected xmin <= xmax and ymin <= ymax in <object> '{name}', "
            f"but got {x1} {y1} {x2} {y2}; correct or remove it"
        )
    difficult = (entry.findtext("difficult") or "").strip() == "1"
    state: State = "ignore" if difficult else "positive"
    xywh: Box = (x1 - 1, y1 - 1, x2 - x1 + 1, y2 - y1 + 1)
    return BoxEntry(image, name, xywh, state=state)


def _number(path: Path, parent: ET.Element, tag: str) -> float:
    text = (parent.findtext(tag) or "").strip()
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FormatError(
            f"{path}: expected a number in <{tag}>, but got {text[:40]!r}; correct it"
        )
    return value
