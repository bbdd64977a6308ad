"""What `status` states of work that is no longer up to date: why, and what rests on it."""

from __future__ import annotations

import shutil

import pytest
import yaml

import reelabel as api

SETTINGS = {
    "sample": {"every": 4},
    "train": {"student": "fake"},
    "tune": {"input": "own"},
    "advance": {"keep_going": True},
}


@pytest.fixture(scope="module")
def finished(disc_clips, tmp_path_factory):
    """Return a workspace in which two rounds were run."""
    folder = tmp_path_factory.mktemp("status")
    (folder / "footage").mkdir()
    for clip in disc_clips[:3]:
        shutil.copy(clip, folder / "footage")
    workspace = api.init(
        folder / "w",
        classes=["disc"],
        videos=[folder / "footage"],
        detector="fake:",
        settings=SETTINGS,
    )
    api.run(workspace, quiet=True)
    return workspace


@pytest.fixture
def workspace(finished, tmp_path):
    """Return a copy of that workspace."""
    shutil.copytree(finished.root, tmp_path / "w")
    return type(finished)(tmp_path / "w")


def change(workspace, **changes):
    """Change settings in the file."""
    values = yaml.safe_load(workspace.config_path.read_text())
    for name, value in changes.items():
        values[name] = {**values.get(name, {}), **value} if isinstance(value, dict) else value
    workspace.config_path.write_text(yaml.safe_dump(values))


def stages(workspace):
    """Return the status of each stage by name and round."""
    return {(one.stage, one.round_number): one for one in api.status(workspace)}


def test_what_is_up_to_date_waits_for_nothing(finished):
    """After a run no stage has a reason, and none rests on another that is to be done."""
    assert finished.rounds() == [0, 1]
    assert {one.rests_on for one in stages(finished).values()} == {""}
    assert {one.stale for one in stages(finished).values()} == {()}


def test_a_changed_setting_is_named_with_both_values(workspace, reelabel):
    """Train is stale because of its key; what rests on it waits, what does not is done."""
    change(workspace, train={"max_steps": 30})
    found = stages(workspace)
    (reason,) = found["train", 0].stale
    assert reason.startswith("settings: max_steps ")
    assert reason.endswith(" -> 30")
    assert found["split", 0].rests_on == found["train", 0].rests_on == ""
    assert found["evaluate", 0].rests_on == found["advance", 0].rests_on == "train"
    assert found["clean", 1].rests_on == found["evaluate", 1].rests_on == "train of round 0"
    _, out, _ = reelabel("status", workspace.root)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert f"train 0 1 {reason}" in lines
    assert "evaluate 0 1 waits for train" in lines
    api.run(workspace, quiet=True)
    assert not any(one.stale or one.rests_on for one in stages(workspace).values())


def test_settings_of_the_project_are_named(workspace):
    """A stage names the key of the project that it depends on, for every video once."""
    change(workspace, class_map={"blob": "disc"})
    found = stages(workspace)["detect", 0]
    assert found.units == {"stale": 3}
    assert found.stale == ("settings: class_map.blob None -> disc",)


def test_a_stage_that_reads_what_was_made_again_states_so(workspace):
    """After one stage alone was done anew, the next ones name its table or state what they read."""
    change(workspace, clean={"score": 0.99})
    api.clean(workspace, round=0, quiet=True)
    found = stages(workspace)
    assert found["clean", 0].stale == ()
    assert found["merge", 0].stale == ("what it reads was made again",)
    api.merge(workspace, round=0, quiet=True)
    assert found["split", 0].rests_on == "merge"
    assert stages(workspace)["split", 0].stale == ("tables: labels of round 0",)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"notes": [1]}', '{"notes": [{"basis": 3}]}'])
def test_a_damaged_note_costs_the_reason_alone(workspace, text):
    """The state stays what it is."""
    workspace.basis_path("train", 0).write_text(text)
    assert stages(workspace)["train", 0].units == {"done": 1}
    change(workspace, train={"max_steps": 30})
    found = stages(workspace)["train", 0]
    assert found.units == {"stale": 1}
    assert found.stale == ("made by an earlier version, which did not note from what",)


@pytest.mark.parametrize("change_footage", ["add", "remove", "replace"])
def test_footage_that_changed_is_named(workspace, disc_clips, tmp_path, change_footage):
    """What makes `register` stale is the footage, and no model; the stages behind wait for it."""
    folder = tmp_path / "footage"
    shutil.copytree(yaml.safe_load(workspace.config_path.read_text())["videos"][0], folder)
    change(workspace, videos=[str(folder)])
    api.register(workspace, quiet=True)
    first, *_ = sorted(folder.iterdir())
    if change_footage == "add":
        shutil.copy(disc_clips[3], folder)
    elif change_footage == "remove":
        first.unlink()
    else:
        shutil.copy(disc_clips[3], first)
    found = stages(workspace)
    assert found["register", None].units == {"stale": 1}
    assert found["register", None].stale == ("the footage: a file was added, removed or changed",)
    assert found["cut", None].rests_on == "register"


def test_a_video_that_is_added_leaves_others_up_to_date(workspace, disc_clips):
    """Stages wait for what is missing, and no reason is given for what is not stale."""
    videos = yaml.safe_load(workspace.config_path.read_text())["videos"]
    change(workspace, videos=[*videos, str(disc_clips[3])])
    api.register(workspace, quiet=True)
    found = stages(workspace)
    assert found["sample", None].units == {"done": 3, "missing": 1}
    assert found["sample", None].stale == ()
    assert found["clean", 0].rests_on == "cut"


def test_a_student_that_will_be_trained_anew_is_no_reason_to_wait(workspace):
    """With other classes the stages of the old student wait for the stage that is to be done."""
    change(workspace, classes=["disc", "other"], detector="fake:")
    found = stages(workspace)
    assert {place: one.waits for place, one in found.items() if one.waits} == {}
    assert found["evaluate", 0].rests_on
    assert found["detect", 1].rests_on


def test_a_function_that_run_was_given_can_be_given_to_status(workspace):
    """With the same function all is up to date; without it the reason names it."""

    def finder(image):
        return [[1, 1, 9, 9, 0.9, 0]]

    change(workspace, detector="none")
    api.run(workspace, detector=finder, rounds=1, until="clean", quiet=True)
    made = [one for one in api.status(workspace, detector=finder) if one.stage == "clean"]
    assert made[0].units == {"done": 3}
    reasons = stages(workspace)["clean", 0].stale
    assert any("a function that run was given" in why for why in reasons)


def test_settings_that_run_was_given_can_be_given_to_status(workspace):
    """What was made with settings of one run is judged by them."""
    changes = {"clean": {"score": 0.4}}
    api.run(workspace, settings=changes, rounds=1, until="clean", quiet=True)
    assert "stale" in stages(workspace)["clean", 0].units
    found = {(one.stage, one.round_number): one for one in api.status(workspace, settings=changes)}
    assert found["clean", 0].units == {"done": 3}
