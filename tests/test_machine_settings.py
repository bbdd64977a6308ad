"""Properties of the machine make nothing stale; every other setting does."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from reelabel.config import MACHINE, Project, Settings, result_values
from reelabel.engine.plan import bind, plan
from reelabel.engine.stage import Output, Stage
from reelabel.models.detectors.onnx import OnnxOptions
from reelabel.models.detectors.torchvision import TorchvisionOptions
from reelabel.models.embedders.onnx_inputs import OnnxInputOptions
from reelabel.models.spec import fingerprint
from reelabel.pipeline import DETECT
from reelabel.workspace import Workspace

PROJECT = Project(classes=("ball",))
MACHINES = {
    "detect": {"sessions"},
    "fetch": {
        "contact",
        "host_interval_s",
        "host_connections",
        "max_bytes_per_s",
        "max_bytes_per_day",
        "backoff_s",
        "longest_wait_s",
        "retry_after_s",
        "hosts",
        "connect_timeout_s",
        "stall_timeout_s",
        "min_bytes_per_s",
        "delay_s",
        "request_delay_s",
        "js_runtimes",
    },
    "train": {"accelerator", "devices", "num_workers", "cache_mb", "loggers", "threads"},
}
"""The properties of the machine among all settings of stages; the others change results."""
OTHERS = {
    "sessions": 3,
    "accelerator": "cpu",
    "devices": 2,
    "num_workers": 3,
    "cache_mb": 7,
    "loggers": ("csv",),
    "threads": 3,
    "contact": "me@example.org",
    "host_interval_s": 2.0,
    "host_connections": 2,
    "max_bytes_per_s": 1000,
    "max_bytes_per_day": 1000,
    "backoff_s": 3.0,
    "longest_wait_s": 3.0,
    "retry_after_s": 3.0,
    "hosts": 3,
    "connect_timeout_s": 3.0,
    "stall_timeout_s": 3.0,
    "min_bytes_per_s": 3,
    "delay_s": (1.0, 2.0),
    "request_delay_s": 1.0,
    "js_runtimes": ("node",),
}
"""A value of each that is not its default."""


def machine_fields(kind: type[BaseModel]) -> set[str]:
    """Return the fields that are marked, also those of settings within settings."""
    found = {name for name, field in kind.model_fields.items() if MACHINE in field.metadata}
    for field in kind.model_fields.values():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found |= machine_fields(field.annotation)
    return found


def given(kind: type[BaseModel], name: str) -> dict[str, Any]:
    """Return the other value of a setting, inside the settings that it is one of."""
    if name in kind.model_fields:
        return {name: OTHERS[name]}
    for above, field in kind.model_fields.items():
        inner = field.annotation
        if (
            isinstance(inner, type)
            and issubclass(inner, BaseModel)
            and name in machine_fields(inner)
        ):
            return {above: given(inner, name)}
    raise AssertionError(name)


@pytest.mark.parametrize("name", sorted(DETECT.sections))
def test_each_setting_is_about_the_result_or_the_machine(name):
    """The list above is whole: a new property of the machine is declared, and stands there."""
    assert machine_fields(DETECT.sections[name]) == MACHINES.get(name, set())


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_another_machine_makes_nothing_stale(name, tmp_path):
    """Each such setting, changed, leaves the fingerprint of the work as it was."""
    (tmp_path / "reelabel.yaml").write_text("classes: [ball]\n")
    kind = DETECT.sections[name]
    stage = Stage(name, "", kind, lambda _: Output(), scope="all")

    def wanted(**changes):
        bound = bind(stage, Workspace(tmp_path), PROJECT, kind(**changes), round_number=0)
        return plan(bound)[0].job.fingerprint

    for field in MACHINES[name]:
        assert wanted(**given(kind, field)) == wanted(), field
    other = {"detect": {"near": 7}, "train": {"seed": 7}, "fetch": {"max_bytes": 7}}[name]
    assert wanted(**other) != wanted()


@pytest.mark.parametrize("kind", [OnnxOptions, TorchvisionOptions, OnnxInputOptions])
def test_where_a_model_computes_is_no_part_of_what_it_is(kind):
    """The device of a model is not in its fingerprint; what it returns depends on the rest."""
    assert fingerprint(kind(device="cpu")) == fingerprint(kind())


class Inner(Settings):
    """Settings within settings."""

    copies: Annotated[int, MACHINE] = 1
    size: int = 2


class Outer(Settings):
    """Settings of a stage."""

    inner: Inner = Inner()
    workers: Annotated[int, MACHINE] = 3
    names: tuple[str, ...] = ("a",)


def test_settings_within_settings_leave_out_their_own():
    """A property of the machine counts nowhere, however deep it stands."""
    assert result_values(Outer()) == {"inner": {"size": 2}, "names": ["a"]}
    assert result_values(Outer(inner=Inner(size=5))) != result_values(Outer())
