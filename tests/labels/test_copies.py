"""Copies of a recording are found however they were made, and other recordings are none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reelabel.labels.copies import Comparison, Copy, Seen, find_copies
from reelabel.labels.division import SameRecording, SplitSettings, VideoFrames, divide_recordings
from reelabel.media.signatures import chosen, signature, spread_signatures, without_bars
from reelabel.media.video import decode


def scaled(grey, size_wh):
    """Return a picture of another size."""
    return cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA)


def recompressed(grey):
    """Return a picture of half the size after strong compression."""
    small = scaled(grey, (grey.shape[1] // 2, grey.shape[0] // 2))
    return cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 25])[1], 0)


def cut(grey, share):
    """Return a picture without a share of each side."""
    rows, columns = (round(side * share) for side in grey.shape)
    return grey[rows : grey.shape[0] - rows, columns : grey.shape[1] - columns]


def with_logo(grey):
    """Return a picture with a white field in a corner."""
    result, (height, width) = grey.copy(), grey.shape
    result[height // 20 : height // 6, width * 5 // 6 : width * 19 // 20] = 255
    return result


CHANGES = {
    "half the size": recompressed,
    "cropped by 8 % of each side": lambda grey: cut(grey, 0.08),
    "cropped by 8 % in all": lambda grey: cut(grey, 0.04),
    "cropped at a corner": lambda grey: grey[
        : grey.shape[0] * 92 // 100, : grey.shape[1] * 23 // 25
    ],
    "letterboxed": lambda grey: cv2.copyMakeBorder(grey, 60, 60, 0, 0, cv2.BORDER_CONSTANT),
    "mirrored": lambda grey: grey[:, ::-1],
    "upside down": lambda grey: grey[::-1],
    "turned by half": lambda grey: grey[::-1, ::-1],
    "turned to the left": np.rot90,
    "turned to the right": lambda grey: np.rot90(grey, -1),
    "with a logo": with_logo,
    "darker": lambda grey: (grey * 0.7 + 10).astype(np.uint8),
    "stretched": lambda grey: scaled(grey, (grey.shape[1], grey.shape[0] * 3 // 4)),
}


def signed(frames):
    """Return the signatures of pictures."""
    some = [signature(np.ascontiguousarray(one)) for one in frames]
    return np.frombuffer(b"".join(some), np.uint8).reshape(-1, 32, 32)


@pytest.fixture(scope="module")
def recordings(data_dir):
    """Return grey frames, ten a second, of clips in which cameras and things move."""
    found = {}
    for name in ("sports/soccer_juggle.mp4", "traffic/highway.mp4", "gestures/asl_book.mkv"):
        path = data_dir / "videos" / name
        found[name] = [f.grey((320, 320)) for f in decode(path, end_s=4.0) if f.index % 3 == 0]
    return found


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_copies_are_found(recordings, change):
    """Each recording is the copy of its own changed one, and of no other."""
    videos = {name: Seen(name, signed(frames[::3])) for name, frames in recordings.items()}
    for name, frames in recordings.items():
        copy = {"new": Seen("new.mp4", signed(map(change, frames[::3])))}
        found = find_copies(copy, videos)
        assert [(one.first, one.second, one.kind) for one in found] == [("new", name, "copy")]


@pytest.mark.parametrize("order", [slice(None, None, -1), slice(None, None, 2)])
def test_copies_played_backwards_or_faster_are_found(recordings, order):
    """The order of the frames, and how many there are, do not matter."""
    for name, frames in recordings.items():
        copy = {"new": Seen("new.mp4", signed(map(recompressed, frames[::2][order])))}
        found = find_copies(copy, {name: Seen(name, signed(frames[::2]))})
        assert [one.kind for one in found] == ["copy"]


def test_a_copy_of_a_part_is_found(recordings):
    """Two seconds that were cut out and compressed again are a copy of the whole."""
    for name, frames in recordings.items():
        part = {"part": Seen("part.mp4", signed(map(recompressed, frames[10:31:5])))}
        (one,) = find_copies(part, {name: Seen(name, signed(frames[::5]))})
        assert one.kind == "copy"


def test_chapters_of_one_recording_are_found(recordings):
    """Numbered halves of a recording belong together; halves that join do by any name."""
    for name, frames in recordings.items():
        half = len(frames) // 2
        parts = signed(frames[: half + 1 : 4]), signed(frames[half:][::4])
        numbered = {n: Seen(f"GX0{n}0042.MP4", part) for n, part in zip("12", parts, strict=True)}
        assert [one.kind for one in find_copies(numbered)] in (["continuation"], ["copy"]), name
    frames = recordings["traffic/highway.mp4"]
    joined = {
        "a": Seen("beach.mp4", signed([*frames[:18:4], frames[18]])),
        "b": Seen("noon.mp4", signed([frames[18], *frames[19::4]])),
    }
    assert [(one.first, one.second) for one in find_copies(joined)] == [("a", "b")]


def test_real_clips_are_no_copies_of_others(data_dir):
    """Of clips of one room, and of other scenes, only those of one recording are found."""
    paths = [
        path
        for kind in ("gestures", "sports", "people", "action", "dogs", "trains")
        for path in sorted((data_dir / "videos" / kind).iterdir())
    ]
    videos = {
        path.name: Seen(
            path.name,
            np.frombuffer(b"".join(spread_signatures(path)), np.uint8).reshape(-1, 32, 32),
        )
        for path in paths
    }
    assert len(videos) > 30
    found = [(one.first, one.second) for one in find_copies(videos)]
    assert found == [("basketball_gym_01.mpg", "basketball_gym_02.mpg")]


def test_pictures_are_copies_only_of_themselves(data_dir):
    """Of still pictures a smaller, stronger compressed one is found, and no other."""
    paths = sorted((data_dir / "annotated/coco_val/images").glob("*.jpg"))
    grey = [cv2.imread(str(path), 0) for path in paths]
    videos = {
        path.name: Seen(path.stem, signed([one])) for path, one in zip(paths, grey, strict=True)
    }
    assert find_copies(videos) == []
    copy = {"new": Seen("new", signed([recompressed(grey[7])]))}
    assert [one.second for one in find_copies(copy, videos)] == [paths[7].name]


def test_nothing_is_compared_with_nothing():
    """No videos, and videos without signatures, have no copies."""
    none = Seen("a", np.zeros((0, 32, 32), np.uint8))
    assert find_copies({}) == []
    assert find_copies({"a": none, "b": none}) == []


def test_bars_are_cut_off_and_dark_pictures_are_not():
    """Black lines at the sides go; a picture that is dark as a whole stays."""
    picture = np.full((40, 60), 120, np.uint8)
    barred = cv2.copyMakeBorder(picture, 12, 12, 5, 5, cv2.BORDER_CONSTANT)
    assert (without_bars(barred) == picture).all()
    dark = np.zeros((40, 60), np.uint8)
    assert without_bars(dark).shape == dark.shape


@pytest.mark.parametrize(("n", "step_s"), [(0, 1.0), (1, 1.0), (7, 0.1), (300, 0.04), (5000, 0.04)])
def test_signatures_are_spread_over_a_video(n, step_s):
    """They are half a second apart or more, at most 33, and the first and last frame have one."""
    time_s = [i * step_s for i in range(n)]
    found = chosen(time_s)
    assert len(found) <= 33
    assert found == sorted(set(found))
    assert n == 0 or (found[0], found[-1]) == (0, n - 1)
    gaps = np.diff([time_s[i] for i in found[:-1]])
    assert (gaps >= 0.5 - 1e-6).all()


def labelled(n=4):
    """Return a video with a label in each frame."""
    return VideoFrames(np.arange(n, dtype=float), np.ones(n, int), {"ball": n})


def test_copies_stay_together_and_continuations_where_they_can():
    """Copies are never divided; continuations are, if there is nothing else, and named as leaks."""
    videos = {name: labelled() for name in "abc"}
    settings = SplitSettings(held_out=0.4)
    together = divide_recordings(videos, [], SameRecording((("a", "b"),), ()), settings)
    assert together.sides["a"] == together.sides["b"]
    assert together.leaks == []
    same = SameRecording((("a", "b"),), (("b", "c"),))
    divided = divide_recordings(videos, [], same, settings)
    assert divided.sides["a"] == divided.sides["b"] != divided.sides["c"]
    (leak,) = divided.leaks
    assert leak.startswith("b and c show one recording, but ")


def test_a_copy_is_a_value():
    """What is found can be compared."""
    assert Copy("a", "b", "copy", 1.0) == Copy("a", "b", "copy", 1.0)


def test_no_pair_that_is_something_is_left_out_beforehand():
    """Pairs that are not compared in full are no copies and no continuations of one another."""
    rng = np.random.default_rng(3)
    places = [np.kron(rng.normal(size=(4, 4)), np.ones((8, 8))) * 40 for _ in range(4)]
    seen = {}
    for i in range(12):
        moving = np.kron(rng.normal(size=(int(rng.integers(1, 12)), 8, 8)), np.ones((1, 4, 4)))
        grey = 128 + places[i % 4] + moving * rng.uniform(1, 25)
        grey = np.clip(grey, 0, 255).astype(np.uint8)
        made = {"": grey, "m": grey[:, :, ::-1], "n": grey[-1:], "c": grey[:, 3:, 3:]}
        for name, one in made.items():
            frames = np.stack([scaled(np.ascontiguousarray(frame), (32, 32)) for frame in one])
            seen[f"{i}{name}"] = Seen(f"clip_{i}{name}.mp4", frames)
    pairs = [(a, b) for a in seen for b in seen if a < b]
    compare = Comparison(seen)
    promising = set(compare.promising(pairs))
    something = {pair for pair in pairs if compare.pair(*pair) is not None}
    assert something <= promising
    assert len(something) > 30
    assert len(promising) < len(pairs) / 2
