"""Pascal VOC folders (http://host.robots.ox.ac.uk/pascal/VOC), read and written.

::

    Annotations/<name>.xml              one picture: its size and its objects
    JPEGImages/<name>.jpg
    ImageSets/Main/{train,val,test}.txt the names in each split
    labelmap.txt                        the class names, which CVAT and Datumaro ask for
    ignore.json                         what VOC cannot hold (see `reelabel.formats.side`)

Both folders may have folders inside; a name is then relative to them, such as ``cam2/b``. LabelImg
and Roboflow put the XML files beside the pictures, in one folder or in train, valid and test.

VOC counts pixels from 1 and its corners are inclusive: ``xmin = left + 1``, ``xmax = left +
width``. The same rule is kept for fractions of a pixel, which today's readers take; a box with
whole numbers is exactly what VOC's own tools expect. ``difficult`` marks objects that neither train
nor count: the state ignore.

LabelImg, CVAT and Datumaro write edges instead: ``xmin = left``, ``xmax = left + width``. Such a
file is recognised by its ``<source><database>Unknown``, which these tools write, and a folder by a
box that begins at 0. Datumaro writes that source also into files that it has only copied, but
keeps the attributes of an object: ours have ``first_pixel`` 1, which decides before all else. The
polygons of LabelMe are on edges too; its ``deleted`` objects are left out.

Of objects that are marked by another shape, the box around it is read; one without any is known by
its class alone (`ImageEntry.without_box`).
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path, PurePosixPath, PureWindowsPath

from reelabel.data.dataset import DIGITS, Dataset, ImageEntry
from reelabel.data.states import IGNORE, NEGATIVE, POSITIVE, State
from reelabel.errors import FormatError
from reelabel.files import new_folder, read_text, safe_join, write_text
from reelabel.formats.copied import SPLITS, copied_pictures, split_in
from reelabel.formats.entries import Entry, Four, dataset_of
from reelabel.formats.listing import visible
from reelabel.formats.pictures import picture_files, picture_size_wh
from reelabel.formats.side import read_side, write_side
from reelabel.formats.voc_shapes import corners_of, is_of_labelme
from reelabel.formats.xml_files import check_names, child, xml_number, xml_root, xml_text

XML_LIMIT = 4 * 2**20
"""Bytes of the largest annotation file that is read."""
_LISTS = {split: split for split in SPLITS} | {"default": "", "trainval": ""}
"""The split of each list; the last two are those of Datumaro for no split, and of VOC for two."""
_FIRST_PIXEL = "first_pixel"
"""Attribute of an object: the number of a picture's first pixel."""


def write_voc(folder: Path, dataset: Dataset, pictures: Callable[[ImageEntry], Path]) -> None:
    """Write a VOC folder with copies of the pictures.

    Boxes are clipped to their pictures. Negatives, and boxes narrower than a pixel, which
    inclusive corners cannot hold, go to the side file. Pictures of no split stand in no list.

    Args:
        folder: new or empty; see `reelabel.files.staged_folder`.
        dataset: what to write.
        pictures: where the picture file of an image lies.

    Raises:
        FormatError: for a split that is none of train, val, test, a class name that XML or the list
            of classes cannot hold, or a picture that is missing or of a kind that VOC readers do
            not find.
        UsageError: if the folder holds files already.
        WorkspaceError: if the file system refuses.
    """
    _check(dataset)
    new_folder(folder)
    listed: list[tuple[str, Entry]] = []
    stems: list[str] = []
    for one in copied_pictures(folder, dataset, pictures, "JPEGImages"):
        stems.append(one.stem)
        listed += [(one.name, entry) for entry in one.entries if not _fits(entry)]
        objects = [(dataset.classes[e.class_id], e) for e in one.entries if _fits(e)]
        text = _xml(Path(one.name).name, one.size_wh, objects)
        write_text(folder / "Annotations" / f"{one.stem}.xml", text, atomic=False)
    write_side(folder, dataset.classes, listed)
    lines = ["# label:color_rgb:parts:actions", *(f"{name}:::" for name in dataset.classes)]
    write_text(folder / "labelmap.txt", "".join(f"{line}\n" for line in lines), atomic=False)
    for split in SPLITS:
        names = [s for s, image in zip(stems, dataset.images, strict=True) if image.split == split]
        write_text(folder / f"ImageSets/Main/{split}.txt", "".join(f"{n}\n" for n in names))


def _check(dataset: Dataset) -> None:
    check_names(dataset.classes)
    for name in dataset.classes:
        if ":" in name or name.startswith("#"):
            raise FormatError(
                "expected a class name without ':' and without '#' before it, which VOC's list of "
                f"classes cannot hold, but got {name!r}: rename it, or take another format"
            )
    unknown = sorted({image.split for image in dataset.images} - {"", *SPLITS})
    if unknown:
        raise FormatError(f"expected splits among {SPLITS}, but got {unknown}: rename them")


def _fits(entry: Entry) -> bool:
    return entry.state != NEGATIVE and min(entry.xywh[2:]) >= 1


def _xml(name: str, picture_wh: tuple[int, int], objects: Sequence[tuple[str, Entry]]) -> str:
    root = ET.Element("annotation")
    child(root, "folder", "JPEGImages")
    child(root, "filename", name)
    size = child(root, "size")
    for tag, value in zip(("width", "height", "depth"), (*picture_wh, 3), strict=True):
        child(size, tag, str(value))
    child(root, "segmented", "0")
    for category, entry in objects:
        _add_object(root, category, entry)
    return xml_text(root)


def _add_object(root: ET.Element, category: str, entry: Entry) -> None:
    added = child(root, "object")
    child(added, "name", category)
    child(added, "pose", "Unspecified")
    child(added, "truncated", "0")
    child(added, "difficult", str(int(entry.state == IGNORE)))
    x1, y1, x2, y2 = entry.xyxy
    corners = child(added, "bndbox")
    for tag, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
        child(corners, tag, f"{value:.{DIGITS}f}".rstrip("0").rstrip("."))
    attribute = child(child(added, "attributes"), "attribute")
    child(attribute, "name", _FIRST_PIXEL)
    child(attribute, "value", "1")


def read_voc(
    folder: Path, *, annotations: str = "Annotations", pictures: str = "JPEGImages"
) -> Dataset:
    """Read a VOC folder, or one whose XML files lie beside the pictures, by name.

    A picture without annotation file is background if one of the lists names it, as Datumaro writes
    such pictures, and else no part of the folder. Where no list does, the folders that a picture
    lies in name its split.

    Args:
        folder: where the folders below are, or that of the XML files.
        annotations: the folder of the XML files; if it is not there, they lie beside the pictures.
        pictures: the folder of the pictures, which need not be there.

    Raises:
        FormatError: naming the file that is wrong, and what was expected; also for XML with a
            document type or entities, and for files above `XML_LIMIT`.
    """
    if folder.name == annotations and (folder.parent / pictures).is_dir():
        folder = folder.parent
    homes = _Homes.of(folder, annotations, pictures)
    paths, names = homes.annotations(), homes.pictures()
    splits = _splits(folder, {*paths, *names})
    images: list[ImageEntry] = []
    objects: list[list[_Object]] = []
    for stem, path in paths.items():
        root = xml_root(path, "annotation", XML_LIMIT)
        edges = (root.findtext("source/database") or "").strip() == "Unknown"
        name = names.get(stem) or homes.name_of(stem, root)
        split = splits.get(stem) or split_in(PurePosixPath(stem).parent)
        shown = (each for each in root.findall("object") if not _is_deleted(each))
        objects.append([_object(path, each, edges=edges) for each in shown])
        images.append(ImageEntry(name, *_size_wh(path, root), split=split))
    for stem in sorted(splits.keys() - paths.keys()):
        picture_wh = picture_size_wh(folder / names[stem])
        images.append(ImageEntry(names[stem], *picture_wh, split=splits[stem]))
        objects.append([])
    return _dataset(folder, images, objects)


def _dataset(
    folder: Path, images: Sequence[ImageEntry], objects: Sequence[Sequence[_Object]]
) -> Dataset:
    """Return the pictures with their objects and what stands in the side file."""
    own, side = read_side(folder, [image.file_name for image in images])
    found = {each.name for each in chain.from_iterable(objects)}
    classes = (*own, *sorted(found - set(own)))
    ids = {name: i for i, name in enumerate(classes)}
    first = _first_pixel(chain.from_iterable(objects))
    entries = [
        [*(each.entry(ids, first) for each in some if each.corners), *side.get(image.file_name, ())]
        for image, some in zip(images, objects, strict=True)
    ]
    without_box = [tuple(ids[e.name] for e in some if e.corners is None) for some in objects]
    images = [replace(i, without_box=w) for i, w in zip(images, without_box, strict=True)]
    return dataset_of(classes, images, entries)


@dataclass(frozen=True)
class _Homes:
    """Where the files of a data set lie.

    `xml` is the folder of the annotations, `prefix` that of the pictures, relative to `folder`;
    empty if the pictures lie beside the annotations.
    """

    folder: Path
    xml: Path
    prefix: str

    @classmethod
    def of(cls, folder: Path, annotations: str, pictures: str) -> _Homes:
        """Return the folders of VOC, or the folder itself for both."""
        xml = safe_join(folder, annotations)
        return cls(folder, xml, pictures) if xml.is_dir() else cls(folder, folder, "")

    def annotations(self) -> dict[str, Path]:
        """Return the annotation files by their names without suffix, relative to their folder."""
        paths = sorted(visible(self.xml, "**/*.xml"))
        if not paths:
            raise FormatError(f"expected *.xml in {self.xml}, but there are none")
        return {self._stem(path, self.xml): path for path in paths}

    def pictures(self) -> dict[str, str]:
        """Return the names of the pictures by those names."""
        home = safe_join(self.folder, self.prefix) if self.prefix else self.folder
        paths = picture_files(home, "**/*")
        return {self._stem(p, home): p.relative_to(self.folder).as_posix() for p in paths}

    def _stem(self, path: Path, home: Path) -> str:
        return path.relative_to(home).with_suffix("").as_posix()

    def name_of(self, stem: str, root: ET.Element) -> str:
        """Return the name of a picture that is not there, by what its annotation gives."""
        return (PurePosixPath(self.prefix, stem).parent / _own_name(stem, root)).as_posix()


@dataclass(frozen=True)
class _Object:
    """An object as it stands in a file: its class, its corners, and whether it is difficult.

    `corners` are None if it has no box. `first` is the number of a picture's first pixel; None if
    the file does not show it.
    """

    name: str
    corners: Four | None
    difficult: bool
    first: int | None

    def entry(self, ids: Mapping[str, int], first: int) -> Entry:
        """Return its box as an entry; `first` is that of objects which do not have their own."""
        assert self.corners is not None  # noqa: S101 -- only asked of objects with a box
        first = first if self.first is None else self.first
        x1, y1, x2, y2 = self.corners
        state: State = IGNORE if self.difficult else POSITIVE
        return Entry((x1 - first, y1 - first, x2, y2), ids[self.name], state=state)


def _first_pixel(objects: Iterable[_Object]) -> int:
    """Return 0 if a box begins at 0, which is outside the picture when counting from 1; else 1."""
    undecided = (each for each in objects if each.first is None)
    return 0 if any(0 <= v < 1 for each in undecided for v in (each.corners or ())[:2]) else 1


def _own_name(stem: str, root: ET.Element) -> str:
    """Return the file name that an annotation gives, without any folders before it."""
    name = PureWindowsPath((root.findtext("filename") or "").strip()).name
    return f"{PurePosixPath(stem).name}.jpg" if name in {"", ".."} else name


def _splits(folder: Path, known: set[str]) -> dict[str, str]:
    """Return the split of each picture that a list names; empty if the list is that of none."""
    found: dict[str, str] = {}
    for name, split in _LISTS.items():
        path = folder / "ImageSets" / "Main" / f"{name}.txt"
        lines = read_text(path).split("\n") if path.is_file() else []
        for stem in filter(None, map(str.strip, lines)):
            if stem not in known:
                raise FormatError(
                    f"{path}: expected names of annotations or pictures, but there is no {stem!r}"
                )
            if split and found.get(stem, split) != split:
                raise FormatError(f"{path}: expected {stem!r} in one split, but it is in two")
            found.setdefault(stem, split)
    return found


def _size_wh(path: Path, root: ET.Element) -> tuple[int, int]:
    size = root.find("size")
    if size is None:
        return 0, 0
    width, height = (xml_number(str(path), tag, size.findtext(tag)) for tag in ("width", "height"))
    if width < 0 or height < 0:
        raise FormatError(f"{path}: expected a size from 0 up, but got {width} x {height}")
    return int(width), int(height)


def _object(path: Path, element: ET.Element, *, edges: bool) -> _Object:
    """Return an object; `edges`: its file was written by a tool whose corners are edges."""
    name = (element.findtext("name") or "").strip()
    if not name:
        raise FormatError(f"{path}: expected <name> in each <object>; correct it")
    corners = corners_of(str(path), element)
    difficult = (element.findtext("difficult") or "").strip() == "1"
    first = 0 if edges or is_of_labelme(element) else None
    return _Object(name, corners, difficult, 1 if _first_is_1(element) else first)


def _is_deleted(element: ET.Element) -> bool:
    """Return whether LabelMe keeps an object that somebody took out."""
    return (element.findtext("deleted") or "").strip() == "1"


def _first_is_1(element: ET.Element) -> bool:
    """Return whether an object has the attribute that our own files have."""
    return any(
        each.findtext("name") == _FIRST_PIXEL and (each.findtext("value") or "").strip() == "1"
        for each in element.findall("attributes/attribute")
    )
