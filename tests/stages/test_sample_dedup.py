"""Which frames are taken, what is written of them, and which of them say nothing new."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.config import ConfigError
from reelabel.errors import ModelError
from reelabel.media.sampling import FrameSampler
from reelabel.media.video import decode
from reelabel.models.weights import read_lock, sha256_of
from reelabel.stages.sample import Samples, SampleSettings
from reelabel.tables import COPIES, DUPLICATES, EMBEDDINGS, FRAMES


@pytest.fixture
def sampled(bench, disc_clips):
    """Return a function from settings to the rows of one clip's frames."""
    bench.configure(videos=[str(disc_clips[0])])

    def run(**settings):
        bench.run("register", "cut", "sample", **settings or {"every": 1})
        return bench.rows(FRAMES)

    return run


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"every": 1}, list(range(20))),
        ({"every": 6}, [0, 6, 12, 18]),
        ({"every_s": 0.2}, [0, 5, 10, 15]),
        ({"every_s": 0.1}, [0, 3, 5, 8, 10, 13, 15, 18]),
        ({"per_video": 4}, [0, 5, 10, 15]),
        ({"per_video": 1}, [0]),
        ({"every": 5, "start_delay_s": 0.4}, [10, 15]),
        ({"every_s": 0.2, "start_delay_s": 0.1}, [3, 8, 13, 18]),
        ({"keyframes": True}, [0]),
    ],
    ids=str,
)
def test_each_rule_takes_its_frames(sampled, settings, expected):
    """Every rule takes exactly the frames that its words say."""
    assert [row["frame_index"] for row in sampled(**settings)] == expected


def test_two_rules_at_once_are_refused(sampled):
    """Only one of every, every_s and per_video can be meant."""
    with pytest.raises(ConfigError, match="only one"):
        sampled(every=2, every_s=1.0)


def chosen(times_s, **settings):
    """Return the positions that stay when a video with these frames is sampled."""
    s = SampleSettings(**settings)
    sampler, taken = FrameSampler(s, times_s[-1] - times_s[0]), Samples()
    for i, time_s in enumerate(times_s):
        if sampler.takes(time_s):
            taken.rows.append({"pts": i, "picture": ""})
            if len(taken.rows) > s.max_per_video:
                sampler.thin()
                taken.thin(lambda _: None)
    return [row["pts"] for row in taken.rows]


@given(st.integers(1, 400), st.integers(1, 40), st.integers(1, 5))
def test_thinning_keeps_an_even_spread(frames, most, every):
    """However long the video is, what stays is evenly spread and fills at least half the cap."""
    found = chosen([i / 25 for i in range(frames)], every=every, max_per_video=most)
    assert found[0] == 0
    assert len(found) <= most
    assert len(set(np.diff(found))) <= 1
    assert len(found) >= min(-(-frames // every), most // 2 + most % 2)
    steps = np.diff([*found, frames])
    assert steps[-1] <= steps.max()


@given(st.integers(20, 400), st.integers(4, 40))
def test_thinning_by_seconds_keeps_an_even_spread(frames, most):
    """The same holds where frames are taken by time."""
    found = chosen([i / 25 for i in range(frames)], every_s=0.08, max_per_video=most)
    assert len(found) <= most
    steps = np.diff(found)
    assert len(steps) == 0 or steps.max() - steps.min() <= 1


def test_the_cap_holds_in_the_files_too(sampled, bench):
    """Thinned frames leave no row, no vector and no picture."""
    rows = sampled(every=1, max_per_video=7)
    assert [row["frame_index"] for row in rows] == [0, 4, 8, 12, 16]
    pictures = sorted(p.name for p in (bench.root / "frames").rglob("*.jpg"))
    assert pictures == sorted(f"{row['pts']}.jpg" for row in rows)
    assert [row["pts"] for row in bench.rows(EMBEDDINGS)] == [row["pts"] for row in rows]


def pictures(bench):
    """Return every file in the folder of pictures, by its path there."""
    folder = bench.root / "frames"
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_pictures_of_other_settings_go(sampled, bench):
    """What an earlier sampling took and this one does not is no longer there."""
    assert len(sampled(every=2)) == len(pictures(bench)) == 10
    rows = sampled(every=5)
    assert pictures(bench) == {f"{row['video_id']}/{row['pts']}.jpg" for row in rows}
    sampled(every=5, quality={"min_sharpness": 1e6})
    assert pictures(bench) == set()


def test_pictures_of_a_video_that_is_gone_go_too(bench, disc_clips):
    """Taking a video out removes its pictures, also after a kill, and nothing of anybody else."""
    bench.configure(videos=[str(clip) for clip in disc_clips[:2]])
    bench.run("register", "cut", "sample", every=10)
    left, gone = (row.video_id for row in sorted(bench.workspace.videos(), key=by_place))
    mine = bench.root / "frames" / "mine" / "1.jpg"
    notes = bench.root / "frames" / ("0" * 16) / "notes.txt"
    lost = bench.root / "frames" / ("1" * 16) / "24.jpg"
    for path in (mine, notes, notes.with_name("2.jpg"), lost):
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    bench.configure(videos=[str(disc_clips[0])])
    bench.run("register", "cut", "sample")
    homes = {path.name for path in (bench.root / "frames").iterdir()}
    assert homes == {left, "mine", notes.parent.name}
    assert gone not in homes
    assert mine.is_file()
    assert notes.with_name("2.jpg").is_file()


def test_pictures_of_a_file_that_is_gone_stay(bench, disc_clips, tmp_path):
    """A video whose file has disappeared keeps what was made from it."""
    footage = tmp_path / "footage"
    footage.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, footage)
    bench.configure(videos=[str(footage)])
    bench.run("register", "cut", "sample", every=10)
    before = pictures(bench)
    (footage / "clip0.mp4").unlink()
    bench.run("register", "cut", "sample")
    assert pictures(bench) == before


def by_place(video):
    """Return where a video's file lies."""
    return video.path


def test_the_embedder_is_held_to_its_weights(sampled, bench, data_dir):
    """The hash of a file of weights is written down, and another file in its place is refused."""
    weights = bench.root / "embedder.onnx"
    shutil.copy(data_dir / "weights/osnet_x0_25_msmt17.onnx", weights)
    sampled(every=10, embedder="onnx:embedder.onnx")
    assert read_lock(bench.root) == {"embedder.onnx": sha256_of([weights])}
    assert bench.run("sample").done == 0
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ModelError, match="not the file that was used before"):
        bench.run("sample")


def test_what_is_rejected_says_why(sampled, bench):
    """A frame that is too blurred keeps its row and its figures, but has no picture."""
    rows = sampled(every=4, quality={"min_sharpness": 1e6})
    assert len(rows) == 5
    for row in rows:
        assert not row["kept"]
        assert "sharpness" in row["reason"]
        assert row["picture"] == ""
        assert row["sharpness"] > 0
    assert bench.rows(EMBEDDINGS) == []
    assert bench.run("dedup").notes["all"] == {"frames": 0, "dropped": 0, "copies": 0}


def test_written_pictures_are_the_frames(sampled, bench, disc_clips):
    """Each picture is its frame, but for what JPEG loses; its vector has length 1."""
    rows = sampled(every=10)
    frames = {frame.pts: frame.rgb() for frame in decode(disc_clips[0])}
    for row in rows:
        picture = cv2.imread(str(bench.root / row["picture"]))[..., ::-1].astype(int)
        assert np.abs(picture - frames[row["pts"]]).mean() < 4
        assert (row["width"], row["height"], row["scale_x"]) == (160, 96, 1)
    for row in bench.rows(EMBEDDINGS):
        assert np.linalg.norm(row["vector"]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("resize", "size", "shape", "scale", "offset"),
    [
        ("longest", [80, 40], (80, 48), (0.5, 0.5), (0, 0)),
        ("exact", [64, 64], (64, 64), (0.4, 64 / 96), (0, 0)),
        ("letterbox", [64, 64], (64, 64), (0.4, 0.4), (0, 13)),
    ],
)
def test_the_way_from_video_to_picture_is_written_down(  # noqa: PLR0917 -- one case's values
    sampled, resize, size, shape, scale, offset
):
    """Scale and offset lead from pixels of the video to pixels of the picture."""
    row = sampled(every=10, resize=resize, size=size)[0]
    assert (row["width"], row["height"]) == shape
    assert (row["scale_x"], row["scale_y"]) == pytest.approx(scale, rel=0.02)
    assert (row["offset_x"], row["offset_y"]) == pytest.approx(offset, abs=1)


def test_a_damaged_video_is_taken_as_far_as_it_goes(bench, data_dir):
    """Frames behind a damaged place are taken too, and the shard says that it is partial."""
    bench.configure(videos=[str(data_dir / "videos/awkward/corrupted_mid.mp4")])
    result = bench.run("register", "cut", "sample", every=5)
    (notes,) = result.notes.values()
    assert notes["state"] == "partial"
    assert notes["damaged_places"] >= 1
    assert max(row["time_s"] for row in bench.rows(FRAMES)) > 3.5


@pytest.mark.parametrize(
    "case", [("static_60_frames.mp4", 60, 1), ("each_frame_x4.mp4", 4, 33)], ids=lambda c: c[0]
)
def test_of_repeated_frames_one_stays(bench, data_dir, case):
    """Of frames that repeat each other at most one stays; none stands for a frame that went."""
    name, repeats, least = case
    bench.configure(videos=[str(data_dir / "videos/awkward" / name)])
    bench.run("register", "cut", "sample", "dedup")
    frames = {row["pts"]: row["frame_index"] for row in bench.rows(FRAMES) if row["kept"]}
    gone = bench.rows(DUPLICATES)
    left = frames.keys() - {row["pts"] for row in gone}
    assert len(left) + len(gone) == len(frames)
    assert {row["kept_pts"] for row in gone} <= left
    assert len({frames[pts] // repeats for pts in left}) == len(left) >= least


def test_copies_of_a_video_stand_for_each_other(bench, disc_clips, tmp_path):
    """A frame of one video may stand for one of another; switched off, nothing goes."""
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(disc_clips[0].read_bytes() + b"\0")
    bench.configure(videos=[str(disc_clips[0]), str(copy)])
    result = bench.run("register", "cut", "sample", "dedup", similarity=0.99)
    videos = {row.video_id for row in bench.workspace.videos()}
    assert len(videos) == 2
    assert any(row["kept_video_id"] != row["video_id"] for row in bench.rows(DUPLICATES))
    assert result.notes["all"]["dropped"] >= 20
    gone = {(row["video_id"], row["pts"]) for row in bench.rows(DUPLICATES)}
    standing = {(row["kept_video_id"], row["kept_pts"]) for row in bench.rows(DUPLICATES)}
    assert not gone & standing
    bench.run("dedup", enabled=False)
    assert bench.rows(DUPLICATES) == []


def test_a_video_without_signatures_is_noted_as_not_compared(sampled, bench):
    """Where no frame of a video has a signature, the table of copies states that."""
    rows = [row | {"signature": None} for row in sampled(every=10)]
    video_id = rows[0]["video_id"]
    bench.workspace.write(FRAMES, video_id, FRAMES.from_rows(rows), fingerprint="t")
    assert bench.run("dedup").notes["all"]["copies"] == 0
    found = [(row["kind"], row["other_video_id"]) for row in bench.rows(COPIES)]
    assert found == [("unknown", "")]
