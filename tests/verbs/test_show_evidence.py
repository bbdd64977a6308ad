"""Films of evidence: what they show, when, and what they say where there is nothing to show."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reelabel as api
from reelabel.errors import MissingInput, UsageError
from reelabel.media.video import decode
from reelabel.tables import EVIDENCE, VIDEOS
from reelabel.verbs.show import show
from reelabel.verbs.show_evidence import places
from reelabel.views import film as film_module
from reelabel.views.evidence_examples import COLOURS, findings, spread
from reelabel.views.film import CLOCK, canvas_of, near, timetable
from reelabel.views.film_settings import Film

BASE = Fraction(1, 600)
STEP = 24
SHORT = Film(before_s=0.12, after_s=0.08, slow=3, pause_s=1)


def first_id(workspace):
    """Return the id of the first clip."""
    return min(workspace.videos(), key=lambda row: row.name).video_id


def evidence_of(workspace):
    """Return the evidence of the first clip."""
    return workspace.read(EVIDENCE, first_id(workspace), 0)


# -- when frames are shown ------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    gaps=st.lists(st.integers(1, 500), min_size=2, max_size=40),
    hits=st.dictionaries(st.integers(0, 39), st.booleans(), min_size=1, max_size=6),
    base=st.sampled_from([BASE, Fraction(1, 25), Fraction(1001, 30000), Fraction(1, 90000)]),
    slow=st.sampled_from([1, 1.5, 4]),
    pause_s=st.sampled_from([0, 0.3, 2]),
)
def test_a_timetable_keeps_the_video_s_pace(*, gaps, hits, base, slow, pause_s):
    """Frames near findings are shown once, in order, for their own time, longer only where slow."""
    film = Film(before_s=0.4, after_s=0.2, slow=slow, pause_s=pause_s)
    stamps = np.cumsum(gaps)
    focus = {int(stamps[i % len(stamps)]): pause for i, pause in hits.items()}
    steps, end = timetable(stamps, base, focus, film)
    before, after = Fraction(2, 5), Fraction(1, 5)
    shown = [s for s in stamps if any(-after <= int(f - s) * base <= before for f in focus)]
    assert [step.pts for step in steps] == shown
    ends = [*(step.at for step in steps[1:]), end]
    own = dict(zip(stamps, [*np.diff(stamps), gaps[-1]], strict=True))
    for step, until in zip(steps, ends, strict=True):
        pause = {0: 0, 0.3: Fraction(1, 2), 2: 2}[pause_s] if focus.get(step.pts) else 0
        lasting = min(int(own[step.pts]) * base, 1) * (Fraction(slow) if step.slow else 1)
        assert abs((until - step.at) * CLOCK - pause - lasting) <= CLOCK
        half = any(-after / 2 <= (f - step.pts) * base <= before / 2 for f in focus)
        assert step.slow == half
        assert step.pause == bool(focus.get(step.pts))


@given(
    st.lists(st.integers(-50, 50), max_size=12),
    st.sets(st.integers(-50, 50), max_size=5),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_near_is_what_it_says(stamps, focus, before, after):
    """A frame is near if a finding is at most so far after or before it, in any order of frames."""
    film = Film(before_s=before, after_s=after)
    close = near(np.array(stamps, np.int64), Fraction(1), focus, film)
    assert close.tolist() == [any(-after <= f - s <= before for f in focus) for s in stamps]


def test_findings_near_one_another_share_a_passage():
    """Two findings whose time overlaps give each frame once; two far apart leave out the middle."""
    stamps = np.arange(0, 100 * STEP, STEP)
    together, _ = timetable(stamps, BASE, {10 * STEP: True, 13 * STEP: True}, SHORT)
    assert [step.pts // STEP for step in together] == list(range(7, 16))
    apart, _ = timetable(stamps, BASE, {10 * STEP: True, 40 * STEP: True}, SHORT)
    assert [step.pts // STEP for step in apart] == [*range(7, 13), *range(37, 43)]
    # The cut between passages costs no time: the frame before it lasts its own 40 ms.
    assert (apart[6].at - apart[5].at) * CLOCK == Fraction(1, 25)


# -- what a film shows ----------------------------------------------------------------------------


def test_a_film_of_a_workspace(timed):
    """The film has the passages' frames at the right times, with boxes in the kind's colour."""
    shown = show(timed, evidence=True, **vars(SHORT) | {"kind": "flicker"}, pictures=5)
    assert [(one.video, one.hits) for one in shown] == [("clip0.mp4", (1, 1))]
    movie = shown[0].movie
    assert movie.parent == timed.round_dir(0) / "show"
    frames = list(decode(movie))
    # Frames 0 to 5; 2 to 4 are slow, 3 stands still for a second: it is written three times.
    ticks = np.diff([frame.pts for frame in frames]) * CLOCK * 25
    assert [float(t) for t in ticks] == [1, 1, 3, 12.5, 12.5, 3, 3]
    assert len(shown[0].pictures) == 1
    picture = frames[3].rgb()
    assert picture.shape[1] == 640  # small footage grows
    left = picture[4 * 34 : 4 * 52, 4 * 40 - 4 : 4 * 40 + 5].reshape(-1, 3).astype(int)
    assert np.abs(left - COLOURS["flicker"]).sum(axis=1).min() < 90
    assert np.abs(left - COLOURS["gap"]).sum(axis=1).min() > 90


def test_all_is_every_kind_but_smooth(timed):
    """All findings are shown, each gap and each repeat as one; tracks only when asked for."""
    counts = {k: show(timed, evidence=True, kind=k, pictures=0)[0].hits for k in ("all", "smooth")}
    assert counts == {"all": (4, 4), "smooth": (1, 1)}
    assert show(timed, evidence=True, hits=1, pictures=0)[0].hits == (4, 4)


def test_a_cap_shows_the_best_findings(hear):
    """With a cap the surest flickers are shown, and the rest is counted."""
    rows = [(0, "flicker", t, {"detection": t, "score": t / 20}) for t in (3, 9, 15)]
    shown = show(hear(*rows), evidence=True, hits=2, before_s=0, after_s=0, pause_s=0)
    assert shown[0].hits == (2, 3)
    assert [path.stem.rsplit("-", 1)[1] for path in shown[0].pictures] == ["216", "360"]


def test_one_film_of_all_videos(hear, tmp_path):
    """A file name gives one film in which the videos follow one another."""
    workspace = hear((0, "flicker", 3, {}), (1, "gap", 5, {}))
    shown = show(workspace, evidence=True, **vars(SHORT), out=tmp_path / "deep" / "all.mp4")
    assert [(one.movie.name, one.hits, one.pictures) for one in shown] == [("all.mp4", (2, 2), [])]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["all.mp4"]
    at = [frame.pts for frame in decode(tmp_path / "deep" / "all.mp4")]
    assert len(at) == 8 + 8
    assert at == sorted(at)


def test_a_video_is_decoded_once(timed, monkeypatch):
    """However many findings a video has, its frames are asked for in one go, each once."""
    asked = []
    usual = film_module.frames

    def noted(path, pts, **how):
        asked.append(list(pts))
        return usual(path, pts, **how)

    monkeypatch.setattr(film_module, "frames", noted)
    show(timed, evidence=True, pause_s=0, pictures=0)
    assert len(asked) == 1
    assert len(asked[0]) == len(set(asked[0])) == 20


def test_a_place_is_shown_where_it_was_looked_for(timed):
    """In frames that a finding rests on its place is dashed, but not in those with its own box."""
    gap = findings(evidence_of(timed), "gap")[0]
    dashed = dict(places(gap))
    assert sorted(dashed) == [11 * STEP, 14 * STEP]
    assert {mark.style for mark in dashed.values()} == {"dashed"}
    assert not list(places(findings(evidence_of(timed), "smooth")[0]))


def test_small_videos_grow_and_sides_are_even():
    """Small pictures are enlarged for the texts, large ones stay, and each fits the canvas."""
    assert canvas_of([(160, 96)]) == (640, 384)
    assert canvas_of([(1281, 721)]) == (1282, 722)
    assert canvas_of([(4, 4000)]) == (4, 4000)
    assert canvas_of([(1280, 720), (720, 1280)]) == (1280, 1280)


# -- findings -------------------------------------------------------------------------------------


def test_rows_of_one_observation_are_one_finding(timed):
    """Boxes of a gap and of a repeat belong together; of a track only the least sure is shown."""
    evidence = evidence_of(timed)
    found = {kind: findings(evidence, kind) for kind in COLOURS}
    counts = {kind: [len(one.rows) for one in some] for kind, some in found.items()}
    assert counts == {
        "flicker": [1],
        "unsupported": [1],
        "gap": [2],
        "static": [3],
        "smooth": [1],
    }
    assert found["gap"][0].shown["pts"] == 13 * STEP  # 0.65, where no picture was compared
    assert found["smooth"][0].shown["sigma"] == 2.5
    assert found["static"][0].at == (STEP, 7 * STEP, 16 * STEP)
    assert findings(evidence.slice(0, 0), "smooth") == []


def test_spread_takes_turns_between_videos(hear):
    """Each video's best comes first, by score, then each one's second, whatever their number."""
    rows = [(0, "flicker", t, {"detection": t, "score": 0.9 - t / 100}) for t in range(4)]
    workspace = hear(*rows, (1, "flicker", 5, {"score": 0.5}))
    names = {row.video_id: row.name for row in workspace.videos()}
    found = {v: findings(workspace.read(EVIDENCE, v, 0), "flicker") for v in names}
    taken = [(names[v], round(one.shown["score"], 2)) for v, one in spread(found, 3)]
    assert taken == [("clip0.mp4", 0.9), ("clip1.mp4", 0.5), ("clip0.mp4", 0.89)]


# -- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "flikker"}, "did you mean 'flicker'"),
        ({"slow": 0.5}, "slow must be a number from 1 up"),
        ({"before_s": -1}, "before_s"),
        ({"after_s": float("nan")}, "after_s"),
        ({"pause_s": float("inf")}, "pause_s"),
        ({"hits": 0}, "hits must be a number from 1 up"),
    ],
)
def test_films_that_cannot_be_are_refused(wrong, words):
    """An unknown kind names the nearest, a number out of range its range."""
    with pytest.raises(UsageError, match=words):
        Film(**wrong)


def test_no_evidence_says_how_to_get_some(labelled):
    """Without evidence the error names the settings that make it."""
    with pytest.raises(MissingInput, match=r"mine\.flicker.*detect\.frames.*reelabel run"):
        show(labelled, evidence=True)


def test_another_kind_says_which_there_are(hear):
    """Where there is evidence, but none of the kind, the error says what there is."""
    with pytest.raises(MissingInput, match="no evidence of static, but boxes 1 of flicker"):
        show(hear((0, "flicker", 3, {})), evidence=True, kind="static")


@pytest.mark.parametrize("evidence", [False, True])
def test_a_round_that_is_not_there(timed, evidence):
    """A wrong round is named together with those that there are."""
    with pytest.raises(MissingInput, match=r"no round 7 in .*; there is: 0"):
        show(timed, round=7, evidence=evidence)


def test_footage_that_is_gone_is_named(timed):
    """If a video was moved away since, the error names its file, and no film is left behind."""
    for video_id in timed.shards(VIDEOS):
        rows = timed.read(VIDEOS, video_id)
        at = rows.column_names.index("path")
        rows = rows.set_column(at, "path", [["/gone/clip.mp4"] * len(rows)])
        timed.write(VIDEOS, video_id, rows, fingerprint="x")
    with pytest.raises(api.ReelabelError, match=r"/gone/clip\.mp4"):
        show(timed, evidence=True)
    assert not list((timed.round_dir(0) / "show").iterdir())


def test_the_command(timed, reelabel):
    """The flags reach the film; those of films need --evidence, and are refused in one line."""
    flags = ("--kind", "gap", "--before", 0.1, "--after", 0.1, "--slow", 2, "--pause", 0.5)
    code, out, err = reelabel("show", timed.root, "--evidence", *flags, "--pictures", 1, "--quiet")
    assert (code, err) == (0, "")
    assert "-evidence.mp4  1 of 1 finding  and 1 picture" in out
    code, _, err = reelabel("show", timed.root, "--before", 2)
    assert (code, "before_s is for evidence: add --evidence" in err) == (2, True)
    code, _, err = reelabel("show", timed.root, "--evidence", "--kind", "gapp")
    assert (code, "did you mean 'gap'" in err) == (2, True)
    code, _, err = reelabel("show", timed.root, "--pictures", -1)
    assert (code, "expected pictures as a whole number from 0 up" in err) == (2, True)
