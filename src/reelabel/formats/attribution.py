"""Where fetched footage came from, beside what is made of it.

    ATTRIBUTION.csv    a row for each fetched file that pictures were taken from
    ATTRIBUTION.txt    the same for people, grouped by the licence that was stated

Licences are those that the site or the manifest stated when the file was fetched; nobody has
checked them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from reelabel.errors import counted
from reelabel.files import write_text

CSV_NAME, TEXT_NAME = "ATTRIBUTION.csv", "ATTRIBUTION.txt"


@dataclass(frozen=True)
class Origin:
    """Where one fetched file came from.

    Attributes:
        video_id: the video that it is, empty if it was not registered yet.
        source: the manifest, by its short name.
        want_id: names the video or span in it.
        address: of the whole video.
        start_s: first second of the file in that video; None: at its start.
        end_s: first second behind the file; None: at its end.
        title: as stated, empty if it is not.
        uploader: as stated.
        licence: as stated.
        fetched_at: ISO 8601 UTC.
        sha256: of the file as it was fetched, hexadecimal.
        file: below the workspace.
    """

    video_id: str
    source: str
    want_id: str
    address: str
    start_s: float | None
    end_s: float | None
    title: str
    uploader: str
    licence: str
    fetched_at: str
    sha256: str
    file: str


def write_attribution(folder: Path, origins: Sequence[Origin]) -> None:
    """Write both files into a folder that is being made; without origins neither.

    Raises:
        WorkspaceError: if they cannot be written.
    """
    if origins:
        write_text(folder / CSV_NAME, attribution_csv(origins), atomic=False)
        write_text(folder / TEXT_NAME, "\n".join(_lines(origins)) + "\n", atomic=False)


def attribution_csv(origins: Sequence[Origin]) -> str:
    """Return the table as CSV (RFC 4180): a heading, a row for each origin, empty for None."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow([field.name for field in fields(Origin)])
    rows.writerows(["" if v is None else v for v in astuple(one)] for one in origins)
    return text.getvalue()


def _lines(origins: Sequence[Origin]) -> Iterator[str]:
    """Yield the lines of the text."""
    files = counted(len(origins), "fetched file")
    yield f"Pictures of this data set were taken from {files}."
    yield "Licences are as the site or the manifest stated them; they were not checked."
    for licence in sorted({one.licence for one in origins}):
        yield f"\n{licence or 'no licence stated'}:"
        for one in (o for o in origins if o.licence == licence):
            yield f"  {_line(one)}"


def _line(one: Origin) -> str:
    span = "" if one.start_s is None and one.end_s is None else f", {_span(one)}"
    by = f" by {one.uploader}" if one.uploader else ""
    return " ".join(f"{one.title or one.want_id}{by}: {one.address}{span}".split())


def _span(one: Origin) -> str:
    end = "the end" if one.end_s is None else f"{one.end_s:g} s"
    return f"{one.start_s or 0:g} s to {end}"
