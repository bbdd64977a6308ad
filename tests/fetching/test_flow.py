"""From a manifest of addresses to a student, in one run."""

from __future__ import annotations

import reelabel
from reelabel.tables import CLIPS, DOWNLOADS, TAGS, VIDEOS
from reelabel.verbs.init import init
from reelabel.workspace import Workspace

COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40)}
QUICK = {
    "train": {"student": "fake"},
    "evaluate": {"resamples": 10},
    "fetch": {"allow": "127.0.0.1/32", "politeness": {"host_interval_s": 0}},
}


def rows_of(root, table):
    """Return all rows of a table."""
    ws = Workspace(root)
    return [row for key in ws.shards(table) for row in ws.read(table, key).to_pylist()]


def manifest(server, ranged, classes, home):
    """Serve clips and write a list of their addresses, one of them dead; return the list."""
    lines = ["url,label,start,end,licence"]
    for clip, name in classes.items():
        address = server.add(f"/{clip.name}", ranged(clip.read_bytes()))
        lines.append(f"{address},{name},0,0.6,CC0")
    lines.append(f"{server.url('/gone.mp4')},{next(iter(classes.values()))},,,")
    (home / "list.csv").write_text("\n".join(lines) + "\n")
    return home / "list.csv"


def test_a_detector_is_trained_from_a_list_of_addresses(server, ranged, disc_clips, tmp_path):
    """Fetch, cut, label, train: the span is the clip, origin and licence are kept."""
    listed = manifest(server, ranged, dict.fromkeys(disc_clips[:3], "disc"), tmp_path)
    root = tmp_path / "ws"
    init(root, manifest=("urls", listed), detector="fake:", settings=QUICK)
    done = reelabel.run(root, rounds=1, quiet=True)
    assert done.exit_code == 1  # one address is dead
    outcomes = sorted(row["outcome"] for row in rows_of(root, DOWNLOADS))
    assert outcomes == ["fetched"] * 3 + ["removed"]
    videos = rows_of(root, VIDEOS)
    assert {row["licence"] for row in videos} == {"CC0"}
    assert {row["origin"] for row in videos} == {server.url(f"/{c.name}") for c in disc_clips[:3]}
    assert {row["origin"] for row in rows_of(root, CLIPS)} == {"manifest"}
    assert reelabel.run(root, rounds=1, quiet=True).exit_code == 1
    assert server.paths().count("/gone.mp4") == 1


def test_a_classifier_is_trained_from_a_list_of_addresses(
    server, ranged, make_textured_clip, tmp_path
):
    """The labels of the list are the classes and the tags, with their spans."""
    names = ["red", "red", "red", "green", "green", "green"]
    clips = [
        make_textured_clip(tmp_path / "clips" / f"{i}.mp4", COLOURS[name], seed=i)
        for i, name in enumerate(names)
    ]
    listed = manifest(server, ranged, dict(zip(clips, names, strict=True)), tmp_path)
    root = tmp_path / "ws"
    settings = QUICK | {"sample": {"per_video": 4}, "clean": {"contradicts": {"enabled": False}}}
    init(root, task="classify-frames", manifest=("urls", listed), settings=settings)
    reelabel.run(root, rounds=1, quiet=True)
    tags = rows_of(root, TAGS)
    assert sorted(row["category"] for row in tags) == sorted(names)
    assert (root / "rounds" / "0" / "scores.json").is_file()
