"""Names of videos as label files and tables write them, through every door that takes some."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from unicodedata import normalize
from urllib.parse import quote

import pytest

from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.labels.tagging import VideosByTag

PLAIN = [
    "a b.mp4",
    "café.mp4",
    "100%.mp4",
    "x%20y.mp4",
    "plus+1.mp4",
    "#1.mp4",
    "名前.mp4",
    "Ångström.MP4",
]


def _video(number: int, name: str) -> Video:
    path = Path("/f/cam1") / name
    return Video(
        *(f"{number:016}", path, path.name, "footage", "", "", 1, "mp4", "h264", 64, 48, 0),
        *(Fraction(1, 10), 0, 2.0, 10.0, "ok", ""),
    )


SPELLINGS = {
    "as it is": lambda name: name,
    "letters taken apart": lambda name: normalize("NFD", name),
    "quoted": quote,
    "quoted, letters taken apart": lambda name: quote(normalize("NFD", name)),
    "of Windows": lambda name: f"D:\\data\\cam1\\{name}",
    "an address": lambda name: f"https://host/bucket/cam1/{quote(name)}?signed=a%2Fb",
    "a file": lambda name: f"file:///home/me/cam1/{quote(name)}",
}


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_video_is_found_however_its_name_is_spelled(form, spelling):
    """Composed or not, quoted or not, with the folders of another machine: it is the same file."""
    videos = [_video(i, normalize(form, name)) for i, name in enumerate(PLAIN)]
    names = VideoNames(videos)
    by_tag = VideosByTag(videos, names)
    for video, name in zip(videos, PLAIN, strict=True):
        given = SPELLINGS[spelling](name)
        assert names.find(given).videos == (video,)
        assert list(by_tag.find(given)) == [video]
        stem = Path(name).stem
        assert list(by_tag.find(normalize("NFD", stem))) == [video]


def test_the_name_as_it_stands_goes_before_what_it_may_mean():
    """Of ``a%20b`` and ``a b``, and of two forms of a letter, each is found by its own name."""
    several = ["a%20b.mp4", "a b.mp4", normalize("NFC", "é.mp4"), normalize("NFD", "é.mp4")]
    videos = [_video(i, name) for i, name in enumerate(several)]
    names = VideoNames(videos)
    assert [names.find(name).videos for name in several] == [(video,) for video in videos]
    assert not names.find("A B.mp4").videos
    assert not names.find("cam2/a%20b.mp4").videos
