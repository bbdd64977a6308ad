"""Tables that people wrote or saved from a spreadsheet: their text, and the cells of their rows.

Text is UTF-8, UTF-16 with its mark, or else Windows-1252. Cells are divided by commas, semicolons
or tabs, as the first line is, and quoted as in RFC 4180; a space before a quote is no part of the
cell. Empty lines at the start are passed over, and a line such as ``sep=;``, by which Excel is told
what divides the cells.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path
from typing import IO, Any

from reelabel.errors import FormatError
from reelabel.file_kinds import plain_file
from reelabel.files import explained

_DELIMITERS = ",;\t"
_STATED_DELIMITER = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_MARKS = {b"\xff\xfe", b"\xfe\xff"}
_AS_CSV = "save it as CSV in UTF-8"
_NO_TEXT = {
    b"PK\x03\x04": ("a spreadsheet (.xlsx, .ods) or a ZIP archive", _AS_CSV),
    b"\xd0\xcf\x11\xe0": ("a spreadsheet (.xls)", _AS_CSV),
    b"PAR1": ("a Parquet file", f"{_AS_CSV}, as pandas does: read_parquet(FILE).to_csv(NEW)"),
    b"\x1f\x8b": ("packed with gzip", "unpack it: gunzip FILE"),
    b"BZh": ("packed with bzip2", "unpack it: bunzip2 FILE"),
    b"\xfd7zXZ": ("packed with xz", "unpack it: unxz FILE"),
    b"%PDF": ("a PDF", _AS_CSV),
    b"SQLite format 3": ("a database (SQLite)", _AS_CSV),
}
"""First bytes -> what a file is that is no text, and the way out."""


def read_table_text(path: Path) -> str:
    """Return the text of a table or list that people wrote.

    Raises:
        FormatError: if it is no text, naming what it is.
        WorkspaceError: if it cannot be read.
    """
    with explained(path):
        content = plain_file(path).read_bytes()
    _check_text(path, content)
    encodings = ("utf-16",) if content[:2] in _MARKS else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            return content.decode(encoding)
    line, byte = _undecoded(content)
    raise FormatError(
        f"{path}: expected text in UTF-8, but line {line} holds the byte 0x{byte:02x}: save the "
        "file as UTF-8"
    )


def _check_text(path: Path, content: bytes) -> None:
    """Check the first bytes, whatever the file's name is.

    Raises:
        FormatError: naming what it is.
    """
    for first, (what, way_out) in _NO_TEXT.items():
        if content.startswith(first):
            raise FormatError(f"{path}: expected a text file, but it is {what}: {way_out}")
    # Text in UTF-16 without its mark: every other byte of what is Latin is 0.
    zeros = [byte == 0 for byte in content[:4]]
    if zeros in ([False, True, False, True], [True, False, True, False]):
        raise FormatError(
            f"{path}: expected text in UTF-8, but it is UTF-16 without a byte order mark: save the "
            "file as UTF-8"
        )


def _undecoded(content: bytes) -> tuple[int, int]:
    """Return the line and the value of the first byte that is not UTF-8."""
    try:
        content.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        return content[: exc.start].count(b"\n") + 1, content[exc.start]
    return 1, content[0]


def table_rows(text: str) -> list[tuple[int, list[str] | None]]:
    """Return the number of the last line and the cells of each row; None for a damaged row.

    A quote that is not closed would take all rows behind it with it: then each line is a row.

    >>> table_rows("a;b" + chr(10) + "1;2")
    [(1, ['a', 'b']), (2, ['1', '2'])]
    """
    lines = io.StringIO(text, newline="")
    header, skipped, delimiter = header_line(lines)
    begin = lines.tell() - len(header)
    how: dict[str, Any] = {"delimiter": delimiter, "strict": True, "skipinitialspace": True}
    reader = csv.reader(io.StringIO(text[begin:], newline=""), **how)
    with contextlib.suppress(csv.Error):
        return [(skipped + reader.line_num, row) for row in reader]
    found: list[tuple[int, list[str] | None]] = []
    for number, line in enumerate(io.StringIO(text[begin:]), skipped + 1):
        try:
            found += [(number, row) for row in csv.reader([line], **how)]
        except csv.Error:
            found.append((number, None))
    return found


def header_line(lines: IO[str]) -> tuple[str, int, str]:
    """Return the first line of a table, how many lines were passed over, and what divides cells.

    Args:
        lines: a text at its start; read up to the end of that line.
    """
    skipped, stated = 0, ""
    while line := lines.readline():
        mark = _STATED_DELIMITER.fullmatch(line)
        if mark is None and line.strip():
            break
        skipped, stated = skipped + 1, mark[1] if mark else stated
    return line, skipped, stated or max(_DELIMITERS, key=line.count)


def column_name(name: str) -> str:
    """Return the name of a column as names are compared: case and spaces make no difference.

    >>> column_name(" Start Time")
    'start_time'
    """
    return name.strip().casefold().replace(" ", "_")
