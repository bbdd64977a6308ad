"""CVAT XML 1.1 for videos: one file of tracks for each video.

::

    <video>.xml     upload it to a task that was made of the video itself
    frames.json     the labelled frames, their time stamps and the time base
    ignore.json     regions to ignore and negatives (see `reelabel.formats.video_files`)

The task is named by the video's id and its source is the video's file name. Each box is a keyframe
unless it was interpolated; CVAT fills the frames between two of them. In the next labelled frame
without the object, or the one behind the last, the track is ``outside``. A box without a track is a
track of its own, as CVAT itself writes it. `reelabel.formats.cvat` reads both kinds of files.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path

from reelabel.files import safe_stem, write_text
from reelabel.formats.cvat import UNNUMBERED, box_element, new_root
from reelabel.formats.entries import Entry
from reelabel.formats.video_files import OfVideos, VideoFrames
from reelabel.formats.xml_files import check_names, child, xml_text


def _write(folder: Path, videos: Sequence[VideoFrames]) -> None:
    """Write the file of each video."""
    for video in videos:
        check_names(video.classes)
        check_names((video.video, video.name), "video")
        path = folder / f"{safe_stem(video.video)}.xml"
        write_text(path, xml_text(_root(video)), atomic=False)


def _root(video: VideoFrames) -> ET.Element:
    size = video.indices[-1] + 1
    root = new_root(video.video, video.classes, size, mode="interpolation")
    task = root.find("meta/task")
    if task is not None:
        child(task, "source", video.name)
        original = child(task, "original_size")
        for tag, value in zip(("width", "height"), video.size_wh, strict=True):
            child(original, tag, str(value))
    for number, boxes in enumerate(video.tracks()):
        track_id = boxes[0][1].track_id
        id_ = UNNUMBERED + number if track_id is None else track_id
        label = video.classes[boxes[0][1].class_id]
        track = ET.SubElement(root, "track", {"id": str(id_), "label": label, "source": "auto"})
        track.extend(_track(boxes, video.indices))
    return root


def _track(boxes: Sequence[tuple[int, Entry]], labelled: Sequence[int]) -> Iterator[ET.Element]:
    """Yield the boxes of a track, and where it ends or pauses.

    Args:
        boxes: frame index and box, ascending.
        labelled: the indices of all labelled frames of the video, ascending.
    """
    own = [index for index, _ in boxes]
    following = dict(zip(labelled, [*labelled[1:], labelled[-1] + 1], strict=True))
    for at, (index, entry) in enumerate(boxes):
        yield _box(entry, index, outside=False)
        after = following[index]
        # A single box ends at once: CVAT would go on showing it up to the next labelled frame.
        alone = entry.track_id is None
        if alone or at + 1 == len(own) or own[at + 1] > after:
            yield _box(entry, index + 1 if alone else after, outside=True)


def _box(entry: Entry, index: int, *, outside: bool) -> ET.Element:
    element = box_element(entry)
    keyframe = outside or not entry.extra.get("interpolated")
    element.attrib |= {
        "frame": str(index),
        "keyframe": str(int(keyframe)),
        "outside": str(int(outside)),
    }
    return element


write_cvat_video = OfVideos(_write)
