"""After a complete run: a file that is gone, and rounds that are left from before."""

from __future__ import annotations

import shutil

import pytest

import reelabel
from reelabel.tables import FRAMES
from reelabel.workspace.rounds import current_rounds, left_rounds

COLOURS = {"red": (190, 60, 60), "green": (60, 190, 60)}
TRAIN = "annotations/instances_train.json"
QUICK = {"train": {"student": "fake"}, "evaluate": {"resamples": 10}}


@pytest.fixture(scope="module")
def discs(disc_clips, tmp_path_factory):
    """Return a folder with four clips of a disc, and one of their names."""
    folder = tmp_path_factory.mktemp("discs")
    for clip in disc_clips[:4]:
        shutil.copy(clip, folder)
    return folder, min(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def coloured(tmp_path_factory, make_textured_clip):
    """Return a folder with a folder of clips for each class, and the name of one of them."""
    home = tmp_path_factory.mktemp("coloured")
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(4):
            make_textured_clip(home / name / f"{name}{i}.mp4", colour, 10 * number + i)
    return home, "red/red0.mp4"


def boxes(root, footage, **settings):
    """Return a workspace that finds discs."""
    values = QUICK | {"advance": {"keep_going": True}} | settings
    return reelabel.init(
        root, classes=["disc"], videos=[footage], detector="fake:", settings=values
    )


def frames(root, footage):
    """Return a workspace that tells frames apart."""
    return reelabel.init(
        root,
        task="classify-frames",
        classes=list(COLOURS),
        videos=[footage],
        tags="folders",
        settings=QUICK | {"sample": {"per_video": 4}},
    )


def results(workspace):
    """Return every data set, score and decision of all rounds."""
    files = [
        path
        for number in workspace.rounds()
        for path in [
            *(workspace.round_dir(number) / "dataset").glob("*.json"),
            *workspace.round_dir(number).glob("*.json"),
        ]
    ]
    return {str(path.relative_to(workspace.root)): path.read_bytes() for path in files}


@pytest.mark.parametrize(("begin", "footage"), [(boxes, "discs"), (frames, "coloured")])
def test_what_is_made_has_nothing_of_a_file_that_is_gone(begin, footage, tmp_path, request):
    """Labels, data sets, scores, decisions, exports are those of a workspace that never had it."""
    source, name = request.getfixturevalue(footage)
    mine, fewer = tmp_path / "mine", tmp_path / "fewer"
    shutil.copytree(source, mine)
    shutil.copytree(source, fewer)
    (fewer / name).unlink()
    workspace = begin(tmp_path / "w", mine)
    reelabel.run(workspace, rounds=1)
    (lost,) = {v.video_id for v in workspace.videos() if v.path == mine / name}
    (mine / name).unlink()
    found = reelabel.run(workspace, rounds=1)
    other = begin(tmp_path / "other", fewer)
    expected = reelabel.run(other, rounds=1)
    assert found.exit_code == 1, "the file is named as failed"
    assert lost in workspace.shards(FRAMES), "what was made of it stays"
    assert found.labels == expected.labels
    assert results(workspace) == results(other)
    out = reelabel.export(workspace, tmp_path / "out")
    assert not [path for path in tmp_path.joinpath("out").rglob("*") if lost in path.name], out


def test_rounds_left_from_before_are_used_nowhere(discs, tmp_path):
    """After a round that decides to stop, later ones of an earlier run are not shown or used."""
    workspace = boxes(tmp_path / "w", discs[0])
    reelabel.run(workspace)
    assert current_rounds(workspace) == [0, 1]
    text = workspace.config_path.read_text()
    none_counts = "min_labels: 100000\n  min_objects: 100000"
    workspace.config_path.write_text(text.replace("keep_going: true", none_counts))
    decision = reelabel.run(workspace).decision
    assert decision.action == "stop", decision
    assert (current_rounds(workspace), left_rounds(workspace)) == ([0], [1])
    assert {one.round_number for one in reelabel.status(workspace)} == {None, 0}
    assert reelabel.report(workspace) == workspace.round_dir(0) / "report.html"
    exported = [tmp_path / name for name in ("last", "0", "1")]
    for folder, number in zip(exported, (None, 0, 1), strict=True):
        reelabel.export(workspace, folder, round=number)
    last, *each = ((folder / TRAIN).read_bytes() for folder in exported)
    assert last == each[0] != each[1], "what is asked for by its number is still there"
    shown = reelabel.show(workspace, pictures=1, quiet=True)
    assert {one.movie.parent.parent for one in shown} == {workspace.round_dir(0)}
