"""Spans of the user, of manifests and of shots become clips, which all later stages work on."""

from __future__ import annotations

import csv
import shutil
from fractions import Fraction

import av
import numpy as np
import pytest
from click.testing import CliRunner

import reelabel
from reelabel.cli.commands import cli
from reelabel.errors import SOME_VIDEOS_FAILED, FormatError, MediaError, MissingInput
from reelabel.media.encode import VideoWriter
from reelabel.media.probe import probe
from reelabel.media.video import decode
from reelabel.tables import CLIPS, DOWNLOADS, FRAMES, SEEN, VIDEOS, WANTS
from reelabel.verbs.clips import TABLE, clips

SCENES = (40, 30, 50)
"""Frames of each scene of the film, at 25 per second."""


@pytest.fixture
def film(bench):
    """Return a film of three scenes of noise below the workspace, which names it."""
    path = bench.root / "footage" / "film.mp4"
    path.parent.mkdir()
    with VideoWriter(path, time_base=Fraction(1, 25)) as writer:
        number = 0
        for scene, count in enumerate(SCENES):
            patches = np.random.default_rng(scene).integers(0, 256, (6, 8, 3), np.uint8)
            still = np.repeat(np.repeat(patches, 16, 0), 16, 1)
            for at in range(count):
                picture = still.copy()
                picture[4:20, 4 + at : 20 + at] = (255, 128, 0)
                writer.write(picture, number)
                number += 1
    bench.configure(videos=["footage"])
    bench.run("register")
    return path


def cut(bench, **settings):
    """Run the stage and return each clip's start, end and origin."""
    bench.run("cut", **settings)
    return [(row["start_s"], row["end_s"], row["origin"]) for row in bench.rows(CLIPS)]


def table(bench, *rows):
    """Write a table of spans and return its name."""
    lines = ["name,start_s,end_s", *rows]
    (bench.root / "spans.csv").write_text("\n".join(lines))
    return "spans.csv"


def test_a_table_gives_a_video_several_clips(bench, film):
    """Rows are clips in order of time; those that overlap become one; an empty end is the end."""
    del film
    spans = table(bench, "film.mp4,3,", "film.mp4,0.4,1", "film.mp4,0.8,1.2", "other.mp4,1,2")
    assert cut(bench, spans=spans) == [
        (0.4, 1.2, "user"),
        (3.0, pytest.approx(4.8), "user"),
    ]
    assert [row["clip"] for row in bench.rows(CLIPS)] == [0, 1]


def test_a_changed_table_is_noticed_by_its_videos_alone(bench, film, disc_clips):
    """Only the video whose rows changed is cut again."""
    shutil.copy(disc_clips[0], film.parent)
    bench.run("register")
    cut(bench, spans=table(bench, "film.mp4,1,2"))
    assert bench.run("cut").done == 0
    table(bench, "film.mp4,1,3")
    assert bench.run("cut").done == 1


def test_a_table_that_names_no_video_is_refused(bench, film):
    """It is more likely a mistake than a wish."""
    del film
    result = bench.run("cut", spans=table(bench, "flim.mp4,1,2"))
    assert "none of the videos that it names" in min(result.failed.values())


@pytest.mark.parametrize("row", ["film.mp4,2,1", "film.mp4,x,1", ",1,2", "film.mp4,-1,2"])
def test_a_row_that_is_no_span_is_named(bench, film, row):
    """With its line."""
    del film
    with pytest.raises(FormatError, match="line 2"):
        bench.run("cut", spans=table(bench, row))


def test_shots_are_clips(bench, film):
    """One clip per shot, inside the spans that are asked for; short ones are left out."""
    del film
    bounds = np.cumsum([0, *SCENES]) / 25
    whole = [(pytest.approx(a), pytest.approx(b), "shots") for a, b in zip(bounds, bounds[1:])]  # noqa: B905, RUF007 -- pairs
    assert cut(bench, shots=True) == whole
    assert cut(bench, shots=True, min_length_s=1.3) == [whole[0], whole[2]]
    spans = table(bench, "film.mp4,1,2")
    assert cut(bench, shots=True, min_length_s=0, spans=spans) == [
        (1.0, pytest.approx(1.6), "shots"),
        (pytest.approx(1.6), 2.0, "shots"),
    ]
    result = bench.run("cut", shots=False, spans=spans, min_length_s=1.5)
    assert "lower cut.min_length_s" in min(result.failed.values())


def fetched(bench, *spans, offset_s=None, file="footage/film.mp4"):
    """Write the tables of a manifest whose file was fetched."""
    wants = [
        {"source": "m", "want_id": str(i), "start_s": start, "end_s": end}
        for i, (start, end) in enumerate(spans)
    ]
    downloads = [
        {
            "source": "m",
            "want_id": want["want_id"],
            "state": "fetched",
            "file": file,
            "span_start_s": offset_s,
        }
        for want in wants
    ]
    for kind, rows in ((WANTS, wants), (DOWNLOADS, downloads)):
        bench.workspace.write(kind, "m", kind.from_rows(rows), fingerprint="")


def test_spans_of_a_manifest_are_clips(bench, film):
    """They are tied by the file, counted from where it begins, and end with the video."""
    del film
    fetched(bench, (0.5, 1), (2, 9))
    assert cut(bench) == [(0.5, 1, "manifest"), (2, pytest.approx(4.8), "manifest")]
    fetched(bench, (101, 103), offset_s=100)
    assert cut(bench) == [(1, 3, "manifest")]
    assert cut(bench, end_s=2) == [(0, 2, "user")]
    fetched(bench, (None, None))
    assert cut(bench, end_s=None) == [(0, pytest.approx(4.8), "whole")]
    fetched(bench, (50, 60))
    result = bench.run("cut")
    assert "its manifest names spans from 50.000 s on" in min(result.failed.values())


def test_frames_are_sampled_inside_the_clips_alone(bench, film):
    """Every sampled frame lies in its clip, none twice, and shots do not reach over clips."""
    del film
    spans = [(0.4, 1.0), (1.0, 2.4), (4.0, 4.4)]
    cut(bench, spans=table(bench, *(f"film.mp4,{a},{b}" for a, b in spans)))
    bench.run("sample", every=1)
    rows = bench.rows(FRAMES)
    expected = [i for a, b in spans for i in range(round(a * 25), round(b * 25))]
    assert [row["frame_index"] for row in rows] == expected
    for row in rows:
        start_s, end_s = spans[row["clip"]]
        assert start_s - 1e-6 <= row["time_s"] < end_s
    shots = [row["shot"] for row in rows]
    assert shots == sorted(shots)
    assert len({(row["clip"], row["shot"]) for row in rows}) == len(set(shots)) == 4


@pytest.mark.parametrize("settings", [{"per_video": 6}, {"every_s": 0.4}, {"max_per_video": 7}])
def test_sampling_rules_count_over_all_clips(bench, film, settings):
    """Clips count as one after the other: so many per video, even steps, one cap."""
    del film
    spans = [(0.2, 1.0), (2.0, 2.8), (3.0, 3.8)]
    cut(bench, spans=table(bench, *(f"film.mp4,{a},{b}" for a, b in spans)))
    bench.run("sample", **settings)
    rows = bench.rows(FRAMES)
    offsets = np.array([0.2, 1.2, 1.4])
    worked = [row["time_s"] - offsets[row["clip"]] for row in rows]
    assert 4 <= len(rows) <= 7
    assert np.ptp(np.diff(worked)) < 0.09
    assert {row["clip"] for row in rows} == {0, 1, 2}


def test_all_frames_of_the_clips_are_detected_on(bench, film):
    """And no other frame."""
    del film
    spans = [(0.4, 1.0), (4.0, 4.4)]
    cut(bench, spans=table(bench, *(f"film.mp4,{a},{b}" for a, b in spans)))
    bench.configure(detector="motion", detect={"frames": "all"})
    bench.run("sample", "detect")
    expected = [i for a, b in spans for i in range(round(a * 25), round(b * 25))]
    assert [row["frame_index"] for row in bench.rows(SEEN)] == expected


@pytest.mark.parametrize("exact", [False, True])
def test_clips_are_written_as_files(bench, film, tmp_path, exact):
    """Each file holds the span that its row states, and the table can be read as spans."""
    cut(bench, spans=table(bench, "film.mp4,0.4,1", "film.mp4,2,3"))
    out = reelabel.clips(bench.root, tmp_path / "out", exact=exact)
    rows = list(csv.DictReader((out / TABLE).read_text(encoding="utf-8").splitlines()))
    assert sorted(row["file"] for row in rows) == sorted(p.name for p in out.glob("*.mp4"))
    for row, (start_s, end_s) in zip(rows, [(0.4, 1), (2, 3)], strict=True):
        length_s = float(row["end_s"]) - float(row["start_s"])
        assert probe(out / row["file"]).duration_s == pytest.approx(length_s, abs=0.01)
        assert float(row["start_s"]) <= start_s
        assert float(row["end_s"]) >= end_s
        if exact:
            assert length_s == pytest.approx(end_s - start_s)
    shutil.copy(out / TABLE, bench.root / "spans.csv")
    assert cut(bench, spans="spans.csv")
    assert film.is_file()


def test_clips_that_cannot_be_written_are_named(bench, film, tmp_path, capsys):
    """The others are written, and the exit code is 1; with --exact none is missing."""
    raw = film.with_name("raw.ts")
    with av.open(str(film)) as reader, av.open(str(raw), "w", format="h264") as writer:
        stream = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.size:
                packet.stream = stream
                writer.mux(packet)
    bench.run("register", "cut")
    out = tmp_path / "out"
    command = ["clips", str(bench.root), str(out)]
    assert cli.main(command, standalone_mode=False) == SOME_VIDEOS_FAILED
    printed = capsys.readouterr()
    assert "raw.ts, clip 0: " in printed.err
    assert "--exact" in printed.err
    assert "without 1 clip" in printed.out
    assert [path.name for path in out.glob("*.m*")] == [path.name for path in out.glob("film*")]
    exact = [*command[:2], str(tmp_path / "exact"), "--exact"]
    assert cli.main(exact, standalone_mode=False) == 0
    lengths = [len(list(decode(path))) for path in (tmp_path / "exact").glob("*.mp4")]
    assert lengths == [sum(SCENES)] * 2


def test_a_clip_whose_packets_are_refused_names_its_target(bench, film, tmp_path, monkeypatch):
    """No message names the folder that is used until all is written."""
    del film
    cut(bench)

    def refuse(packet, out, target):
        del packet, out
        raise MediaError(f"{target}: packets cannot be copied")

    monkeypatch.setattr("reelabel.media.spans._mux", refuse)
    said = []
    with pytest.raises(MediaError, match="--exact"):
        clips(bench.root, tmp_path / "out", on_message=said.append)
    (one,) = said
    assert f"{tmp_path / 'out'}/film-" in one


def test_without_clips_nothing_is_written(bench, film, tmp_path):
    """The error names the command that makes them."""
    del film
    with pytest.raises(MissingInput, match="reelabel cut"):
        clips(bench.root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(bench.rows(VIDEOS)) == 1


def test_names_of_a_table_that_are_no_videos_are_told_once(bench, film):
    """The videos that it does not name are taken whole, and the user learns why, in one line."""
    for name in ("other.mp4", "third.mp4"):
        shutil.copy(film, film.with_name(name))
        with film.with_name(name).open("ab") as file:
            file.write(name.encode())
    bench.run("register")
    spans = table(bench, "film.mp4,0,1", "othr.mp4,0,1")
    cut(bench, spans=spans)
    assert {row["origin"] for row in bench.rows(CLIPS)} == {"user", "whole"}
    bench.configure(cut={"spans": spans, "min_length_s": 0.5})
    shown = CliRunner().invoke(cli, ["cut", str(bench.root)]).output
    assert " ".join(shown.split()).count("not in this workspace: othr.mp4") == 1
