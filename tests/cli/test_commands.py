"""The command line: every command explains itself, and what is wrong is said in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import click
import pytest
import yaml
from pydantic import BaseModel

import reelabel as api
from reelabel.cli.commands import cli
from reelabel.cli.group import STAGES
from reelabel.config import parse
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.errors import ConfigError
from reelabel.pipeline import DETECT
from reelabel.tables import CANDIDATES, FRAMES
from reelabel.workspace import Workspace
from reelabel.yaml_text import read_yaml

COMMANDS = cli.list_commands(click.Context(cli))
QUICK = (
    "--set",
    "train.student=fake",
    "--set",
    "evaluate.resamples=10",
    "--set",
    "engine.workers=1",
)


@pytest.fixture
def footage(disc_clips, tmp_path):
    """Return a folder with two clips that a test may change."""
    folder = tmp_path / "footage"
    folder.mkdir()
    for clip in disc_clips[:2]:
        shutil.copy(clip, folder)
    return folder


@pytest.fixture
def begun(footage, tmp_path, reelabel):
    """Return a new workspace on two clips, made by the command."""
    root = tmp_path / "w"
    flags = ("--classes", "disc", "--videos", footage, "--detector", "fake:", *QUICK)
    code, out, err = reelabel("init", root, *flags)
    assert (code, err) == (0, "")
    assert "reelabel run" in out
    return root


def change(root, **values):
    """Change keys of a reelabel.yaml."""
    path = root / "reelabel.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | values))


def refused(told, code, *words):
    """Check that a command ended with this code, and said why without any trace."""
    found, out, err = told
    assert found == code, err
    assert "Traceback" not in out + err
    for word in words:
        assert word in " ".join(err.split()), err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, reelabel):
    """Each command and stage has a help text, and every flag of it too."""
    code, out, _ = reelabel(name, "--help")
    assert code == 0
    assert f"reelabel {name}" in out
    command = cli.get_command(click.Context(cli), name)
    assert command.help
    options = [p for p in command.params if isinstance(p, click.Option)]
    assert [p.name for p in options if not p.help] == []


def test_the_help_lists_every_command(reelabel):
    """The first help shows all commands and all stages, each with a line."""
    code, out, _ = reelabel("--help")
    assert code == 0
    assert [name for name in COMMANDS if f"\n  {name} " not in out] == []
    assert reelabel()[1].startswith("Usage") or reelabel()[2].startswith("Usage")


def test_the_help_fits_80_columns():
    """Every command and stage has one whole line."""
    command = [sys.executable, "-m", "reelabel", "--help"]
    environment = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = done.stdout.partition("Commands:")[2].splitlines()
    assert len([line for line in lines if line.startswith("  ")]) == len(COMMANDS)
    assert [line for line in lines if len(line) > 80 or line.endswith("...")] == []


def test_the_stages_of_the_help_are_those_of_the_flow():
    """Names and order agree with the pipeline."""
    for name in BUILT_IN:
        flow = list(task_named(name).flow)
        assert [stage for stage in STAGES if stage in flow] == flow
    assert set(STAGES) == {stage for name in BUILT_IN for stage in task_named(name).flow}


@pytest.mark.parametrize("name", sorted(DETECT.sections))
def test_every_setting_of_a_stage_is_a_flag(name):
    """Whatever stands in a section of reelabel.yaml can be given as a flag too."""
    command = cli.get_command(click.Context(cli), name)
    flags = {flag for p in command.params for flag in p.opts}
    wanted = {f"--{'-'.join(path).replace('_', '-')}" for path in leaves(DETECT.sections[name])}
    assert wanted - flags == set()


def leaves(kind, above=()):
    """Yield the path to every setting, also of settings inside settings."""
    for name, info in kind.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from leaves(inner, (*above, name))
        else:
            yield (*above, name)


RENAMED = [
    (name, old) for name, kind in DETECT.sections.items() for old in getattr(kind, "renamed", {})
]


@pytest.mark.parametrize(("section", "old"), RENAMED)
def test_old_keys_are_errors_that_name_the_new_ones(section, old):
    """A key of an earlier version is refused with its new name, which exists."""
    new = DETECT.sections[section].renamed[old].split(", ")
    assert set(new) <= {".".join(path) for path in leaves(DETECT.sections[section])}
    words = " and ".join(f"'{name}'" for name in new)
    with pytest.raises(ConfigError, match=f"{section}: unknown key '{old}': it is now {words}"):
        parse({"classes": ["a"], section: {old: True}}, DETECT.sections, "reelabel.yaml")


def test_old_keys_are_refused_by_set_too(footage, tmp_path, reelabel):
    """`--set` with a key of an earlier version names the new one."""
    flags = ("--classes", "a", "--set", "mine.flicker_score=0.5")
    told = reelabel("init", tmp_path / "w", *flags, "--", footage)
    refused(told, 2, "it is now 'flicker.score'")


def test_every_old_key_has_a_new_name():
    """All keys that moved when options were nested are in the table."""
    moved = {"mine": 22, "track": 5, "clean": 3}
    assert {name: len(DETECT.sections[name].renamed) for name in moved} == moved


def test_the_defaults_in_a_new_file_are_the_defaults(begun):
    """Taking the # from every line of a new reelabel.yaml changes nothing."""
    path = begun / "reelabel.yaml"
    before = parse(read_yaml(path), DETECT.sections, "")
    head, tail = path.read_text().split("# Everything below")
    lines = [line.removeprefix("#").removeprefix(" ") for line in tail.split("\n")[1:]]
    path.write_text(head + "\n".join(lines))
    assert parse(read_yaml(path), DETECT.sections, "") == before


def test_init_run_and_status(begun, reelabel):
    """The three commands of a first day: exit code 0, a decision, a report, and all done."""
    code, out, err = reelabel("run", begun, "--rounds", 1, "--quiet")
    assert (code, err) == (0, "")
    assert "Decision:" in out
    assert "report.html" in out.replace("\n", "")
    assert (begun / "rounds/0/report.html").is_file()
    code, out, _ = reelabel("status", begun, "--json")
    told = json.loads(out)
    assert code == 0
    assert [one["stage"] for one in told] == list(DETECT.flow)
    assert {state for one in told for state in one["units"]} == {"done"}
    assert reelabel("status", begun)[0] == 0
    code, out, _ = reelabel("show", begun, "--pictures", 1, "--quiet")
    assert code == 0
    assert out.count(".mp4") == 2
    for kind in ("coco", "yolo", "voc"):
        out_dir = begun.parent / kind
        assert reelabel("export", begun, out_dir, "--format", kind)[0] == 0
        assert list(out_dir.rglob("*.jpg"))
    refused(reelabel("export", begun, out_dir), 2, "new or empty")
    (out_dir / "stale.txt").write_text("of the export before")
    assert reelabel("export", begun, out_dir, "--overwrite")[0] == 0
    assert (out_dir / "annotations").is_dir()
    assert not (out_dir / "stale.txt").exists()
    assert [path for path in begun.parent.iterdir() if path.suffix == ".tmp"] == []
    refused(reelabel("export", begun, begun, "--overwrite"), 2, "new or empty")
    refused(reelabel("export", begun, begun / "x", "--format", "yoloo"), 2, "did you mean 'yolo'")


def test_agreement_is_never_called_ap(begun, reelabel):
    """Without truth the table speaks of agreement, and of nothing that truth alone can say."""
    code, out, _ = reelabel("run", begun, "--rounds", 1)
    assert (code, "Agreement with pseudo-labels" in out) == (0, True)
    assert re.search(r"\bAP", out) is None


def test_predict_takes_a_workspace(begun, footage, reelabel, tmp_path):
    """The best model of a workspace looks at a video, and the boxes are written as JSON."""
    reelabel("run", begun, "--rounds", 1, "--quiet")
    out = tmp_path / "boxes.json"
    code, said, err = reelabel("predict", begun, footage / "clip0.mp4", "--out", out, "--quiet")
    assert (code, err) == (0, "")
    assert "20 frames" in said
    boxes = json.loads(out.read_text())["boxes"]
    assert {box["category"] for box in boxes} == {"disc"}


def test_flags_of_a_stage_win_over_the_file(begun, reelabel):
    """A stage alone takes its settings as flags; what is not given stands as in the file."""
    assert reelabel("run", begun, "--until", "cut", "--quiet")[0] == 0
    assert reelabel("sample", begun, "--every", 5, "--quality-min-sharpness", 0, "--quiet")[0] == 0
    workspace = Workspace.open(begun)
    counts = [len(workspace.read(FRAMES, v)) for v in workspace.shards(FRAMES)]
    assert counts == [4, 4]
    flags = ("--score-per-class", "disc=0.99", "--states", "border=dropped", "--quiet")
    for stage, given in (("dedup", ()), ("detect", ()), ("clean", flags)):
        assert reelabel(stage, begun, *given)[0] == 0
    states = {
        s for v in workspace.shards(CANDIDATES) for s in workspace.read(CANDIDATES, v)["state"]
    }
    assert "positive" not in {str(state) for state in states}


def test_set_reaches_any_setting(footage, tmp_path, reelabel):
    """`--set` puts values of any kind into the new file."""
    pairs = (
        "--set",
        "sample.every=5",
        "--set",
        "sample.quality.min_entropy_bits=0.5",
        "--set",
        "seed=3",
    )
    code, _, err = reelabel("init", tmp_path / "w", "--classes", "a,b", *pairs, "--", footage)
    assert (code, err) == (0, "")
    config = parse(read_yaml(tmp_path / "w/reelabel.yaml"), DETECT.sections, "")
    assert config.project.classes == ("a", "b")
    assert config.project.seed == 3
    assert config.stages["sample"].every == 5
    assert config.stages["sample"].quality.min_entropy_bits == 0.5


def test_set_leaves_text_as_it_stands(footage, tmp_path, reelabel):
    """Where a setting holds text, what YAML would read as something else stays that text."""
    given = {
        "sample.embedder": "fake:",
        "clean.outliers.method": "neighbours",
        "clean.states.border": "ignore",
        "train.precision": "32",
        "train.devices": "2",
        "train.weights": "null",
        "split.held_out": "null",
        "class_map": "{5: disc, off: disc}",
        "detector_options.note": "a: b",
        "labels": "~",
    }
    pairs = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    code, _, err = reelabel("init", tmp_path / "w", "--classes", "disc", *pairs, "--", footage)
    assert (code, err) == (0, "")
    config = parse(read_yaml(tmp_path / "w/reelabel.yaml"), DETECT.sections, "")
    stages, project = config.stages, config.project
    assert stages["sample"].embedder == "fake:"
    assert (stages["clean"].outliers.method, stages["clean"].states["border"]) == (
        "neighbours",
        "ignore",
    )
    assert (stages["train"].precision, stages["train"].devices) == ("32", 2)
    assert (stages["train"].weights, stages["split"].held_out, project.labels) == (None,) * 3
    assert project.class_map == {"5": "disc", "off": "disc"}
    assert project.detector_options == {"note": "a: b"}


def test_flags_leave_text_as_it_stands():
    """The flags of a stage read their values as `--set` does."""
    command = cli.get_command(click.Context(cli), "train")
    given = command.make_context("train", ["W", "--source-classes", "5,on", "--lr", "0.1"]).params
    assert (given["source_classes"], given["lr"]) == (["5", "on"], 0.1)
    command = cli.get_command(click.Context(cli), "sample")
    given = command.make_context("sample", ["W", "--embedder", "fake:", "--size", "64,32"]).params
    assert (given["embedder"], given["size"]) == ("fake:", [64, 32])


def test_the_help_of_a_stage_loads_no_other_stage():
    """The flags of one stage are there without the whole flow."""
    code = (
        "import sys\nfrom reelabel.cli import main\nsys.argv = ['reelabel', 'cut', '--help']\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
        "print([name for name in sys.modules if name.startswith('reelabel.stages.')])"
    )
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "--start-s" in said
    assert said.split("\n")[-2] == "['reelabel.stages.cut']"


def test_one_video_is_split_in_blocks_and_said_so(disc_clips, tmp_path, reelabel):
    """A workspace with one video warns that its scores will flatter, and runs."""
    root = tmp_path / "w"
    flags = ("--classes", "disc", "--videos", disc_clips[0], "--detector", "fake:", *QUICK)
    flags += ("--set", "split.guard_s=0.05")
    code, out, _ = reelabel("init", root, *flags)
    assert code == 0
    assert "Only one video" in out
    assert reelabel("run", root, "--rounds", 1, "--quiet")[0] == 0
    report = json.loads((root / "rounds/0/dataset/split.json").read_text())
    assert not report["leak_free"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("runn",), "runn"),
        (("run", "W", "--untill", "cut"), "--until"),
        (("run", "W", "--until", "sampel"), "did you mean 'sample'"),
        (("run", "W", "--rounds", "0"), "0"),
        (("run",), "WORKSPACE"),
        (("sample", "W", "--evry", "2"), "--every"),
        (("sample", "W", "--every", "0"), "greater than or equal to 1"),
        (("sample", "W", "--every", "two"), "two"),
        (("sample", "W", "--every", "2", "--every-s", "1"), "only one of"),
        (("sample", "W", "--size", "[1"), "value"),
        (("clean", "W", "--states", "border"), "key=value"),
        (("clean", "W", "--score-per-class", "disc=[1"), "value"),
        (("merge", "W", "--policy", "newest"), "new"),
        (("init", "N", "--classes", "a", "--set", "sampel.every=2", "F"), "did you mean 'sample'"),
        (("init", "N", "--classes", "a", "--set", "sample.evry=2", "F"), "did you mean 'every'"),
        (("init", "N", "--classes", "a", "--set", "sample.every", "F"), "key=value"),
        (("init", "N", "--classes", "a", "--set", "seed=[1", "F"), "value"),
        (("init", "N", "--classes", "a", "--set", "seed=1", "--set", "seed.x=1", "F"), "seed"),
        (("init", "N", "F"), "--classes"),
        (("init", "W", "--classes", "a", "F"), "is a workspace already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_wrong_usage_ends_with_2(begun, reelabel, arguments, words):
    """An unknown flag, key, stage or value gives exit code 2 and names what was meant."""
    places = {"W": begun, "N": begun.parent / "new", "F": begun.parent / "footage"}
    refused(reelabel(*(places.get(one, one) for one in arguments)), 2, words)


def test_a_missing_file_is_named(tmp_path, reelabel):
    """A path that leads nowhere is refused before anything is made."""
    told = reelabel("init", tmp_path / "w", "--classes", "a", "--videos", tmp_path / "no.mp4")
    refused(told, 2, "no.mp4", "no such file")
    assert not (tmp_path / "w").exists()
    refused(reelabel("predict", "motion", tmp_path / "no.mp4", "--quiet"), 3, "no.mp4")


def test_a_folder_without_videos_is_named(tmp_path, reelabel):
    """A folder in which nothing can be watched is refused."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/notes.txt").write_text("hello")
    told = reelabel("init", tmp_path / "w", "--classes", "a", "--videos", tmp_path / "empty")
    refused(told, 2, "empty", "holds none")


def test_text_named_mp4_fails_alone(begun, footage, reelabel):
    """The text is named as failed, the videos beside it are finished, the exit code is 1."""
    (footage / "text [b].mp4").write_text("this is no video")
    code, out, _ = reelabel("run", begun, "--rounds", 1, "--quiet")
    assert code == 1
    assert "text [b].mp4" in out
    assert (begun / "rounds/0/report.html").is_file()
    code, out, _ = reelabel("status", begun)
    assert code == 0
    assert "text [b].mp4" in out


def test_a_failing_stage_ends_with_1(begun, footage, reelabel):
    """A video that breaks between two stages is named, and the others go on."""
    reelabel("run", begun, "--until", "cut", "--quiet")
    (footage / "clip0.mp4").write_bytes((footage / "clip0.mp4").read_bytes()[:200])
    code, out, _ = reelabel("sample", begun, "--quiet")
    assert code == 1
    assert "clip0.mp4" in out
    assert len(Workspace.open(begun).shards(FRAMES)) == 1
    refused(reelabel("sample", begun, "--quiet", "--fail-fast"), 3)


def test_a_video_that_fails_early_is_named_once(begun, footage, disc_clips, reelabel):
    """The stages behind the failure say nothing of it; one of them run alone says why it waits."""
    shutil.copy(disc_clips[2], footage)
    reelabel("run", begun, "--until", "register", "--quiet")
    clip = footage / "clip0.mp4"
    content, times = clip.read_bytes(), clip.stat()
    clip.write_bytes(bytes(len(content)))
    os.utime(clip, ns=(times.st_atime_ns, times.st_mtime_ns))
    code, out, err = reelabel("run", begun, "--rounds", 1)
    assert code == 1
    assert (out + err).count("not there yet") == 0
    assert len(re.findall(r"^failed .*cut: clip0\.mp4", err, re.MULTILINE)) == 1
    assert [line.split()[0] for line in out.split("\n") if "clip0.mp4:" in line] == ["cut"]
    code, out, _ = reelabel("track", begun, "--quiet")
    assert code == 1
    assert out.startswith("track clip0.mp4: waits, as cut failed")


def test_paths_that_look_like_markup_do_not_break_the_output(disc_clips, tmp_path, reelabel):
    """Brackets in names are printed as they are."""
    folder = tmp_path / "[bold" / "x]" / "[" / "red]"
    folder.mkdir(parents=True)
    shutil.copy(disc_clips[0], folder)
    (folder / "bad.mp4").write_text("no video")
    root = tmp_path / "[" / "w]"
    flags = ("--classes", "disc", "--videos", folder, "--detector", "fake:")
    code, out, err = reelabel("init", root, *flags)
    assert (code, err) == (0, "")
    assert "/[/w]" in out.replace("\n", "")
    assert reelabel("run", root, "--until", "cut", "--quiet")[0] == 1
    code, out, _ = reelabel("status", root)
    assert code == 0
    assert "/[/red]" in out.replace("\n", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("classes: [disc", "expected YAML"),
        ("clases: [disc]", "did you mean 'classes'"),
        ("classes: [disc]\nsample: {evry: 1}", "did you mean 'every'"),
        ("\0", "expected YAML"),
        ("[]", "expected keys"),
    ],
)
def test_a_damaged_settings_file_ends_with_2(begun, reelabel, text, words):
    """Every command that reads reelabel.yaml says what is wrong in it."""
    (begun / "reelabel.yaml").write_text(text)
    for command in ("run", "status", "sample", "report"):
        refused(reelabel(command, begun), 2, "reelabel.yaml", words)


def test_a_folder_that_is_no_workspace_ends_with_6(tmp_path, reelabel):
    """Each command on a workspace says how one is made."""
    for command in ("run", "status", "show", "report", "clean"):
        refused(reelabel(command, tmp_path), 6, "reelabel init")
    refused(reelabel("export", tmp_path, tmp_path / "x"), 6, "reelabel init")


def test_what_is_not_made_yet_ends_with_6(begun, reelabel):
    """Showing or exporting labels before there are any names the command that makes them."""
    for command in (("show", begun), ("report", begun), ("export", begun, begun / "x")):
        refused(reelabel(*command), 6, "reelabel run")


@pytest.mark.parametrize(
    ("detector", "words"),
    [
        ("onnx:WEIGHTS", "weights.onnx"),
        ("onnx:nowhere.onnx", "nowhere.onnx"),
        ("onxx:a.onnx", "did you mean 'onnx'"),
        ("round:7", "7"),
    ],
)
def test_a_wrong_model_is_named(begun, reelabel, detector, words):
    """Weights that are none, missing or of an unknown kind stop the run with their name."""
    weights = begun / "weights.onnx"
    weights.write_text("these are no weights")
    change(begun, detector=detector.replace("WEIGHTS", str(weights)))
    refused(reelabel("run", begun, "--quiet"), 4, words)
    assert len(Workspace.open(begun).videos()) == 2, "what was done before stays"


def test_an_unknown_option_of_a_model_is_named(begun, reelabel):
    """The options of a model are checked like all settings."""
    change(begun, detector_options={"thresold": 3})
    refused(reelabel("run", begun, "--quiet"), 2, "thresold", "did you mean 'threshold'")


def test_a_class_that_the_model_does_not_know_is_refused(begun, data_dir, reelabel):
    """The nearest name that the model knows is suggested."""
    weights = data_dir / "weights/yolox_nano.onnx"
    change(begun, detector=f"onnx:{weights}", classes=["ball"])
    refused(reelabel("run", begun, "--quiet"), 4, "did you mean 'sports ball'")


def truth_file(path, video, **image):
    """Write a COCO file with one box on one frame."""
    value = {
        "images": [{"id": 1, "file_name": "x.jpg", "video": video, "frame_index": 0} | image],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 9, 9], "iscrowd": 0}
        ],
        "categories": [{"id": 1, "name": "disc"}],
    }
    path.write_text(json.dumps(value))
    return path


def test_truth_of_unknown_videos_is_refused(begun, tmp_path, reelabel):
    """Truth that names none of the videos gives exit code 5 and the nearest name."""
    change(begun, truth=str(truth_file(tmp_path / "truth.json", "clp0.mp4")))
    refused(reelabel("run", begun, "--quiet"), 5, "clp0.mp4", "did you mean 'clip0.mp4'")
    change(begun, truth=str(truth_file(tmp_path / "truth.json", "clip0.mp4", frame_index=99)))
    refused(reelabel("run", begun, "--quiet"), 5, "99", "20 frames")
    (tmp_path / "truth.json").write_text("{")
    refused(reelabel("run", begun, "--quiet"), 5, "truth.json")
    change(begun, truth=str(tmp_path / "gone.json"))
    refused(reelabel("run", begun, "--quiet"), 5, "gone.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_workspace_ends_with_6(begun, reelabel):
    """A workspace that cannot be written is named, with what to do."""
    begun.chmod(0o555)
    try:
        refused(reelabel("run", begun, "--quiet"), 6, "permission")
    finally:
        begun.chmod(0o755)


def test_a_damaged_video_row_mends_itself(begun, reelabel):
    """A shard that was cut short is named once with exit code 6; the next run makes it anew."""
    reelabel("run", begun, "--until", "cut", "--quiet")
    shard = next((begun / "tables/videos").glob("*.parquet"))
    shard.write_bytes(shard.read_bytes()[:50])
    refused(reelabel("run", begun, "--until", "cut", "--quiet"), 6, "run again")
    assert reelabel("run", begun, "--until", "cut", "--quiet")[0] == 0


def test_no_labels_at_all_ends_with_what_to_do(begun, reelabel):
    """When the teacher finds nothing the run says which settings to look at."""
    change(begun, clean={"score": 1.0, "floor": 1.0})
    code, _, err = reelabel("run", begun, "--quiet")
    assert code == 7
    assert "no label to train on" in err


@pytest.mark.parametrize(
    "flags",
    [
        ("--classes", "disc", "ring"),
        ("--classes", "disc,ring"),
        ("--classes", "disc", "--classes", "ring"),
    ],
    ids=" ".join,
)
def test_classes_may_be_given_in_every_form_of_flags(flags, footage, tmp_path, reelabel):
    """Words, commas and repetition name the same classes; files behind them stay files."""
    root = tmp_path / "w"
    code, _, err = reelabel("init", root, "--detector", "fake:", *flags, footage)
    assert (code, err) == (0, "")
    made = parse(read_yaml(root / "reelabel.yaml"), DETECT.sections, "").project
    assert made.classes == ("disc", "ring")
    assert made.videos == (str(footage),)


def test_a_run_takes_settings_of_its_own(begun, reelabel):
    """What is set for a run reaches its stages and is not written down."""
    before = (begun / "reelabel.yaml").read_text()
    flags = ("--until", "clean", "--quiet")
    assert reelabel("run", begun, *flags, "--set", "clean.score=0.99")[0] == 0
    workspace = Workspace.open(begun)
    rows = [
        r for v in workspace.shards(CANDIDATES) for r in workspace.read(CANDIDATES, v).to_pylist()
    ]
    assert rows
    assert all("0.99" in row["reason"] for row in rows if row["rule"] == "score")
    assert (begun / "reelabel.yaml").read_text() == before
    refused(reelabel("run", begun, *flags, "--set", "clean.scor=1"), 2, "did you mean 'score'")


@pytest.mark.parametrize("task", BUILT_IN)
def test_every_stage_takes_any_setting(task, tmp_path, reelabel):
    """Each command of a stage, and ablate, refuses a misspelt --set by name: it is read by all."""
    (tmp_path / "reelabel.yaml").write_text(
        f"task: {task}\nclasses: [a, b]\nvideos: [v]\n", encoding="utf-8"
    )
    for name in [*(set(task_named(task).flow) - {"fetch"}), "ablate"]:
        code, _, err = reelabel(name, tmp_path, "--set", "split.held_otu=0.5")
        assert (code, "did you mean 'held_out'" in err) == (2, True), (name, err)


def test_settings_of_one_command_hold_for_it_alone(begun, reelabel):
    """--set reaches the stage, its own flag wins over it, and the file stays as it was."""
    before = (begun / "reelabel.yaml").read_bytes()
    assert reelabel("run", begun, "--until", "register")[0] == 0
    assert reelabel("cut", begun)[0] == 0

    def kept(*flags):
        assert reelabel("sample", begun, *flags)[0] == 0
        ws = Workspace.open(begun)
        return sum(len(ws.read(FRAMES, video)) for video in ws.shards(FRAMES))

    assert kept("--set", "sample.every=5") < kept("--set", "sample.every=5", "--every", "1")
    assert (begun / "reelabel.yaml").read_bytes() == before


def test_functions_of_stages_take_settings_as_run_does(begun):
    """`settings` of a function holds for one call, as --set does for one command."""
    api.register(begun, quiet=True)
    api.cut(begun, quiet=True)
    ws = Workspace.open(begun)
    counts = []
    for every in (1, 5):
        api.sample(begun, settings={"sample": {"every": every}}, quiet=True)
        counts.append(sum(len(ws.read(FRAMES, video)) for video in ws.shards(FRAMES)))
    assert counts[0] > counts[1]
    with pytest.raises(ConfigError, match="did you mean 'seed'"):
        api.ablate(begun, settings={"sed": 1})
