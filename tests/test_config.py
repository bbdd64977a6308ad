"""`reelabel.yaml` is read strictly, and what is wrong in it is said in the user's words."""

from __future__ import annotations

from typing import get_args

import pytest
import yaml
from annotated_types import Ge, Gt
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from reelabel.config import Engine, Project, Settings, checked, parse
from reelabel.config_template import dump
from reelabel.engine.task import BUILT_IN, task_named
from reelabel.errors import ConfigError
from reelabel.short_names import composed
from reelabel.yaml_text import read_yaml


class Probe(Settings):
    """Settings of a stage, for these tests."""

    every: int = Field(1, ge=1)
    """Take every n-th."""


SECTIONS = {"sample": Probe}


def load(path, sections):
    """Return the checked content of a file."""
    return parse(read_yaml(path), sections, str(path))


def write(tmp_path, text):
    """Write a reelabel.yaml and return it."""
    path = tmp_path / "reelabel.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("clases: [ball]", "unknown key 'clases' (did you mean 'classes'?"),
        ("classes: [ball]\nsampel: {every: 2}", "did you mean 'sample'?"),
        ("classes: [ball]\nsample: {evry: 2}", "did you mean 'every'?"),
        ("classes: [ball]\nrounds: 3", "each run is given it: reelabel run WORKSPACE --rounds"),
        ("classes: [ball]\nsample: {every: 0}", "'every': input should be greater"),
        ("classes: [ball]\nsample: 3", "expected keys and values"),
        ("classes: []", "classes"),
        ("videos: [a.mp4]", "'classes' is missing"),
        ("- a\n- b", "expected keys"),
        ("classes: [ball", "expected YAML"),
        ("", "expected keys"),
    ],
)
def test_what_is_wrong_is_named_with_the_nearest_name(tmp_path, text, words):
    """Every mistake gives one message with the key, and the nearest name if there is one."""
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), SECTIONS)
    assert words in str(caught.value)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    """A file that is not UTF-8 is named as damaged."""
    path = tmp_path / "reelabel.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="expected YAML"):
        load(path, SECTIONS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("classes: [a]\nsample: {every: 2}\nsample: {every_s: 1}", "'sample' stands there twice"),
        ("classes: [a]\nsample:\n  every: 2\n  every: 3", "'every' stands there twice"),
        ("classes: [a, a]", "each name stands for one class"),
        ("classes: ['']", "each class needs a name"),
        ("classes: [truck]\nclass_map: {car: Truck}", "no class of the workspace .did you mean"),
    ],
)
def test_what_would_be_lost_without_a_word_is_an_error(tmp_path, text, said):
    """A doubled key hides the other, a doubled class or a map to nowhere hides boxes."""
    (tmp_path / "reelabel.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load(tmp_path / "reelabel.yaml", SECTIONS)


@given(
    st.lists(
        st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8).map(composed),
        min_size=1,
        max_size=4,
        unique=True,
    ),
    st.integers(1, 100),
)
def test_what_is_dumped_is_loaded_again(classes, every):
    """A dumped file parses to the values it was made from."""
    text = dump({"classes": classes, "sample": {"every": every}}, SECTIONS)
    config = parse(yaml.safe_load(text), SECTIONS, "test")
    assert list(config.project.classes) == classes
    assert config.stages["sample"].every == every


def test_defaults_stand_in_the_file_as_comments():
    """A new file lists each setting with its default and meaning."""
    text = dump({"classes": ["a"]}, SECTIONS)
    assert "# sample.every: 1             # Take every n-th." in text


def _bomb(form: str) -> str:
    """Return a value whose aliases multiply: nine levels of nine.

    Args:
        form: a collection with a place for what it holds.
    """
    levels = ["&a0 [x, x]" if form.startswith("[") else "&a0 {x: y}"]
    levels += [f"&a{n} " + form.format(", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 10)]
    return "[" + ", ".join(levels) + "]"


@pytest.mark.parametrize(
    "text",
    [
        "classes: [ball]\nseed: -1",
        "classes: [ball]\nseed: 4294967296",
        "classes: [ball]\nseed: " + "9" * 5000,
        "classes: [ball]\nsample: {every: 9999999999999999999}",
        "classes: [ball]\nsample: {every: .inf}",
        "classes: [ball]\nseed: 2026-99-99",
        "classes: " + "[" * 3000,
        "classes: " + "{a: " * 3000,
        'classes: ["a\\0b"]',
        'classes: ["\\ud800"]',
        "classes: [ball]\nvideos: [!!python/object/apply:os.system [ls]]",
        "classes: [ball]\nseed: 0x" + "f" * 5000,
        "classes: [ball]\nseed: true",
        "classes: [ball]\nsample: {every: [true]}",
        "classes: [ball]\nseed: 190:20:30",
        "classes: !!set {ball, car}",
        "classes: [ball]\nsample..every: 3",
        "classes: [ball]\nsample: {'': 3}",
        "classes: [ball]\nsample:\n\tevery: 3",
        "classes: [ball]\nsample: {every: 3",
        "classes: &a [*a]",
        "classes: " + _bomb("[{}]"),
        "classes: [ball]\ndetector_options: {x: " + _bomb("[{}]") + "}",
        "classes: [ball]\nclass_map: " + _bomb("{{<<: [{}]}}"),
    ],
    ids=lambda text: text[:60],
)
def test_hostile_values_are_refused(tmp_path, text):
    """Values that no algorithm, file or reader can take are an error of the settings, in a line."""
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, text), SECTIONS)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 900


def test_aliases_that_stand_for_little_are_taken(tmp_path):
    """A value may be named and used again."""
    text = "classes: &names [ball, car]\nclass_map: {disc: ball}\nvideos: *names"
    assert load(write(tmp_path, text), SECTIONS).project.videos == ("ball", "car")


@pytest.mark.parametrize(("text", "value"), [("7", 7), ("0x1f", 31), ("010", 10), ("1_000", 1000)])
def test_whole_numbers_are_those_that_people_mean(tmp_path, text, value):
    """Base 16 is marked by its letter; a zero in front makes no other base."""
    assert load(write(tmp_path, f"classes: [a]\nseed: {text}"), SECTIONS).project.seed == value


def test_a_key_without_a_name_is_named():
    """The message has the key, and no type of the program."""
    for raw in ({"sample": {"": 3}}, {"sample..every": 3}):
        with pytest.raises(ConfigError, match=r"key"):
            parse({"classes": ["a"]} | raw, SECTIONS, "test")
    with pytest.raises(ConfigError, match=r"unknown key ''"):
        parse({"classes": ["a"], "sample": {"": 3}}, SECTIONS, "test")


ELSEWHERE = {"devices", "size", "anchor_sizes", "anchor_ratios"}
ELSEWHERE |= {"contradicts.probe.strengths", "sites.delay_s"}
"""Settings that a validator, or the type of their parts, bounds."""


def numbers_of(kind, above=""):
    """Yield every number among settings: name, whether it has a lower bound."""
    for name, info in kind.model_fields.items():
        inner = info.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from numbers_of(inner, f"{above}{name}.")
        elif {int, float} & {inner, *get_args(inner)}:
            yield above + name, any(isinstance(m, Ge | Gt) for m in info.metadata)


def test_every_number_has_a_lower_bound():
    """No setting of any task takes a number that is too small to mean anything."""
    kinds = [Project, Engine, *(k for t in BUILT_IN for k in task_named(t).sections.values())]
    unbounded = {n for kind in kinds for n, bounded in numbers_of(kind) if not bounded}
    assert unbounded <= ELSEWHERE


CLASS_FORMS = [["dog", "cat"], "dog, cat", "dog,cat", ["dog,cat"], ("dog", " cat ")]


@pytest.mark.parametrize("given", CLASS_FORMS, ids=str)
def test_classes_may_be_given_in_every_form(given):
    """A list, commas, and both together are the same classes."""
    assert parse({"classes": given}, SECTIONS, "test").project.classes == ("dog", "cat")


def test_every_default_may_be_taken_alone():
    """Each commented line of a new file is valid by itself, and changes nothing."""
    for task in BUILT_IN:
        sections = task_named(task).sections
        values = {"classes": ["a"], "split": {"single_video": True}}
        text = dump(values, sections)
        head, tail = text.split("# Everything below")
        before = parse(yaml.safe_load(head), sections, "test")
        lines = [line.removeprefix("# ") for line in tail.splitlines()[1:] if line]
        assert len(lines) > 30
        for line in lines:
            assert parse(yaml.safe_load(head + line), sections, "test") == before, line


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"sample.every": 2, "sample": {"every": 3}}, "'sample.every' stands there twice"),
        ({"sample.every.n": 2, "sample": {"every": 3}}, "leads into 'every'"),
        ({"sample.evry": 2}, "did you mean 'every'"),
    ],
    ids=str,
)
def test_a_key_with_dots_is_checked_like_its_section(raw, words):
    """What stands there both ways, leads into a value or is unknown is an error."""
    with pytest.raises(ConfigError) as caught:
        parse({"classes": ["a"], **raw}, SECTIONS, "test")
    assert words in str(caught.value)


class Counts(Settings):
    """Settings with whole numbers in every place, for these tests."""

    one: int = 1
    """A number."""
    maybe: int | None = None
    """A number or none."""
    several: tuple[int, ...] = ()
    """Numbers."""
    pair: tuple[int, int] | None = None
    """Two numbers."""
    named: dict[str, int] = Field(default_factory=dict)
    """Numbers by name."""


@pytest.mark.parametrize("wrong", [2.0, 2.5, "2.0", "2e0", "two", "1e3"])
def test_a_whole_number_has_no_decimal_point_wherever_it_stands(wrong):
    """Also not as a text, and not one that stands for a whole number."""
    for value in (
        {"one": wrong},
        {"maybe": wrong},
        {"several": [1, wrong]},
        {"pair": [1, wrong]},
        {"named": {"1.5": wrong}},
    ):
        with pytest.raises(ConfigError, match="expected a whole number, but got"):
            checked(Counts, value, "settings")
    assert checked(Counts, {"one": "1_0", "named": {"1.5": 2}}, "settings").one == 10


def test_an_empty_list_is_refused_in_plain_words():
    """What has too few entries is named with how many there have to be."""
    with pytest.raises(ConfigError, match=r"'classes': expected 1 or more, got \[\]"):
        checked(Project, {"classes": []}, "x")
