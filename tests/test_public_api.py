"""What `import reelabel` promises: its names, and that it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import click
import pytest
from pydantic import BaseModel

import reelabel
from reelabel.cli.commands import cli
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.pipeline import DETECT
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.web.settings import FetchSettings

TABLES = {"numpy", "pyarrow", "cv2"}
"""What a stage's module is made of: its tables and, of most, its pictures."""
HEAVY = (
    *sorted(TABLES),
    *("scipy", "sklearn", "matplotlib", "jinja2", "hotcoco", "onnx", "onnxruntime"),
    *("torch", "torchvision", "timm", "transformers", "lightning", "urllib3", "yt_dlp"),
)


def test_public_names_are_sorted_and_real():
    """Each name of `__all__` can be imported, and `dir` shows these and no other."""
    assert reelabel.__all__ == sorted(reelabel.__all__)
    assert dir(reelabel) == sorted(reelabel.__all__)
    for name in reelabel.__all__:
        assert getattr(reelabel, name) is not None
    assert set(reelabel._HOMES) <= set(reelabel.__all__)


@pytest.mark.parametrize("name", sorted(reelabel._HOMES))
def test_a_public_name_means_the_same_whatever_was_imported_before(name):
    """A name is the function or class of its home, also when folders of like names are loaded."""
    home = importlib.import_module(reelabel._HOMES[name])
    assert callable(getattr(reelabel, name))
    assert getattr(reelabel, name) is getattr(home, name)


def test_unknown_names_are_refused_as_usual():
    """A name that is not there gives the error that Python programs expect."""
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = reelabel.nothing_of_ours


def loaded(code):
    """Return which heavy packages a fresh Python has loaded after this code."""
    code += f"\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")


def test_importing_reelabel_loads_nothing_heavy():
    """The package and its error types come without any large library."""
    assert loaded("import reelabel, reelabel.errors")[-2].split() == []


def test_help_loads_nothing_heavy():
    """`reelabel --help` answers without loading what the work needs."""
    code = (
        "import sys\nfrom reelabel.cli import main\nsys.argv = ['reelabel', '--help']\n"
        "try: main()\nexcept SystemExit as ended: assert not ended.code"
    )
    said = loaded(code)
    assert said[-2].split() == []
    assert any("Usage" in line for line in said)


HELP = """
import click
from reelabel.cli.commands import cli
from reelabel.cli.group import LATE, STAGES
top = click.Context(cli, info_name="reelabel")
for name in cli.list_commands(top):
    if (name in STAGES and name not in LATE) == stages:
        command = cli.get_command(top, name)
        assert "Usage" in command.get_help(click.Context(command, parent=top, info_name=name))
"""


@pytest.mark.parametrize(("stages", "allowed"), [(False, set()), (True, TABLES)])
def test_the_help_of_no_command_loads_what_its_work_needs(stages, allowed):
    """Help of a command loads nothing heavy; that of a stage, besides its own module, no more."""
    assert set(loaded(f"stages = {stages}\n{HELP}")[-2].split()) <= allowed


def test_the_work_itself_loads_no_torch():
    """Everything but training runs in the core, which does not need torch."""
    code = (
        "import reelabel.pipeline, reelabel.verbs.predict, reelabel.verbs.report\n"
        "import reelabel.verbs.export, reelabel.verbs.show, reelabel.verbs.import_labels"
    )
    assert "torch" not in loaded(code)[-2].split()


RENAMED = {
    "from": "manifest",  # a word of Python
    "as": "what",  # the same
    "class": "category",  # the same
    "set": "settings",  # a function of Python; one mapping in place of many pairs
}
"""Flags that no parameter can be named after, in any command."""
ELSEWHERE = {
    ("init", "more"): "further videos, which the list of `videos` holds",
    ("run", "json"): "the result has `to_json`",
    ("status", "json"): "each StageStatus has its values",
    ("predict", "json"): "the result has `to_json`",
    ("evaluate", "json"): "the scores lie in the round's scores.json",
    ("import", "remove"): "a function of its own, `remove_import`",
    ("forget", "yes"): "a function asks nobody unless `confirm` is given",
    ("train", "ablate"): "a function of its own, `ablate`",
    ("train", "seeds"): "an argument of `ablate`",
}
"""Flags and arguments of a command without a parameter of its function, and why."""
OTHER_DEFAULT = {
    ("import", "file"): "it may be left out for --remove alone",
    ("init", "detector"): "one name alone is no list, so none is None",
    ("flicker", "out"): "a function returns what it mined, a command has to write it",
}
"""Flags and arguments that have another default than the parameter, or are required; and why."""


def function_of(name):
    """Return the function of a command's name."""
    return getattr(reelabel, name.replace("import", "import_labels"))


def flag_of(parameter):
    """Return the name of a flag or argument as Python writes it."""
    first = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.name
    return first.lstrip("-").replace("-", "_")


def compared(name, command):
    """Yield each flag with its parameter of the function, None where the function has none.

    A setting inside a setting, such as ``quality_min_entropy_bits``, belongs to the parameter of
    the setting that holds it.
    """
    known = inspect.signature(function_of(name)).parameters
    for parameter in command.params:
        flag = flag_of(parameter)
        if (name, flag) in ELSEWHERE:
            continue
        holder = next(
            (known[n] for n in known if flag.startswith(f"{n}_") and is_group(known[n])), None
        )
        yield parameter, known.get(RENAMED.get(flag, flag), holder)


def is_group(parameter):
    """Return whether the values of a function's parameter are settings of their own."""
    return isinstance(parameter.default, BaseModel)


def settings_of(name):
    """Return the settings types whose fields are flags of a command."""
    if name == "fetch":
        return [Manifest, FetchSettings]
    flows = [task_named(task).flow for task in BUILT_IN]
    return [flow[name].settings for flow in flows if name in flow]


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_a_function_has_a_parameter_for_each_flag_of_its_command(name):
    """Whatever a command takes, the function of its name takes by the same name."""
    pairs = list(compared(name, cli.get_command(click.Context(cli), name)))
    assert [flag_of(flag) for flag, parameter in pairs if parameter is None] == []


@pytest.mark.parametrize("task", BUILT_IN)
def test_functions_take_the_flags_of_every_task(task, tmp_path):
    """Stages of a classifier have other flags; the function of that name takes those too."""
    (tmp_path / "reelabel.yaml").write_text(f"task: {task}\n", encoding="utf-8")
    for name in task_named(task).flow:
        _, command, _ = cli.resolve_command(click.Context(cli), [name, str(tmp_path)])
        pairs = list(compared(name, command))
        assert [flag_of(flag) for flag, parameter in pairs if parameter is None] == [], name


@pytest.mark.parametrize("name", cli.list_commands(None))
def test_a_function_has_the_defaults_of_its_command(name):
    """What is left out means the same in Python and on the command line.

    Flags of settings have no default: what is not given is as in the workspace, for both.
    """
    fields = {flag for kind in settings_of(name) for flag in kind.model_fields}
    for flag, parameter in compared(name, cli.get_command(click.Context(cli), name)):
        if parameter.name in {"quiet", "settings"}:
            # A command shows progress; a function, unless told to, to a person only.
            assert parameter.default is None
        elif parameter.name in fields:
            assert flag.default is None
        elif (name, flag_of(flag)) not in OTHER_DEFAULT:
            assert flag.required == (parameter.default is parameter.empty), flag.name
            assert flag.required or default_of(flag) == parameter.default, flag.name


def default_of(flag):
    """Return what a command takes where a flag is not given."""
    value = flag.to_info_dict()["default"]
    several = flag.nargs == -1 or getattr(flag, "multiple", False)
    return () if value is None and several else value


def test_the_exceptions_are_needed():
    """Each exception names a flag that there is, and that has no parameter or default otherwise."""
    flags = {
        (name, flag_of(one))
        for name in cli.list_commands(None)
        for one in cli.get_command(click.Context(cli), name).params
    }
    assert ELSEWHERE.keys() | OTHER_DEFAULT.keys() <= flags
    assert RENAMED.keys() <= {flag for _, flag in flags}
    for name, flag in ELSEWHERE:
        assert flag not in inspect.signature(function_of(name)).parameters


@pytest.mark.parametrize("name", sorted(set(DETECT.flow) - {"fetch"}))
def test_a_stage_takes_its_settings_as_arguments(name):
    """The function of a stage names every setting, and the flags of its command."""
    known = set(inspect.signature(getattr(reelabel, name)).parameters)
    assert set(DETECT.flow[name].settings.model_fields) <= known
    assert {"workspace", "workers", "processes", "fail_fast", "force", "quiet"} <= known
    assert ("round" in known) == DETECT.flow[name].per_round


def test_fetch_has_a_flag_for_every_setting_of_its_stage():
    """The command chooses too, so its function takes the settings of both by name."""
    flags = {option.name for option in cli.get_command(None, "fetch").params}
    nested = {"politeness", "sites", "mirror"}
    assert DETECT.flow["fetch"].settings.model_fields.keys() - nested <= flags
    assert {"politeness_host_interval_s", "sites_max_height", "mirror_dataset"} <= flags
    assert {"per_class", "dry_run"} <= flags


def test_every_command_is_a_function():
    """Each command of the command line is a public name, `import` as import_labels."""
    names = {name.replace("import", "import_labels") for name in cli.list_commands(None)}
    assert names <= set(reelabel.__all__)
