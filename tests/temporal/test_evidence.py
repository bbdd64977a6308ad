"""Evidence from pictures: flickers, gaps, static repeats and camera motion in small scenes."""

from __future__ import annotations

import numpy as np
import pytest

from reelabel.data.boxes import paired_iou
from reelabel.data.sequence import BoxSequence
from reelabel.data.states import FLICKER, UNSUPPORTED
from reelabel.errors import DecodeError
from reelabel.temporal.flicker import FlickerSettings, flicker_queries
from reelabel.temporal.gap import GapSettings, gap_queries
from reelabel.temporal.link import Tracks, link
from reelabel.temporal.motion import global_shift
from reelabel.temporal.pictures import GreyPatch, evaluate_queries, find
from reelabel.temporal.static import static_queries
from reelabel.temporal.video import TrackedVideo

FRAMES = 30


def noise(shape, seed):
    """Return structure that correlation can tell apart, coarse enough to be reduced."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(30, 220, (shape[0] // 4 + 1, shape[1] // 4 + 1))
    return np.kron(coarse, np.ones((4, 4)))[: shape[0], : shape[1]].astype(np.uint8)


def true_box(t):
    """Return where the object is."""
    return np.array([40.0 + 3 * t, 60, 64 + 3 * t, 84])


def film(hidden=(), frames=FRAMES):
    """Film an object that moves to the right; in `hidden` frames something covers it."""
    ground, look = noise((160, 240), 0), noise((24, 24), 1)
    pictures = [ground.copy() for _ in range(frames)]
    for t, picture in enumerate(pictures):
        x, y = true_box(t)[:2].astype(int)
        picture[y : y + 24, x : x + 24] = look
        if t in hidden:
            picture[40:104, 20:220] = noise((64, 200), 100 + t)
    return pictures


def detected(rows, class_id=0):
    """Return a sequence of ``(frame, box, score)``."""
    frame, xyxy, score = zip(*rows, strict=True)
    return BoxSequence.of(np.array(frame), np.array(xyxy), np.array(score), class_id)


def video_of(boxes, frames=FRAMES, *, cuts=(), shift_xy=None, tracks=None, pts=None):
    """Link boxes and return the video."""
    tracks = link(boxes, cuts, shift_xy) if tracks is None else tracks
    pts = np.arange(frames) if pts is None else pts
    return TrackedVideo(boxes, tracks, pts, tuple(cuts), shift_xy)


def tracked(skip=(), score=0.9):
    """Return its detections."""
    return [(t, true_box(t), score) for t in range(FRAMES) if t not in skip]


LONE = np.array([150.0, 110, 180, 140])


def answers(pictures, queries):
    """Return what the queries found in the pictures, in order of their detections."""
    found = [answer for answer in evaluate_queries(pictures, queries) if answer is not None]
    return sorted(found, key=lambda one: getattr(one, "rows", None) or (one.row,))


def flickers_of(boxes, pictures, **settings):
    """Link, look and return flickers."""
    video = video_of(boxes, len(pictures), cuts=settings.pop("cuts", ()))
    return answers(pictures, flicker_queries(video, FlickerSettings(**settings)))


@pytest.mark.parametrize(("score", "kind"), [(0.3, UNSUPPORTED), (None, FLICKER)])
def test_boxes_of_another_class_are_no_support_but_a_doubt(score, kind):
    """A name that flips for one frame is nobody's box; that something is there is known."""
    others = [(t, LONE, score) for t in range(FRAMES) if score and t != 15]
    rows = [(15, LONE, 0.9), *others]
    classes = np.r_[0, np.ones(len(others))].astype(int)
    (found,) = flickers_of(detected(rows, classes), film())
    assert (found.row, found.kind) == (0, kind)


def test_a_lone_box_over_an_unchanged_place_is_a_flicker_with_its_evidence():
    """Nothing supports it, its place is found again: frames and similarities are kept."""
    boxes = detected([*tracked(), (15, LONE, 0.8)])
    (found,) = flickers_of(boxes, film())
    assert (found.row, found.kind, found.score) == (FRAMES, FLICKER, pytest.approx(0.8))
    assert found.frames == (10, 11, 12, 13, 14, 16, 17, 18, 19, 20)
    assert min(found.similarity) > 0.99
    assert max(found.overlap) == 0


def test_weak_boxes_support():
    """Hysteresis: boxes under the candidate's threshold count, unless it is set as high."""
    weak = [(t, LONE, 0.2) for t in (13, 14, 16, 17)]
    boxes = detected([*tracked(), (15, LONE, 0.8), *weak])
    assert flickers_of(boxes, film()) == []
    assert len(flickers_of(boxes, film(), support_score=0.5)) == 1


def test_a_passing_object_neither_supports_nor_condemns():
    """A track that is elsewhere at that moment is another object, or was led astray: a doubt."""
    ahead = true_box(20)
    boxes = detected([*tracked(), (15, ahead, 0.8)])
    assert paired_iou(ahead, true_box(18)) > 0.3
    assert [(e.row, e.kind) for e in flickers_of(boxes, film())] == [(FRAMES, UNSUPPORTED)]


def test_a_fast_object_is_found_by_its_picture():
    """Boxes that do not overlap support each other where the template is found."""
    ground, look = noise((160, 400), 0), noise((24, 24), 1)
    pictures, rows = [], []
    for t in range(11):
        picture, x = ground.copy(), 20 + 34 * t
        picture[60:84, x : x + 24] = look
        pictures.append(picture)
        rows += [(t, np.array([x, 60.0, x + 24, 84]), 0.9)] if t in {4, 5, 6} else []
    boxes = detected(rows)
    alone = link(boxes, list(range(11)))  # no help from tracks
    video = video_of(boxes, 11, tracks=alone)
    queries = flicker_queries(video, FlickerSettings(beta=2.0, min_support=1))
    assert len(queries) == 3
    assert answers(pictures, queries) == []


def test_a_place_that_changes_is_a_doubt_and_no_verdict():
    """Where the place cannot be found again nothing is proved."""
    pictures = film()
    for t in range(FRAMES):
        pictures[t][100:150, 130:200] = noise((50, 70), 500 + t)
    (found,) = flickers_of(detected([*tracked(), (15, LONE, 0.8)]), pictures)
    assert found.kind == UNSUPPORTED


def test_cuts_on_every_frame_and_one_frame_leave_doubts_only():
    """Without neighbours nothing can be compared."""
    boxes = detected([*tracked(), (15, LONE, 0.8)])
    found = flickers_of(boxes, film(), cuts=range(FRAMES))
    assert {e.kind for e in found} == {UNSUPPORTED}
    (single,) = flickers_of(detected([(0, LONE, 0.8)]), film(frames=1))
    assert (single.kind, single.frames) == (UNSUPPORTED, ())


def test_a_flat_place_cannot_be_compared():
    """A box over an even surface is found nowhere and everywhere."""
    pictures = [np.full((160, 240), 90, np.uint8)] * FRAMES
    (found,) = flickers_of(detected([(15, LONE, 0.8)]), pictures)
    assert found.kind == UNSUPPORTED
    assert np.isnan(found.similarity).all()


def test_no_boxes_give_no_evidence():
    """Empty input is defined."""
    empty = BoxSequence.empty()
    assert flickers_of(empty, film()) == []
    assert gap_queries(video_of(empty)) == []
    assert static_queries(video_of(empty)) == []


def test_wrong_settings_are_refused():
    """Support may not need more than candidates, and windows hold a frame."""
    with pytest.raises(ValueError, match="support_score"):
        FlickerSettings(score=0.5, support_score=0.6)
    with pytest.raises(ValueError, match="alpha"):
        FlickerSettings(alpha=0)
    with pytest.raises(ValueError, match="max_frames"):
        GapSettings(max_frames=0)


def gaps_of(boxes, pictures, shift_xy=None):
    """Link, look and return gap boxes."""
    queries = gap_queries(video_of(boxes, shift_xy=shift_xy))
    found = [box for boxes in evaluate_queries(pictures, queries) for box in boxes]
    return sorted(found, key=lambda box: (box.track_id, box.frame))


def test_a_gap_is_filled_where_both_searches_agree():
    """Each missing frame gets a box on the object, with the rows it rests on."""
    boxes = detected(tracked(skip=range(12, 17), score=0.8))
    found = gaps_of(boxes, film())
    assert [box.frame for box in found] == list(range(12, 17))
    for box in found:
        assert paired_iou(box.xyxy, true_box(box.frame)) > 0.85
        assert boxes.frame[list(box.rows)].tolist() == [11, 17]
        assert box.score == pytest.approx(min(*box.similarity, 0.8))
        assert box.agreement > 0.5


def test_hidden_objects_are_not_claimed():
    """Where something covers the object the pictures are not alike."""
    boxes = detected(tracked(skip=range(12, 17)))
    assert [box.frame for box in gaps_of(boxes, film(hidden={13, 14}))] == [12, 15, 16]


@pytest.mark.parametrize(
    ("score", "filled"), [(0.6, [12, 13, 15, 16]), (0.06, [12, 13, 14, 15, 16])]
)
@pytest.mark.parametrize("class_id", [0, 1])
def test_a_place_that_another_box_holds_is_left(score, filled, class_id):
    """A sure box means that the object is labelled already; a weak one of no track does not."""
    rows = tracked(skip=range(12, 17))
    there = true_box(14) + np.array([6, 0, 6, 0])
    classes = np.r_[np.zeros(len(rows)), class_id].astype(int)
    boxes = detected([*rows, (14, there, score)], classes)
    found = [box.frame for box in gaps_of(boxes, film())]
    assert found == filled


def test_a_gap_is_crossed_by_the_clock():
    """Where frames were skipped, the line to search along follows time, not the count of frames."""
    time = np.array([0, 1, 2, 3, 4, 5, 9, 10, 11, 12])
    boxes = detected([(i, true_box(t), 0.9) for i, t in enumerate(time) if i not in (5, 6)])
    (query,) = gap_queries(video_of(boxes, pts=time))
    assert query.share == {5: pytest.approx(1 / 6), 6: pytest.approx(5 / 6)}
    for i, line in query.lines.items():
        assert paired_iou(line, true_box(time[i])) > 0.9


def test_gaps_mirror_in_time():
    """A film played backwards gives the same boxes."""
    rows = tracked(skip=range(12, 17))
    there = gaps_of(detected(rows), film())
    mirrored = detected([(FRAMES - 1 - t, box, score) for t, box, score in rows])
    back = gaps_of(mirrored, film()[::-1])
    assert [FRAMES - 1 - box.frame for box in back][::-1] == [box.frame for box in there]
    for a, b in zip(there, back[::-1], strict=True):
        np.testing.assert_allclose(a.xyxy, b.xyxy)


def test_a_film_that_ends_early_leaves_gaps_open():
    """Gaps whose end was never seen are not judged."""
    boxes = detected(tracked(skip=range(12, 17)))
    assert gaps_of(boxes, film()[:15]) == []


def blinking(score=0.4, step=3, box=LONE):
    """Return a box that comes and goes at one place."""
    return [(t, box, score) for t in range(0, FRAMES, step)]


def repeats_of(boxes, pictures, shift_xy=None):
    """Link, look and return static repeats."""
    video = video_of(boxes, len(pictures), tracks=link(boxes), shift_xy=shift_xy)
    return answers(pictures, static_queries(video))


def test_a_blinking_weak_box_over_an_unchanged_place_is_a_static_repeat():
    """Same place, low score, comes and goes while the picture does not."""
    (found,) = repeats_of(detected([*tracked(), *blinking()]), film())
    assert found.rows == tuple(range(FRAMES, FRAMES + 10))
    assert found.fill == pytest.approx(10 / 28)
    assert min(found.similarity) > 0.9


@pytest.mark.parametrize("real", [blinking(score=0.9), blinking(step=1), blinking(step=8)])
def test_sure_steady_and_rare_boxes_are_spared(real):
    """Repetition alone is not sufficient."""
    assert repeats_of(detected([*tracked(), *real]), film()) == []


def test_a_place_whose_picture_changes_is_spared():
    """An object that came or left explains why its box came and went."""
    pictures = film()
    for picture in pictures[16:]:
        picture[105:145, 145:185] = noise((40, 40), 9)
    assert repeats_of(detected([*tracked(), *blinking()]), pictures) == []


def test_one_box_linked_by_mistake_moves_nothing():
    """A track moves if two of its boxes lie elsewhere."""
    stray = [(4, LONE + 40, 0.4), (7, LONE + 40, 0.4)]
    for away, found in ((stray[:1], 1), (stray, 0)):
        boxes = detected([*blinking(), *away])
        one = Tracks(np.zeros(len(boxes), np.int64), np.array([True]))
        assert len(static_queries(video_of(boxes, tracks=one))) == found


@pytest.mark.parametrize("at", [0, FRAMES - 1])
def test_a_place_where_a_track_begins_or_ends_is_spared(at):
    """A car that parks there left a track there."""
    frames = [t for t in range(0, 3 * FRAMES, 3) if abs(t - FRAMES - at) > 9]
    parked = [(t, true_box(at), 0.4) for t in frames]
    moving = [(t + FRAMES, box, score) for t, box, score in tracked()]
    pictures = [film(frames=1)[0]] * (3 * FRAMES)
    assert repeats_of(detected([*moving, *parked]), pictures) == []
    assert len(repeats_of(detected(parked), pictures)) == 1


def test_a_place_where_a_track_rests_is_spared():
    """A car that stops there and goes on may stop there again."""
    way = [40.0 + 3 * min(t, 12) + 3 * max(t - 20, 0) for t in range(FRAMES)]
    stopping = [(t, np.array([x, 60, x + 24, 84]), 0.9) for t, x in enumerate(way)]
    later = [(t, np.array([76.0, 60, 100, 84]), 0.4) for t in range(2 * FRAMES, 3 * FRAMES, 3)]
    pictures = [film(frames=1)[0]] * (3 * FRAMES)
    assert repeats_of(detected([*stopping, *later]), pictures) == []
    assert len(repeats_of(detected(later), pictures)) == 1


def test_what_only_passes_a_place_explains_nothing_and_is_not_blamed():
    """The place is looked at, and its boxes are blamed, while nothing stands before it."""
    place = true_box(15)
    (found,) = repeats_of(detected([*tracked(), *blinking(box=place, step=3)]), film())
    assert all(abs(t - 15) >= 8 for t in found.frames)
    assert min(found.rows) >= FRAMES
    assert all(abs(3 * (row - FRAMES) - 15) >= 5 for row in found.rows)


def test_a_moving_camera_knows_no_static_places():
    """Without a fixed camera nothing is the same place."""
    shift = np.full((FRAMES, 2), 3.0)
    assert repeats_of(detected([*tracked(), *blinking()]), film(), shift) == []


@pytest.mark.parametrize("way", [(0, 0), (3, 0), (-4, 2), (0, -5)])
def test_a_panned_picture_tells_its_shift(way):
    """The content's motion is found to a fraction of a pixel, in both directions."""
    ground = noise((200, 300), 3)
    x, y = way
    before, after = ground[20:180, 20:260], ground[20 - y : 180 - y, 20 - x : 260 - x]
    assert global_shift(before, after) == pytest.approx(way, abs=0.3)


def test_a_passing_object_a_cut_and_an_even_picture_move_nothing():
    """Only the camera counts, and only where it can be told."""
    pictures = film()
    assert global_shift(pictures[3], pictures[4]) == (0.0, 0.0)
    assert global_shift(noise((160, 240), 1), noise((160, 240), 2)) == (0.0, 0.0)
    even = np.full((160, 240), 90, np.uint8)
    assert global_shift(even, even) == (0.0, 0.0)


def test_pictures_of_two_sizes_are_not_compared():
    """A shift is one of pictures of the same size."""
    ground = noise((200, 300), 3)
    with pytest.raises(ValueError, match="one size"):
        global_shift(ground, ground[20:180])


def test_a_template_is_found_where_it_was_cut():
    """Also when it is so large that it is searched in reduced pictures."""
    picture = GreyPatch(noise((300, 400), 5), 0, 0)
    for side in (20, 150):
        match = find(picture.part((100, 80, 100 + side, 80 + side)), picture)
        assert match.similarity > 0.99
        assert (match.left, match.top) == (100, 80)


def test_only_needed_frames_are_made():
    """No frame is converted that no query needs, and none after the last needed one."""
    made = []
    pictures = film()

    def source(t):
        made.append(t)
        return pictures[t]

    class Query:
        shrink = 1
        windows = {3: (0, 0, 5, 5), 7: (-5, -5, 5, 5)}  # noqa: RUF012 -- never changed

        def evaluate(self, patches):
            return {t: patch.pixels.shape for t, patch in patches.items()}

    sources = (lambda t=t: source(t) for t in range(FRAMES))
    assert list(evaluate_queries(sources, [Query()])) == [{3: (5, 5), 7: (5, 5)}]
    assert made == [3, 7]


def test_pictures_that_change_their_size_are_an_error():
    """Places are only comparable in pictures of one size."""
    pictures = film()
    pictures[16] = pictures[16][:100]
    with pytest.raises(DecodeError, match="frame 16"):
        flickers_of(detected([(15, LONE, 0.8)]), pictures)
