"""What `import reelabel` promises: its names, and that it costs nothing."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys

import click
import pytest

import reelabel
from reelabel.cli.commands import cli
from reelabel.pipeline import DETECT

HEAVY = ("torch", "cv2", "pyarrow", "numpy", "onnxruntime", "matplotlib", "sklearn")


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


def test_the_work_itself_loads_no_torch():
    """Everything but training runs in the core, which does not need torch."""
    code = (
        "import reelabel.pipeline, reelabel.verbs.predict, reelabel.verbs.report\n"
        "import reelabel.verbs.export, reelabel.verbs.show, reelabel.verbs.import_labels"
    )
    assert "torch" not in loaded(code)[-2].split()


ALIASES = {"as_json": None, "kind": "format", "number": "round", "round_number": "round"}
"""Names inside our command line whose flags are called otherwise; None has no counterpart."""
OWN = {"init": {"pairs": "settings", "more": "videos"}, "run": {"pairs": "settings"}}


@pytest.mark.parametrize("name", sorted({"run", "predict", "export", "report", "init"}))
def test_functions_take_what_their_commands_take(name):
    """Every flag of a command is an argument of the function with the command's name."""
    command = cli.get_command(click.Context(cli), name)
    known = set(inspect.signature(getattr(reelabel, name)).parameters)
    renamed = ALIASES | OWN.get(name, {})
    taken = {renamed.get(parameter.name, parameter.name) for parameter in command.params}
    if name == "init":
        known = known - {"root"} | {"workspace"}
    assert taken - {None} <= known


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
