"""Pictures of label files are tied to one frame of one video, or not at all."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from reelabel.data.dataset import Dataset, ImageEntry
from reelabel.data.video import Video
from reelabel.data.video_names import VideoNames
from reelabel.errors import FormatError
from reelabel.formats.entries import Entry, to_boxes
from reelabel.labels.tying import ImportProblems, tie

FILE = Path("labels.json")


def video(video_id: str, path: str) -> Video:
    """Return a video of 200 x 100 pixels and 1/10 s per tick."""
    return Video(
        video_id=video_id,
        path=Path(path),
        name=Path(path).name,
        role="footage",
        origin="",
        licence="",
        size_bytes=1,
        container="",
        codec="",
        width=200,
        height=100,
        rotation=0,
        time_base=Fraction(1, 10),
        start_pts=5,
        duration_s=1.0,
        fps=10.0,
        state="ok",
        error="",
    )


CAM1, CAM2 = video("a" * 16, "/foot/cam1/GX01.MP4"), video("b" * 16, "/foot/cam2/GX01.MP4")
DEEP = video("c" * 16, "/foot/day1/cam1/one.mp4")
NAMES = VideoNames([CAM1, CAM2, DEEP], {Path("/foot/copies/two.mp4"): DEEP.video_id})


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("cam1/GX01.MP4", [CAM1]),
        ("cam2\\GX01.MP4", [CAM2]),
        ("/foot/cam2/GX01.MP4", [CAM2]),
        ("/home/anna/cam2/GX01.MP4", [CAM2]),
        ("a" * 16, [CAM1]),
        ("GX01.MP4", [CAM1, CAM2]),
        ("cam9/GX01.MP4", []),
        ("GX02.MP4", []),
        ("one.mp4", [DEEP]),
        ("cam2/one.mp4", []),
        ("two.mp4", [DEEP]),
        ("copies/two.mp4", [DEEP]),
        ("cam1/two.mp4", []),
        ("", []),
        ("..", []),
    ],
)
def test_the_longest_end_of_a_path_decides(name: str, found: list[Video]):
    """A folder in the name must be that of the video; a copy is the same video."""
    assert list(NAMES.find(name).videos) == found


@pytest.mark.parametrize(
    ("name", "partial"), [("/home/anna/cam2/GX01.MP4", True), ("cam2/GX01.MP4", False)]
)
def test_folders_that_differ_are_known(name: str, partial: bool):
    """A name is partial if the path of its video has other folders further up."""
    assert NAMES.find(name).partial == partial


def tied(*images: ImageEntry, pts: tuple[int, ...] = (5, 6, 7, 37, 38)) -> tuple[Dataset, list]:
    """Return the frames of the first video, and what was left out of them."""
    boxes = to_boxes([Entry((10, 10, 30, 20), 0), Entry((190, 90, 300, 300), 0)])
    data = Dataset(("ball",), images, (boxes,) * len(images))
    problems = ImportProblems()
    found = tie(FILE, data, NAMES, lambda _: np.array(pts), problems=problems)
    return next(iter(found.videos.values())), problems.left_out


@pytest.mark.parametrize(
    ("time_s", "index"), [(0.0, 0), (0.04, 0), (0.06, 1), (1.6, 2), (1.8, 3), (3.3, 4), (3.34, 4)]
)
def test_an_instant_means_the_nearest_frame(time_s: float, index: int):
    """Within the video, also in a pause of it."""
    data, _ = tied(ImageEntry("", video="cam1/GX01.MP4", pts_time=time_s))
    assert data.images[0].frame_index == index


@pytest.mark.parametrize("time_s", [-0.1, 3.4, 4.7])
def test_a_pause_says_nothing_about_the_ends(time_s: float):
    """Half a usual frame beyond the first and the last there is no frame."""
    with pytest.raises(FormatError, match=r"labels\.json: .* is no frame of GX01\.MP4"):
        tied(ImageEntry("", video="cam1/GX01.MP4", pts_time=time_s))


def test_boxes_are_in_pixels_of_the_video_and_inside():
    """Whatever size the picture had that they were drawn on."""
    half = ImageEntry("", 100, 50, video="cam1/GX01.MP4", frame_index=0)
    data, left_out = tied(half)
    assert data.boxes[0].xyxy.tolist() == [[20, 20, 60, 40]]
    assert left_out == ["GX01.MP4 frame 0, ball at 380, 180, 600, 600"]


def test_a_name_of_several_videos_is_refused_with_all_of_them():
    """The error lists the candidates and how to tell them apart."""
    with pytest.raises(FormatError, match=r"could be /foot/cam1/GX01.MP4, /foot/cam2.*folders"):
        tied(ImageEntry("", video="GX01.MP4", frame_index=0))


def test_names_of_other_folders_are_reported():
    """What was tied by a part of its folders, and what was not tied, is known."""
    images = [
        ImageEntry("", video=name, frame_index=0)
        for name in ("/home/anna/cam1/GX01.MP4", "cam9/GX01.MP4")
    ]
    problems = ImportProblems()
    found = tie(FILE, Dataset((), tuple(images)), NAMES, lambda _: np.arange(9), problems=problems)
    assert (list(found.videos), found.rest) == ([CAM1.video_id], (1,))
    assert problems.unknown_videos == {"cam9/GX01.MP4"}
    assert problems.other_folders == {"/home/anna/cam1/GX01.MP4": "/foot/cam1/GX01.MP4"}
