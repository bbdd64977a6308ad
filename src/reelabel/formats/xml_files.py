"""XML label files, read without the parts of XML that are dangerous."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from pathlib import Path

from reelabel.errors import FormatError
from reelabel.files import read_text
from reelabel.formats.checked import FARTHEST

_ENCODING = re.compile(rb"\s*<\?xml[^>]{0,99}?encoding\s*=\s*[\"']([\w.-]{1,40})[\"']")
# What XML 1.0 cannot hold, or does not give back as it was.
_NOT_XML = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def xml_root(path: Path, tag: str, limit_bytes: int) -> ET.Element:
    """Return the root element of an XML file.

    Raises:
        FormatError: if it is no XML, has another root than `tag`, is larger than `limit_bytes`, or
            has a document type or entities.
    """
    text = read_text(path, limit_bytes, stated=_stated_encoding)
    # Entities are what makes XML dangerous: they grow without bound, or reach for other files.
    if re.search(r"<!\s*(DOCTYPE|ENTITY)", text, re.IGNORECASE):
        raise FormatError(f"{path}: expected XML without DOCTYPE and ENTITY; remove the file")
    try:
        root = ET.fromstring(text.lstrip())  # noqa: S314 -- no entities, and a limited size: see above
    except (ET.ParseError, ValueError) as exc:
        raise FormatError(f"{path}: expected XML, but {exc}; correct or remove it") from exc
    if root.tag != tag:
        raise FormatError(f"{path}: expected <{tag}>, but got <{root.tag[:80]}>")
    return root


def xml_tag(path: Path) -> str:
    """Return the tag of a file's first element, empty if it has none; nothing is parsed."""
    found = re.search(r"<([A-Za-z_][\w.-]*)", read_text(path, stated=_stated_encoding))
    return found[1] if found else ""


def _stated_encoding(content: bytes) -> str:
    """Return the encoding that the first line of an XML file states, if it is one of bytes."""
    found = _ENCODING.match(content)
    name = found[1].decode("ascii").lower() if found else ""
    # A line that can be read is not UTF-16, whatever it states, and ASCII is UTF-8 too.
    return "" if name.startswith(("utf", "ascii", "us-ascii")) else name


def child(parent: ET.Element, tag: str, text: str | None = None) -> ET.Element:
    """Add an element with text to another, and return it."""
    added = ET.SubElement(parent, tag)
    added.text = text
    return added


def xml_text(root: ET.Element) -> str:
    """Return an element as indented text."""
    ET.indent(root, "\t")
    return ET.tostring(root, encoding="unicode") + "\n"


def check_names(names: Iterable[str], what: str = "class") -> None:
    """Refuse names of classes, or of something else, that XML cannot hold.

    Raises:
        FormatError: naming the first.
    """
    for name in names:
        if _NOT_XML.search(name) or name != name.strip() or not name:
            raise FormatError(
                f"expected a {what} name that XML can hold, but got {name!r}: rename it"
            )


def xml_number(where: str, name: str, text: str | None) -> float:
    """Return a number of a picture's size.

    Args:
        where: the file, and the place in it.
        name: of the element or attribute.
        text: its content.

    Raises:
        FormatError: if it is none.
    """
    try:
        value = float((text or "").strip())
    except ValueError:
        value = math.nan
    if not abs(value) <= FARTHEST:
        raise FormatError(
            f"{where}: expected a number up to {FARTHEST} in <{name}>, but got "
            f"{(text or '')[:40]!r}; correct it"
        )
    return value
