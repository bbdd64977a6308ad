"""The loop of classification on rendered footage: from tags to a decision, and what breaks it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import reelabel
from reelabel.cli.printing import short_sentence
from reelabel.engine.run import Result
from reelabel.errors import ConfigError, FormatError, ModelError, SplitError
from reelabel.models.callables import register_callable
from reelabel.models.classifiers.fake import FakeClassifier
from reelabel.models.classifiers.mapped import wanted_classes
from reelabel.tables import (
    CLASS_CANDIDATES,
    CLASS_LABELS,
    MOMENTS,
    PREDICTIONS,
    STUDENT_PREDICTIONS,
    TAGS,
)
from reelabel.verbs.class_models import find_classifier
from reelabel.views.class_score_rows import class_warnings
from reelabel.workspace.class_results import Calibration, ClassificationScores, TagQuality
from reelabel.workspace.results import SplitReport

COLOURS = {"red": (190, 60, 60), "green": (60, 190, 60)}
PER_CLASS = 6
QUICK = {"sample": {"per_video": 4}, "clean": {"contradicts": {"enabled": False}}}
"""Without probes, which take a second or more."""


@pytest.fixture(scope="module")
def footage(tmp_path_factory, make_textured_clip):
    """Return a folder with a folder of videos for each class."""
    home = tmp_path_factory.mktemp("footage")
    for number, (name, colour) in enumerate(COLOURS.items()):
        for i in range(PER_CLASS):
            make_textured_clip(home / name / f"{name}{i}.mp4", colour, 10 * number + i)
    return home


def workspace_of(root, footage, **changes):
    """Return a workspace that learns with the fake student."""
    given = {
        "classes": list(COLOURS),
        "videos": [footage],
        "tags": "folders",
        "task": "classify-frames",
        "settings": {**QUICK, "train": {"student": "fake"}},
    }
    return reelabel.init(root, **given | changes)


CLIPS = {
    "task": "classify-clips",
    "settings": {
        **QUICK,
        "window": {"frames": 3, "step_s": 0.2},
        "train": {"student": "fake"},
    },
}


def test_windows_stay_inside_the_clips_of_a_video(tmp_path, footage):
    """A video with two clips has windows in both and none across; other videos are as before."""
    (tmp_path / "spans.csv").write_text(
        "name,start_s,end_s\nred0.mp4,0,0.5\nred0.mp4,0.5,0.8\nred0.mp4,0.9,\n"
    )
    cut = {"cut": {"spans": str(tmp_path / "spans.csv")}}
    window = {"window": {"frames": 3, "step_s": 0.1, "mode": "dense"}}
    settings = CLIPS["settings"] | cut | window
    ws = workspace_of(tmp_path / "w", footage, **CLIPS | {"settings": settings})
    reelabel.run(ws, until="window")
    names = {video.name: video.video_id for video in ws.videos()}
    frames = {
        name: ws.read(MOMENTS, names[name])["frames"].to_pylist()
        for name in ("red0.mp4", "red1.mp4")
    }
    assert frames["red0.mp4"] == [[0, 1, 2], [5, 6, 7], [9, 10, 11]]
    assert frames["red1.mp4"] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


@pytest.mark.parametrize("changes", [{}, CLIPS], ids=["frames", "clips"])
def test_the_loop_learns_from_tags(tmp_path, footage, changes):
    """All stages run once, the student is right on held-out videos, a second run does nothing."""
    ws = workspace_of(tmp_path / "w", footage, **changes)
    done = reelabel.run(ws)
    assert done.exit_code == 0
    level = "clip" if changes else "frame"
    assert set(done.scores.agreement) == {level, "video"}
    student = done.scores.agreement["video"].models[0]
    assert student.scores.overall["top1"].value == 1.0
    assert done.decision.best == "round:0"
    assert "all videos have tags" in done.decision.reason
    assert not any(result.done for result in reelabel.run(ws).stages)
    assert {one.stage for one in reelabel.status(ws)} >= {"tag", "window", "classify", "clean"}


def test_windows_lie_in_one_video_with_their_pictures(tmp_path, footage):
    """Each moment of a clip workspace names as many written pictures as a window has."""
    ws = workspace_of(tmp_path / "w", footage, **CLIPS)
    reelabel.run(ws, until="window")
    for video_id in ws.shards(MOMENTS):
        for row in ws.read(MOMENTS, video_id).to_pylist():
            assert len(row["pictures"]) == len(row["frames"]) == 3
            assert all((ws.root / name).is_file() for name in row["pictures"])
            assert all(video_id in name for name in row["pictures"])
            assert row["frames"] == sorted(row["frames"])


def test_no_video_is_on_two_sides(tmp_path, footage):
    """The split is by video, leak-free, with every class on the training side."""
    ws = workspace_of(tmp_path / "w", footage)
    reelabel.run(ws, until="split")
    report = SplitReport.load(ws.round_dir(0))
    assert report.leak_free
    assert all(len(sides) == 1 for sides in report.videos.values())
    assert all(report.sides["train"].classes.values())
    assert report.sides["val"].images


def test_untagged_videos_are_labelled_by_the_student_of_the_round_before(tmp_path, footage):
    """Two videos without a tag: round 1 has labels of the teacher for them, and the tags stay."""
    tags = tmp_path / "tags.csv"
    rows = [
        f"{name}{i}.mp4,{name}"
        for name in COLOURS
        for i in range(PER_CLASS)
        if (name, i) != ("red", 5)
    ]
    tags.write_text("\n".join(["video,class", *rows]))
    ws = workspace_of(tmp_path / "w", footage, tags=tags)
    done = reelabel.run(ws, rounds=2)
    (untagged,) = [v for v in ws.shards(TAGS) if not len(ws.read(TAGS, v))]
    assert len(ws.read(CLASS_LABELS, untagged, 0)) == 0
    labels = ws.read(CLASS_LABELS, untagged, 1).to_pylist()
    assert {(row["category"], row["origin"], row["state"]) for row in labels} == {
        ("red", "teacher", "positive")
    }
    assert len(ws.read(PREDICTIONS, untagged, 1))
    assert done.round == 1
    assert {m.name for m in done.scores.agreement["video"].models} == {"teacher", "student"}


def test_truth_is_scored_apart_and_never_trained_on(tmp_path, footage):
    """Test videos with a truth file: scores on them, and no label of theirs in the data set."""
    truth = tmp_path / "truth.csv"
    truth.write_text("video,class\nred5.mp4,red\ngreen5.mp4,green\n")
    test = [footage / "red" / "red5.mp4", footage / "green" / "green5.mp4"]
    videos = [p for p in sorted(footage.rglob("*.mp4")) if p not in test]
    ws = workspace_of(tmp_path / "w", footage, videos=videos, test_videos=test, truth=truth)
    reelabel.run(ws)
    scores = ClassificationScores.load(ws.round_dir(0))
    assert scores.truth["video"].moments == scores.truth_unseen["video"].moments == 2
    ids = {v.video_id for v in ws.videos() if v.is_test}
    assert not ids & set(ws.shards(CLASS_CANDIDATES))


@pytest.mark.parametrize(("least", "by"), [(1, "truth"), (12, "agreement")])
def test_videos_that_were_trained_on_decide_nothing(tmp_path, footage, least, by):
    """Truth of all videos counts only where it is of unseen ones, in number and in figures."""
    truth = tmp_path / "truth.csv"
    names = [(f"{name}{i}.mp4", name) for name in COLOURS for i in range(PER_CLASS)]
    truth.write_text("\n".join(["video,class", *(",".join(one) for one in names)]))
    settings = {**QUICK, "train": {"student": "fake"}, "advance": {"min_truth_videos": least}}
    done = reelabel.run(workspace_of(tmp_path / "w", footage, truth=truth, settings=settings))
    unseen = done.scores.truth_unseen["video"].moments
    assert 0 < unseen < len(names) == done.scores.truth["video"].moments
    assert done.decision.by == by
    assert (f"on {unseen} unseen video" in done.decision.reason) == (by == "truth")


@pytest.mark.parametrize("stated", [False, True])
def test_truth_without_a_wrong_class_gives_no_average_precision(tmp_path, footage, stated):
    """Any order of moments that are all right has 1, which tells nothing: it is named instead."""
    videos = [(name, f"{name}{i}.mp4") for name in COLOURS for i in range(PER_CLASS)]
    truth, tags = tmp_path / "truth.csv", tmp_path / "tags.csv"
    tags.write_text("\n".join(["video,class", *(f"{video},{name}" for name, video in videos)]))
    if stated:
        heads = ",".join(f"class:{name}" for name in COLOURS)
        right = (
            ",".join([video, *(str(int(name == own)) for name in COLOURS)]) for own, video in videos
        )
        truth.write_text("\n".join([f"video,{heads}", *right]))
    else:
        truth.write_text(tags.read_text())
    ws = workspace_of(tmp_path / "w", footage, tags=tags, truth=truth, multi_label=True)
    scores = reelabel.run(ws, rounds=1).scores
    figure = scores.truth["video"].models[-1].scores.overall["map"]
    warnings = [one for one in class_warnings(ws, 0) if "average precision" in one]
    assert (figure.value is not None) == stated
    assert len(warnings) == (not stated)
    assert all(name in one for one in warnings for name in COLOURS)


def test_several_classes_may_be_right(tmp_path, footage):
    """Multi-label: a class that no tag names is claimed not to be right, and mAP is scored."""
    tags = tmp_path / "tags.csv"
    rows = [f"{name}{i}.mp4,{name};moving" for name in COLOURS for i in range(PER_CLASS)]
    rows[0] = "red0.mp4,none"
    tags.write_text("\n".join(["video,class", *rows]))
    ws = workspace_of(
        tmp_path / "w", footage, classes=[*COLOURS, "moving"], tags=tags, multi_label=True
    )
    done = reelabel.run(ws)
    assert "map" in done.scores.agreement["video"].models[0].scores.overall
    assert TagQuality.load(ws.round_dir(0)).leak_test is None
    first = next(v.video_id for v in ws.videos() if v.name == "red0.mp4")
    claims = {(r["category"], r["claim"]) for r in ws.read(CLASS_LABELS, first).to_pylist()}
    assert claims == {("red", "is_not"), ("green", "is_not"), ("moving", "is_not")}


def test_bad_tags_are_named_and_lose_nothing(tmp_path, footage):
    """A video under two classes, an unknown video and class: named; the rest is used."""
    tags = tmp_path / "tags.csv"
    rows = [f"{name}{i}.mp4,{name}" for name in COLOURS for i in range(PER_CLASS)]
    rows += ["red0.mp4,green", "nine.mp4,red", "red1.mp4,blue"]
    tags.write_text("\n".join(["video,class", *rows]))
    ws = workspace_of(tmp_path / "w", footage, tags=tags)
    done = reelabel.run(ws, until="tag")
    notes = next(r for r in done.stages if r.stage == "tag").notes["all"]
    text = " / ".join(notes["left_out"])
    assert notes["tagged"] == 2 * PER_CLASS - 1
    for part in ("red0.mp4", "nine.mp4", "'blue'"):
        assert part in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tags": None}, "expected weak labels"),
        ({"classes": ["red"]}, "expected two classes"),
        ({"detector": "motion"}, "'detector' is a setting of the task detect"),
        ({"task": "detect", "settings": {}}, "'tags' is a setting of the task classify"),
        ({"settings": {"track": {}}}, "unknown key 'track'"),
    ],
)
def test_settings_that_do_not_suit_the_task_are_refused(tmp_path, footage, changes, message):
    """At `init`, with what to do."""
    with pytest.raises(ConfigError, match=message):
        workspace_of(tmp_path / "w", footage, **changes)


def test_a_class_without_examples_is_an_error(tmp_path, footage):
    """The split names the class, and says what to do."""
    ws = workspace_of(tmp_path / "w", footage, classes=["red", "green", "blue"])
    with pytest.raises(SplitError, match=r"none of blue: add videos"):
        reelabel.run(ws)


def test_tags_that_name_nothing_are_an_error(tmp_path, footage):
    """No folder is called after a class."""
    ws = workspace_of(tmp_path / "w", footage, classes=["cat", "dog"])
    with pytest.raises(FormatError, match="none can be used"):
        reelabel.run(ws)


def test_other_scores_of_equal_predictions_reach_the_decision(tmp_path, footage):
    """What evaluation keeps as a table is the same; its scores are not, so the decision is anew."""
    ws = workspace_of(tmp_path / "w", footage)
    first = reelabel.run(ws, rounds=1)
    kept = {v: ws.read(STUDENT_PREDICTIONS, v) for v in ws.shards(STUDENT_PREDICTIONS)}
    assert {len(rows) % len(COLOURS) for rows in kept.values()} == {0}
    path = ws.config_path
    path.write_text(f"{path.read_text()}\nevaluate: {{beta: 3}}\n")
    again = reelabel.run(ws, rounds=1)
    assert [result.stage for result in again.stages if result.done] == ["evaluate", "advance"]
    assert again.scores != first.scores
    assert all(ws.read(STUDENT_PREDICTIONS, v) == rows for v, rows in kept.items())


def test_wrong_tags_and_foreign_frames_are_ignored(tmp_path, footage):
    """A video under the wrong class is doubted as a whole, a foreign stretch frame by frame."""
    tags = tmp_path / "tags.csv"
    names = {f"{name}{i}.mp4": name for name in COLOURS for i in range(PER_CLASS)}
    names["red0.mp4"] = "green"
    tags.write_text("\n".join(["video,class", *(f"{v},{c}" for v, c in names.items())]))
    settings = {"sample": {"per_video": 4}, "train": {"student": "fake"}}
    ws = workspace_of(tmp_path / "w", footage, tags=tags, settings=settings)
    reelabel.run(ws, rounds=1, until="clean")
    ids = {v.name: v.video_id for v in ws.videos()}
    wrong = ws.read(CLASS_CANDIDATES, ids["red0.mp4"]).to_pylist()
    assert {(row["state"], row["rule"], row["suggested"]) for row in wrong} == {
        ("ignore", "contradicts", "red")
    }
    assert all("probes" in row["reason"] for row in wrong)
    right = ws.read(CLASS_CANDIDATES, ids["red1.mp4"]).to_pylist()
    assert {row["state"] for row in right} == {"positive"}


def test_videos_that_the_teacher_fails_on_cost_no_other(tmp_path, footage, make_textured_clip):
    """Labels, training and scores go on without them, whether trained on or only evaluated on."""

    def colours(image):
        red, green, blue = image.reshape(-1, 3).mean(axis=0)
        share = red / (red + green) if blue < red + green - 60 else float("nan")
        return {"red": share, "green": 1 - share}

    shutil.copytree(footage, tmp_path / "f")
    for number, name in enumerate(("f/red/bad.mp4", "test/bad.mp4")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make_textured_clip(tmp_path / name, (20, 20, 220), 90 + number)
    shutil.copy(footage / "red" / "red0.mp4", tmp_path / "test" / "good.mp4")
    (tmp_path / "truth.csv").write_text("video,class\ntest/bad.mp4,red\ntest/good.mp4,red\n")
    ws = workspace_of(
        tmp_path / "w",
        tmp_path / "f",
        teacher=register_callable(colours),
        test_videos=[tmp_path / "test"],
        truth=tmp_path / "truth.csv",
    )
    done = reelabel.run(ws, rounds=1)
    names = {video.video_id: video.name for video in ws.videos()}
    failed = {names[v] for one in done.stages if one.stage == "classify" for v in one.failed}
    assert failed == {"bad.mp4"}
    labelled = {names[v] for v in ws.shards(CLASS_LABELS)}
    assert "bad.mp4" not in labelled
    assert len(labelled) == len(COLOURS) * PER_CLASS - 1  # one is a test video
    assert done.scores.truth["video"].moments == 1


def test_a_teacher_that_leaves_probability_over_labels_and_is_scored(
    tmp_path, footage, monkeypatch
):
    """What it gives to other classes than the wanted ones is shared out for the scores."""
    teacher = wanted_classes(FakeClassifier(), tuple(COLOURS))  # of red, green and blue
    monkeypatch.setattr("reelabel.models.teacher.load_classifier", lambda *_, **__: teacher)
    ws = workspace_of(tmp_path / "w", footage, teacher="fake:")
    models = reelabel.run(ws, rounds=1).scores.agreement["video"].models
    assert {model.name: model.scores.overall["top1"].value for model in models} == {
        "teacher": 1,
        "student": 1,
    }


def test_boxes_are_not_imported_into_a_workspace_of_classes(tmp_path, footage):
    """A COCO file names no video by a class: it is refused by name, and nothing is stored."""
    ws, path = workspace_of(tmp_path / "w", footage), tmp_path / "boxes.json"
    path.write_text('{"images": [], "annotations": [], "categories": [{"id": 1, "name": "red"}]}')
    with pytest.raises(FormatError, match=r"boxes.json: expected rows with a video and its class"):
        reelabel.import_labels(ws, path)
    assert not (ws.root / "imports").exists()


def test_odd_and_broken_pictures_stop_nothing(tmp_path):
    """Grey, transparent and CMYK pictures are judged; one that is damaged is named."""
    from PIL import Image  # noqa: PLC0415 -- for one test

    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "f" / name).mkdir(parents=True)
        for i, (mode, suffix) in enumerate([
            ("RGB", "png"),
            ("L", "jpg"),
            ("RGBA", "png"),
            ("CMYK", "jpg"),
            ("RGB", "jpg"),
            ("LA", "png"),
        ]):
            ground = rng.integers(-25, 25, (4, 6, 1)).repeat(12, axis=0).repeat(12, axis=1)
            pixels = np.clip(np.array(colour) + ground, 0, 255)
            picture = Image.fromarray(pixels.astype(np.uint8)).convert(mode)
            picture.save(tmp_path / "f" / name / f"{i}.{suffix}")
    (tmp_path / "f" / "red" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    settings = {"dedup": {"enabled": False}}
    ws = workspace_of(tmp_path / "w", tmp_path / "f", settings=settings)
    done = reelabel.run(ws, rounds=1, until="window")
    assert done.exit_code == 1
    assert sum(len(ws.read(MOMENTS, v)) for v in ws.shards(MOMENTS)) == 12
    failed = {v.name for v in ws.videos() if not v.usable}
    assert failed == {"broken.jpg"}


def test_the_temperature_lies_with_the_student(tmp_path, footage):
    """Evaluation writes it, and again where it is gone; training is never stale for it."""
    ws = workspace_of(tmp_path / "w", footage)
    scores = reelabel.run(ws, rounds=1).scores
    home = ws.round_dir(0)
    found = Calibration.load(home)
    assert found.temperature == scores.temperature is not None

    def done():
        return [one.stage for one in reelabel.run(ws, rounds=1).stages if one.done]

    assert done() == []
    reelabel.train(ws, round=0, force=True)
    assert done() == ["evaluate"]  # the new training has emptied the folder
    (home / Calibration.FILE).unlink()
    with pytest.raises(ModelError, match="reelabel evaluate"):
        find_classifier(ws)
    assert done() == ["evaluate"]
    assert Calibration.load(home) == found
    shutil.copytree(home / "model", tmp_path / "copy")
    for model in (ws, home / "model", tmp_path / "copy", f"student:{tmp_path}/copy"):
        assert find_classifier(model).temperature == found.temperature


def test_scores_and_comparisons_are_of_the_same_probabilities(tmp_path, footage):
    """The student's figures in a run are those that `compare` finds, calibrated both."""
    truth, tags = tmp_path / "truth.csv", tmp_path / "tags.csv"
    names = {f"{name}{i}.mp4": name for name in COLOURS for i in range(PER_CLASS)}
    lines = [f"{video},{name}" for video, name in names.items()]
    truth.write_text("\n".join(["video,class", *lines]))
    # Some tags are wrong, so that there are mistakes to fit a temperature on.
    tagged = [f"{video},{list(COLOURS)[i % 3 != 0]}" for i, video in enumerate(names)]
    tags.write_text("\n".join(["video,class", *tagged]))
    ws = workspace_of(tmp_path / "w", footage, truth=truth, tags=tags)
    scores = reelabel.run(ws, rounds=1).scores
    assert scores.temperature != 1
    unseen = scores.truth_unseen["video"]
    compared = reelabel.compare([ws], on=ws, level="video").levels["video"]
    for name in ("brier", "macro_recall"):
        one, other = (c.models[-1].scores.overall[name].value for c in (unseen, compared))
        assert other == pytest.approx(one, abs=0.01), name


@pytest.mark.parametrize(
    ("short", "words"),
    [("pad", "12 of 12 windows in shots"), ("skip", "12 videos without a window"), ("", "")],
)
def test_shots_shorter_than_a_window_are_named(tmp_path, footage, short, words):
    """With how many windows repeat a picture, or videos have none; nothing where all are whole."""
    window = {"frames": 64, "step_s": 0.1, "short": short} if short else {"frames": 3}
    ws = workspace_of(tmp_path / "w", footage, **CLIPS | {"settings": {**QUICK, "window": window}})
    reelabel.run(ws, until="window")
    notes = {key: dict(receipt.notes) for key, receipt in ws.receipts(MOMENTS).items()}
    said = short_sentence(Result("window", 0, notes=notes))
    assert said.startswith(words)
    assert bool(said) == said.endswith("window.short decides") == bool(words)
