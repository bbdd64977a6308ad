"""Kinetics-400, -600, -700 and -700-2020: spans of videos of YouTube, one class each.

CSV ``label,youtube_id,time_start,time_end,split[,is_cc]`` or JSON by id (Kay et al., "The Kinetics
human action video dataset", 2017). Lists of the test side have no labels.
"""

from __future__ import annotations

from collections.abc import Iterator

from reelabel.sources.manifests.entries import Entry, span, text_of, youtube_id, youtube_page
from reelabel.sources.manifests.reading import Classes, Reading, Values, read_columns


def read(reading: Reading) -> Iterator[Entry]:
    """Yield the entries of a list of Kinetics whose labels are taken.

    Raises:
        FormatError: if it has no column of ids, or is damaged as a whole.
    """
    return read_columns(reading, _entry, ("id",), lambda cell: cell)


def _entry(values: Values, classes: Classes) -> Entry:
    native_id = youtube_id(values["id"])
    start_s, end_s = span(values.get("start"), values.get("end"))
    label = values.get("label")
    return Entry(
        native_id,
        youtube_page(native_id),
        page=True,
        labels=classes,
        start_s=start_s,
        end_s=end_s,
        split=text_of(values.get("split")),
        licence=text_of(values.get("licence")),
        native_label=text_of(label) if isinstance(label, str) else "",
    )
