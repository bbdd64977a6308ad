"""What a classifier judges of a video is what its training saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reelabel.labels.windows import WindowFormer, WindowSettings, find_windows
from reelabel.media.pictures import write_jpeg
from reelabel.media.probe import probe
from reelabel.media.video import decode
from reelabel.models.calibrated import CalibratedClassifier
from reelabel.models.classifier_pool import ClassifierPool, classify_ahead
from reelabel.models.classifiers.fake import FakeClassifier, FakeOptions
from reelabel.models.video_moments import MomentPlan, video_moments
from reelabel.pipeline import CLASSIFY_CLIPS
from reelabel.tables import CLIPS
from reelabel.workspace.folder import OutputFolder

SIZES = ((4, 0.2), (3, 0.1), (5, 0.0), (8, 0.5))
"""Pictures per window, and seconds between them."""


def moments(path, plan, start_s=0.0, end_s=None):
    """Return the time stamps of the frames of each moment."""
    info = probe(path)
    span_s = (start_s, info.duration_s if end_s is None else end_s)
    found = video_moments(path, info, span_s, plan)
    return [[frame.ref.pts for frame in moment] for moment in found]


@pytest.fixture
def clip(make_colour_clip, tmp_path):
    """Return a clip of two shots."""
    return make_colour_clip(tmp_path / "clip.mp4", [("red", 2.3), ("blue", 1.1)])


@pytest.mark.parametrize("plan", [MomentPlan(*size) for size in SIZES], ids=str)
def test_windows_are_those_of_training(clip, make_unit, make_video, plan):
    """The same frames form the same windows as in the stage `window`, cuts and padding included."""
    stage = CLASSIFY_CLIPS.flow["window"]
    settings = WindowSettings(frames=plan.frames, step_s=plan.step_s, mode="dense")
    row = {"video_id": "v", "clip": 0, "start_s": 0.0, "end_s": 99.0}
    rows = {"clips": CLIPS.from_rows([row | dict.fromkeys(set(CLIPS.schema.names) - set(row))])}
    unit = make_unit(stage, rows, settings=settings, video=make_video(clip))
    unit = replace(unit, files=OutputFolder(clip.parent, clip.parent / "pictures"))
    expected = stage.run(unit).tables["moments"]["frames"].to_pylist()
    assert moments(clip, plan) == expected


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.2, 0.45, 0.6]), st.booleans()), max_size=40),
    st.integers(2, 5),
    st.sampled_from(["pad", "skip"]),
)
def test_windows_can_be_formed_frame_by_frame(steps, frames, short):
    """A former that sees one frame at a time gives the windows of the whole video."""
    time_s = np.cumsum([gap for gap, _ in steps])
    shot = np.cumsum([cut for _, cut in steps]).astype(np.int64)
    settings = WindowSettings(frames=frames, step_s=0.2, mode="dense", short=short)
    former, found = WindowFormer(settings, 0.2), []
    for at in range(len(steps)):
        found += former.add(at, float(time_s[at]), int(shot[at]))
    found += former.end()
    assert [list(window) for window in found] == find_windows(time_s, shot, settings).tolist()


@pytest.mark.parametrize("step_s", [0.0, 0.04, 0.3, 1.0, 100.0])
def test_single_frames_are_a_step_apart(clip, step_s):
    """The first frame that is not before each multiple of the step is judged."""
    pts = [frame.pts for frame in decode(clip)]
    times = np.array(pts) / 600
    step = step_s or 0.04
    wanted = [pts[np.flatnonzero(times + 1e-3 >= k * step)[0]] for k in range(int(3.36 / step) + 1)]
    assert moments(clip, MomentPlan(1, step_s)) == [[one] for one in wanted]


def test_a_picture_is_one_moment(tmp_path, clip):
    """Also for models of clips, which see it repeated."""
    write_jpeg(tmp_path / "x.jpg", next(decode(clip)).rgb())
    assert moments(tmp_path / "x.jpg", MomentPlan(1, 1.0)) == [[0]]
    assert moments(tmp_path / "x.jpg", MomentPlan(3, 0.2)) == [[0, 0, 0]]


def test_pictures_are_reduced_and_kept_whole(clip):
    """What the model is given may be small; what is kept is the whole frame."""
    plan = MomentPlan(1, 1.0, fit_wh=(32, 32), keep=True)
    info = probe(clip)
    first = next(iter(video_moments(clip, info, (0.0, 1.0), plan)))[0]
    assert first.picture.shape == (24, 32, 3)
    assert first.jpeg.startswith(b"\xff\xd8")
    assert not next(iter(video_moments(clip, info, (0.0, 1.0), MomentPlan(1, 1.0))))[0].jpeg


def test_a_model_states_what_it_judges():
    """Its own pictures and distance; one of single frames a frame a second, unless told."""
    clips = FakeClassifier(options=FakeOptions(frames=4, step_s=0.2))
    assert MomentPlan.of(clips) == MomentPlan(4, 0.2)
    assert MomentPlan.of(clips, 0.5) == MomentPlan(4, 0.5)
    assert MomentPlan.of(FakeClassifier()) == MomentPlan(1, 1.0)
    assert MomentPlan.of(FakeClassifier(), 0.0) == MomentPlan(1, 0.0)


def test_windows_are_read_ahead_in_order():
    """Probabilities come in the order of the windows, however many fit into a batch."""
    pool = ClassifierPool(FakeClassifier(batch_size=3))
    colours = np.random.default_rng(0).integers(0, 255, (10, 1, 1, 3)).astype(np.uint8)
    expected = pool.classify([[colour] for colour in colours])
    found = list(classify_ahead(pool, ([colour] for colour in colours)))
    np.testing.assert_array_equal(found, expected)
    assert list(classify_ahead(pool, [])) == []


def test_what_fails_while_reading_ahead_is_raised():
    """An error of the decoder reaches the caller."""

    def broken():
        yield [np.zeros((2, 2, 3), np.uint8)]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(classify_ahead(ClassifierPool(FakeClassifier(batch_size=1)), broken()))


def test_a_temperature_changes_probabilities_and_not_the_class():
    """Above 1 they are less extreme; the fingerprint differs, all else is the other model's."""
    inner = FakeClassifier(options=FakeOptions(sharpness=4))
    warm = CalibratedClassifier(inner, 2.0)
    window = [np.full((4, 4, 3), (200, 90, 10), np.uint8)]
    before, after = inner.open()([window])[0], warm.open()([window])[0]
    np.testing.assert_allclose(after, np.sqrt(before) / np.sqrt(before).sum(), atol=1e-5)
    assert warm.fingerprint not in {inner.fingerprint, CalibratedClassifier(inner, 3.0).fingerprint}
    for name in ("name", "classes", "exclusive", "frames", "step_s", "fit_wh", "batch_size"):
        assert getattr(warm, name) == getattr(inner, name)
