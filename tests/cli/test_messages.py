"""What messages suggest: the name that was meant, or nothing; never a wrong one."""

from __future__ import annotations

import re
from typing import Literal, get_args, get_origin

import pytest

from reelabel.cli.flags import Values, WholeNumber, nested
from reelabel.cli.setting_names import leaves
from reelabel.config import checked
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.errors import FormatError, ModelError
from reelabel.formats.pictures import EXPORT_MARK
from reelabel.formats.registry import detect_format
from reelabel.models.detectors.fake import FakeDetector, FakeOptions
from reelabel.models.detectors.mapped import wanted_only
from reelabel.models.registry import load_detector
from reelabel.stages.sample import SampleSettings
from reelabel.verbs.init import init


@pytest.fixture
def workspace(disc_clips, tmp_path):
    """Return a workspace on two clips, on which nothing was done."""
    return init(tmp_path / "w", classes=["disc"], videos=disc_clips[:2], detector="fake:")


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--model", ""),
        ("--xyz", ""),
        ("--video", " (did you mean '--videos'?)"),
        ("--detectr", " (did you mean '--detector'?)"),
    ],
)
def test_an_unknown_flag_is_compared_without_its_dashes(reelabel, flag, hint):
    """A flag that only shares dashes and a letter with another is not suggested."""
    code, _, err = reelabel("init", "w", flag, "x")
    assert code == 2
    assert err.rstrip().rstrip(".").endswith(f"No such option '{flag}'{hint}")


@pytest.mark.parametrize(
    ("key", "hint"),
    [("max_steps", "'train.max_steps'"), ("workers", "'engine.workers'"), ("qqq", None)],
)
def test_a_key_outside_its_section_is_found_there(reelabel, workspace, key, hint):
    """`--set max_steps` names the section whose key it is."""
    code, _, err = reelabel("run", workspace.root, "--set", f"{key}=3")
    assert (code, "did you mean" in err) == (2, hint is not None)
    assert f"unknown key '{key}'" in err
    assert hint is None or f"(did you mean {hint}?)" in err


def test_a_key_of_several_sections_names_them_all(reelabel, disc_clips, tmp_path):
    """Each section that has the key is named, and the command once."""
    flags = ("--classes", "disc", "--detector", "fake:", "--videos", disc_clips[0])
    _, _, err = reelabel("init", tmp_path / "w", *flags, "--set", "score=3")
    assert err.startswith("reelabel init: unknown key 'score'")
    assert "'clean.score'" in err


def test_a_hint_ends_without_doubled_marks_and_lists_few_names():
    """Of eighty classes eight are listed and the others counted."""
    names = tuple(f"class {i}" for i in range(80))
    detector = FakeDetector(names, FakeOptions(), "fake:")
    with pytest.raises(ModelError) as caught:
        wanted_only(detector, ["class 7x"])
    assert "(did you mean 'class 7'?): name one" in str(caught.value)
    assert str(caught.value).endswith("class 7 and 72 more")
    assert not re.search(r"\?[.;:]", str(caught.value))


def test_detectors_that_only_the_program_names_are_not_listed():
    """The list holds released weights and kinds that people can write."""
    with pytest.raises(ModelError) as caught:
        load_detector("yolov8n")
    listed = str(caught.value).partition("detectors: ")[2].split(", ")
    assert {"yolox-nano", "motion", "none", "onnx:...", "hf:..."} <= set(listed)
    assert not {"callable", "fake", "round", "start"} & {name.partition(":")[0] for name in listed}
    with pytest.raises(ModelError, match="did you mean 'yolox-nano'"):
        load_detector("yoloxnano")


@pytest.mark.parametrize("text", ["hello\n", "hello, world\n", "0 0.5 0.5 0.1 0.1\n"])
def test_text_that_is_no_format_is_called_so(tmp_path, text):
    """A text is read as detections or MOT only if it begins as these do."""
    path = tmp_path / "a.txt"
    path.write_text(text)
    with pytest.raises(FormatError, match="its content is of none"):
        detect_format(path)


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("FRAME NUMBER: 1\n0\n", "detections-txt"),
        ("\n1\n0\n", "detections-txt"),
        ("1,-1,10,20,30,40,1\n", "mot"),
        ("1, 2, 10.5, 2e1, 30, 40\n", "mot"),
    ],
)
def test_texts_are_recognised_by_their_first_line(tmp_path, text, format_):
    """Headers with and without words, and rows of numbers with commas."""
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert detect_format(path) == format_


def test_a_full_folder_is_called_what_it_is(reelabel, workspace, tmp_path):
    """An earlier export can be replaced, other files never; the message states which it is."""
    other, earlier = tmp_path / "other", tmp_path / "earlier"
    for folder, name in ((other, "notes.txt"), (earlier, EXPORT_MARK)):
        folder.mkdir()
        (folder / name).write_text("x")
    assert (
        "earlier export: replace it with --overwrite"
        in reelabel("export", workspace.root, earlier)[2]
    )
    assert "--overwrite" not in reelabel("export", workspace.root, other)[2]
    told = reelabel("export", workspace.root, other, "--overwrite")[2]
    assert f"{other} holds files that are no earlier export: name another" in told


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        ("seed=true", "expected no truth value, but got True"),
        ("seed=190:20:30", "got '190:20:30'"),
        ("seed=0x" + "f" * 5000, "got a whole number of 20000 bits"),
        ("classes=null", "got None"),
        ("sample..every=3", "expected --set section.key=value, got 'sample..every=3'"),
        ("=3", "expected --set section.key=value"),
    ],
    ids=lambda text: text[:20],
)
def test_a_value_that_nobody_means_is_refused_by_its_text(reelabel, workspace, pair, complaint):
    """The message names what came; nothing is taken for something else without a word."""
    code, _, err = reelabel("run", workspace.root, "--set", pair)
    assert code == 2
    assert complaint in err


@pytest.mark.parametrize("text", ["2.0", "2.5", "1e1", "two", "0b2", "true", "5 6"])
def test_a_flag_and_a_setting_refuse_the_same_numbers(reelabel, workspace, text):
    """What is no whole number for `--every` is none for `--set sample.every`, and the other way."""
    for call in (("sample", "--every", text), ("run", "--set", f"sample.every={text}")):
        code, out, err = reelabel(call[0], workspace.root, *call[1:])
        assert (code, out) == (2, "")
        assert text in err or text.title() in err


@pytest.mark.parametrize(
    ("text", "number"), [("7", 7), ("0x1f", 31), ("010", 10), ("1_000", 1000), ("+3", 3)]
)
def test_a_flag_and_a_setting_take_the_same_numbers(text, number):
    """Numbers are those of `reelabel.yaml`."""
    assert WholeNumber().convert(text, None, None) == number
    values = nested([f"sample.every={text}"], {"sample": SampleSettings})["sample"]
    assert checked(SampleSettings, values, "flags").every == number


def _lists():
    """Yield section, path, item and settings type of each setting that is a list, of any task."""
    flows = [task_named(task).flow.items() for task in BUILT_IN]
    for section, stage in (item for flow in flows for item in flow):
        for path, info in leaves(stage.settings):
            if get_origin(info.annotation) is tuple:
                yield section, path, info, stage.settings


@pytest.mark.parametrize("comma", [",", ", "])
def test_several_values_with_commas_are_a_list_for_a_flag_and_for_set(comma):
    """Of all settings that are lists: ``train.loggers=a,b``, ``--loggers a,b`` and ``[a, b]``."""
    found = list(_lists())
    assert {"loggers", "size", "use_evidence"} <= {path[-1] for _, path, *_ in found}
    for section, path, info, kind in found:
        kinds = [each for each in get_args(info.annotation) if each is not ...]
        items = (list(get_args(kinds[0])) if get_origin(kinds[0]) is Literal else ["7", "9"])[:2]
        text, name = comma.join(items), ".".join((section, *path))
        by_flag = Values(kinds[0]).convert(text, None, None)
        for given in (text, f"[{', '.join(items)}]"):
            value = nested([f"{name}={given}"], {section: kind})[section]
            for each in path:
                value = value[each]
            assert value == by_flag, name
        assert len(by_flag) == 2
