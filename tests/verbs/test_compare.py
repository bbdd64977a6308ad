"""compare: classifiers on the same videos, which none was trained on."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

import reelabel as api
from reelabel.errors import FormatError, MediaError, ModelError, UsageError
from reelabel.models.base import Window
from reelabel.models.classifiers.fake import FakeClassifier, FakeOptions
from reelabel.models.classifiers.mapped import leaves_a_rest, wanted_classes
from reelabel.models.joint import JointClassifier
from reelabel.tables import CLASS_TRUTH
from reelabel.verbs import class_models, compare_predictions
from reelabel.verbs.compare import compare
from reelabel.verbs.compare_truth import KnownVideos, known_videos
from reelabel.workspace.class_results import ModelComparison
from reelabel.workspace.results import SplitReport

COLOURS = ("red", "green", "blue")


class Guess:
    """A classifier that draws its answers, whatever it is shown."""

    def __init__(self, classes=COLOURS, seed=0):
        self.classes, self.seed = classes, seed
        self.name, self.fingerprint = f"guess {seed}", str(seed)
        self.exclusive, self.frames, self.step_s = True, 1, 0.0
        self.fit_wh, self.batch_size = (16, 16), 3

    def open(self):
        """Return the function that draws."""
        rng = np.random.default_rng(self.seed)

        def classify(windows: list[Window]):
            assert all(picture.shape[0] <= 96 for window in windows for picture in window)
            return rng.dirichlet(np.ones(len(self.classes)), len(windows)).astype(np.float32)

        return classify


@pytest.fixture
def models(monkeypatch):
    """Return a function that makes names stand for given classifiers."""

    def name(**known):
        def load(spec, **_):
            return known[spec.partition(":")[2]]

        monkeypatch.setattr(class_models, "load_classifier", load)
        return [f"fake:{key}" for key in known]

    return name


@pytest.fixture(scope="session")
def footage(make_colour_clip, tmp_path_factory):
    """Return a folder of twelve clips of one colour each, and a CSV of their classes."""
    home = tmp_path_factory.mktemp("colours")
    rows = ["video,class"]
    for i in range(12):
        colour = COLOURS[i % 3]
        make_colour_clip(home / "clips" / f"{colour}{i}.mp4", [(colour, 1.2 + i / 25)])
        rows.append(f"clips/{colour}{i}.mp4,{colour}")
    (home / "classes.csv").write_text("\n".join(rows))
    return home


def test_a_better_model_is_told_apart_from_chance(footage, models):
    """On twelve groups the model by colour beats one that draws, and two that draw are alike."""
    names = models(good=FakeClassifier(), bad=Guess(seed=1), worse=Guess(seed=2))
    found = compare(names, on=footage / "classes.csv", against="fake:bad")
    assert list(found.levels) == ["frame", "video"]
    for one in found.levels.values():
        assert one.against == "fake:bad"
        assert one.groups == 12
        assert one.difference("fake:good", "top1").is_better
        assert not one.difference("fake:worse", "top1").differs
        assert one.models[0].scores.overall["top1"].value == 1
    assert found.levels["frame"].moments == 24
    assert found.levels["video"].moments == 12


def test_frames_and_clips_meet_in_whole_videos(footage, models):
    """Models that judge different moments are compared on videos alone; levels say so."""
    clips = FakeClassifier(options=FakeOptions(frames=4, step_s=0.2))
    names = models(frames=FakeClassifier(), clips=clips)
    found = compare(names, on=footage / "classes.csv")
    assert list(found.levels) == ["video"]
    with pytest.raises(UsageError, match=r"frame is none: .*a frame every 1 s.*4 frames, 0\.2 s"):
        compare(names, on=footage / "classes.csv", level="frame")
    alone = compare(names[1:], on=footage / "classes.csv")
    assert list(alone.levels) == ["clip", "video"]
    only = compare(names[1:], on=footage / "classes.csv", level="clip")
    assert list(only.levels) == ["clip"]
    with pytest.raises(UsageError, match="frame is none"):
        compare(names[1:], on=footage / "classes.csv", level="frame")


def test_a_video_is_decoded_once_for_models_alike(footage, models, monkeypatch):
    """Models that judge the same frames share a pass; others have one of their own."""
    seen, usual = [], compare_predictions.video_moments

    def noted(path, *rest):
        seen.append(path)
        return usual(path, *rest)

    monkeypatch.setattr(compare_predictions, "video_moments", noted)
    clips = FakeClassifier(options=FakeOptions(frames=3, step_s=0.1))
    names = models(a=FakeClassifier(), b=Guess(), c=clips)
    compare(names, on=footage / "classes.csv")
    assert len(seen) == 2 * 12


def test_classes_of_all_models_are_columns(footage, models):
    """A class that a model does not have is one that it never predicts; more classes are wrong."""
    names = models(two=FakeClassifier(("red", "green")), four=FakeClassifier((*COLOURS, "red too")))
    found = compare(names, on=footage / "classes.csv", level="video")
    one = found.levels["video"]
    assert list(one.models[0].scores.classes) == ["red", "green", "blue", "red too"]
    assert one.models[0].scores.classes["blue"].recall.value == 0
    assert one.models[0].scores.overall["top1"].value == pytest.approx(2 / 3)


def test_a_model_that_leaves_probability_over_is_compared(footage, models):
    """Of a teacher with more classes than are wanted, the wanted ones share what it left over."""
    whole = FakeClassifier()
    left = wanted_classes(whole, COLOURS[:2])
    assert leaves_a_rest(left)
    assert not left.exclusive
    one = compare(models(whole=whole, left=left), on=footage / "classes.csv").levels["video"]
    assert [model.scores.exclusive for model in one.models] == [True, True]
    assert one.models[0].scores.overall["top1"].value == 1
    assert one.models[1].scores.overall["top1"].value == pytest.approx(2 / 3)


def test_models_must_have_classes_of_the_truth(footage, models):
    """A model of other classes, or of another kind of classes, is named."""
    with pytest.raises(UsageError, match=r"fake:b has cat, dog: name the classes alike"):
        compare(
            models(a=FakeClassifier(), b=FakeClassifier(("cat", "dog"))),
            on=footage / "classes.csv",
        )
    with pytest.raises(UsageError, match="fake:a give exactly one class and fake:b several"):
        compare(
            models(a=FakeClassifier(), b=FakeClassifier(exclusive=False)),
            on=footage / "classes.csv",
        )


def test_several_classes_are_compared_by_mean_ap(footage, models):
    """Where several classes may be right there is no accuracy."""
    names = models(a=FakeClassifier(exclusive=False), b=FakeClassifier(exclusive=False))
    one = compare(names, on=footage / "classes.csv").levels["video"]
    assert "top1" not in one.models[0].scores.overall
    assert "map" in one.models[0].scores.overall


def test_the_truth_may_be_of_spans(make_colour_clip, tmp_path, models):
    """Only moments in the span count; what is unknown is no mistake."""
    make_colour_clip(tmp_path / "a.mp4", [("red", 2), ("blue", 2)])
    make_colour_clip(tmp_path / "b.mp4", [("blue", 2)])
    (tmp_path / "c.csv").write_text("video,class,start,end\na.mp4,red,0,2\nb.mp4,blue,,\n")
    found = compare(models(a=FakeClassifier()), on=tmp_path / "c.csv")
    assert found.levels["frame"].moments == 4
    assert found.levels["video"].moments == 2
    assert found.levels["video"].models[0].scores.overall["top1"].value == 1


def test_a_file_finds_its_videos(footage, models, tmp_path):
    """By paths relative to itself, or in the folder that is named; what it names else is told."""
    names = models(a=FakeClassifier())
    shutil.copy(footage / "classes.csv", tmp_path / "moved.csv")
    with pytest.raises(FormatError, match=r"none can be used: .*not in this workspace"):
        compare(names, on=tmp_path / "moved.csv")
    found = compare(names, on=tmp_path / "moved.csv", videos=[footage / "clips"])
    assert found.levels["video"].moments == 12
    some = [footage / "clips" / "red0.mp4", footage / "clips" / "blue2.mp4"]
    told = []
    found = compare(names, on=tmp_path / "moved.csv", videos=some, on_message=told.append)
    assert found.levels["video"].moments == 2
    assert "not in this workspace" in told[0]
    assert list(found.notes) == told


def test_unreadable_videos_are_left_out_and_named(footage, models, tmp_path):
    """One damaged file costs one video; none readable is an error."""
    shutil.copytree(footage, tmp_path / "f")
    names = models(a=FakeClassifier())
    known = known_videos(tmp_path / "f" / "classes.csv", (), COLOURS, exclusive=True)
    (tmp_path / "f" / "clips" / "red0.mp4").write_bytes(b"gone")
    found = {"a": class_models.FoundClassifier("a", FakeClassifier())}
    done = compare_predictions.classify_known(found, known, quiet=True)
    assert len(np.unique(done.truth.moments.video)) == 11
    assert "1 video could not be read" in done.notes[0]
    first = KnownVideos([one for one in known.videos if one.video.name == "red0.mp4"])
    with pytest.raises(MediaError, match=r"no video has any: .*red0\.mp4"):
        compare_predictions.classify_known(found, first, quiet=True)
    for folder in ((), [tmp_path / "f" / "clips"]):
        again = compare(names, on=tmp_path / "f" / "classes.csv", videos=folder)
        assert again.levels["video"].moments == 11
        assert "1 file could not be read: " in again.notes[0]
        assert "red0.mp4" in again.notes[0]


@pytest.mark.parametrize("on", ["nothing", "folder"])
def test_what_holds_no_classes_is_refused(models, tmp_path, on):
    """Neither a workspace nor a file: the error says what would do."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="a workspace with people's classes, or a file"):
        compare(models(a=FakeClassifier()), on=tmp_path / on)


# -- workspaces ------------------------------------------------------------------------------------


def test_videos_that_were_trained_on_are_left_out(classes_copy):
    """Truth on a training video would flatter; it is named, and the test videos remain."""
    told = []
    root = classes_copy.root
    trained = SplitReport.load(classes_copy.round_dir(0)).trained
    known = set(classes_copy.shards(CLASS_TRUTH))
    assert trained & known
    found = compare([f"{root}@0", "fake:"], on=root, on_message=told.append)
    assert found.levels["video"].moments == len(known - trained)
    assert f"{len(trained & known)} videos left out that a model was trained on" in told[0]
    alone = compare(["fake:"], on=root)
    assert alone.levels["video"].moments == len(known) == 9


def test_without_a_fresh_video_there_is_no_comparison(classes_copy, tmp_path):
    """The error says why, and what would do."""
    trained = SplitReport.load(classes_copy.round_dir(0)).trained
    video = next(video for video in classes_copy.videos() if video.video_id in trained)
    (tmp_path / "c.csv").write_text(f"video,class\n{video.name},red\n")
    footage = video.path.parent
    with pytest.raises(UsageError, match=r"all 1 video were.*such as test videos"):
        compare([f"{classes_copy.root}@0"], on=tmp_path / "c.csv", videos=[footage])


def test_a_look_alike_of_a_training_video_is_left_out(classes_copy):
    """Videos of one group are no fresh footage."""
    known = known_videos(classes_copy, (), ("red", "green"), exclusive=True)
    first, second, *_ = known.videos
    grouped = KnownVideos([first, type(second)(second.video, second.rows, first.group)])
    with pytest.raises(UsageError, match="look like"):
        grouped.without({first.video.video_id})


def test_the_result_is_kept_with_the_last_round(classes_copy, tmp_path):
    """As JSON where it was asked for, and beside the round's scores for the report."""
    found = compare({"mine": classes_copy, "other": "fake:"}, on=classes_copy, json=tmp_path / "c")
    assert ModelComparison.load(classes_copy.round_dir(0)) == found
    assert json.loads((tmp_path / "c").read_text()) == json.loads(json.dumps(found.to_json()))
    assert [model.name for model in found.levels["video"].models] == ["mine", "other"]


def test_scores_follow_the_settings_of_the_workspace(classes_copy):
    """Resamples, thresholds and the like are those of its evaluation."""
    text = classes_copy.config_path.read_text().replace("resamples: 100", "resamples: 0")
    classes_copy.config_path.write_text(text)
    found = compare([classes_copy], on=classes_copy)
    assert found.levels["video"].models[0].scores.overall["top1"].low is None


def test_a_workspace_without_truth_is_refused(classes_copy):
    """Comparing on labels would be agreement; the error says what to give."""
    shutil.rmtree(classes_copy.root / "tables" / "class_truth")
    with pytest.raises(UsageError, match=r"set  truth  in reelabel\.yaml"):
        compare([classes_copy], on=classes_copy)


def test_only_some_videos_of_a_workspace(classes_copy):
    """Named files narrow the comparison."""
    test = next(video.path.parent for video in classes_copy.videos() if video.is_test)
    found = compare(["fake:"], on=classes_copy, videos=[test])
    assert found.levels["video"].moments == 4


def test_names_must_differ(classes_copy, models):
    """Ends of paths are names where they differ; the same model twice is refused."""
    root = classes_copy.root
    with pytest.raises(UsageError, match="different models"):
        compare([root, root], on=root)
    with pytest.raises(UsageError, match="different models to compare, but got none"):
        compare([], on=root)
    with pytest.raises(UsageError, match="expected one of w, fake: to compare with"):
        compare([root, "fake:"], on=root, against="v")
    with pytest.raises(ModelError, match="is no model"):
        compare([root, "no/model"], on=root)
    assert [model.name for model in compare([root], on=root).levels["video"].models] == ["w"]


def test_size_and_speed_are_measured(footage, models):
    """Every model has a speed on this machine; a file would have its size."""
    one = compare(models(a=FakeClassifier()), on=footage / "classes.csv").levels["video"]
    cost = one.models[0].cost
    assert (cost.parameters, cost.size_bytes) == (None, None)
    assert cost.speed.latency_s > 0
    assert cost.speed.frames == 1


# -- the command -----------------------------------------------------------------------------------


def test_the_command_prints_80_columns(classes_copy, reelabel, tmp_path):
    """A table per level, a sentence on each difference, and sizes; nothing is wider."""
    out = tmp_path / "c.json"
    root = classes_copy.root
    flags = ("--on", root, "--json", out, "--against", "fake:", "--quiet")
    code, said, err = reelabel("compare", root, f"{root}@0", "fake:", *flags)
    assert (code, err) == (0, "")
    assert re.search(r"\n\d whole videos in \d groups, classes that people gave\n", said)
    assert "is not told apart from fake::" in said or "than fake::" in said
    assert re.search(
        r"\nms a moment: one moment alone.*\nframes/s: .* in batches of [0-9 or]+ moments", said
    )
    lines = [line for line in said.splitlines() if "left out" not in line and str(out) not in line]
    assert max(map(len, (line.rstrip() for line in lines))) <= 80
    assert out.is_file()


def test_compare_is_public():
    """The function has the command's name."""
    assert api.compare is compare


def test_joint_classifiers_give_what_each_gives():
    """Columns side by side; pictures as large as the most demanding model wants them."""
    parts = [FakeClassifier(), Guess()]
    joint = JointClassifier(parts)
    windows = [[np.full((8, 8, 3), value, np.uint8)] for value in (10, 200)]
    rows = joint.open()(windows)
    for part, columns in zip(parts, joint.columns(), strict=True):
        np.testing.assert_array_equal(rows[:, columns], part.open()(windows))
    assert joint.fit_wh is None
    assert JointClassifier(parts[1:]).fit_wh == (16, 16)
    assert len(set(joint.classes)) == 6
    assert joint.batch_size == 3
