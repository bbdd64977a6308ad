"""`reelabel.yaml` as typed models: what to find, where the footage is, how each stage works.

Every field has a default, except what to find. Unknown keys are errors that name the nearest key.
Stages bring their own settings types; this module reads and checks them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from reelabel.errors import ConfigError, nearest, shown
from reelabel.short_names import DEFAULT_TASK, class_names, composed, fused_name, member_names
from reelabel.terminal.text import is_text

T = TypeVar("T", bound=BaseModel)
_WHOLE = re.compile(r"[-+]?[0-9]+(_[0-9]+)*")
"""A whole number as text, in base 10."""
_RUN_FLAGS = frozenset({"rounds", "until", "force", "quiet"})
"""What `run` is given each time, and `reelabel.yaml` does not hold."""


FOLDERS = "folders"
"""As `tags`: the class of a video is the name of the folder that it lies in."""
LARGEST = 2**53 - 1
"""The largest number that a setting may have, which every reader of JSON and YAML has exactly;
those that mean work or memory have limits of their own."""
Seed = Annotated[int, Field(ge=0, lt=2**31)]
"""What all random generators in use accept."""
MANIFEST = "manifest"
"""As `tags`: the classes of a video are those of the manifest that it was fetched from."""
MACHINE = "machine"
"""Marks a setting by its type, ``sessions: Annotated[int, MACHINE] = 0``, as a property of the
machine, such as memory, devices, processes: results do not depend on it, so it makes nothing stale.
"""


class Settings(BaseModel):
    """Base of all settings: frozen, no unknown keys, every field documented.

    Attributes:
        renamed: keys of earlier versions -> what they are called now; several with commas.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
    renamed: ClassVar[Mapping[str, str]] = {}

    @field_validator("*", mode="before")
    @classmethod
    def as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """Take one text where several may stand, but no set and no truth value for a number."""
        kind = cls.model_fields[str(info.field_name)].annotation
        if get_origin(kind) is tuple and isinstance(value, str):
            return (value,)
        if isinstance(value, set | frozenset):
            raise ValueError(f"expected a list, but got the set {shown(value)}")  # noqa: TRY004 -- pydantic's
        if not {bool, Any}.intersection(_kinds(kind)) and any(
            isinstance(leaf, bool) for leaf in _leaves(value)
        ):
            raise ValueError(f"expected no truth value, but got {shown(value)}")
        for leaf in _fractions(kind, value):
            raise ValueError(f"expected a whole number, but got {shown(leaf)}")
        return value

    @field_validator("*", mode="after")
    @classmethod
    def sound(cls, value: Any) -> Any:
        """Refuse numbers that no algorithm can use, and text that no file can hold."""
        for leaf in _leaves(value):
            if isinstance(leaf, str) and not (is_text(leaf) and "\0" not in leaf):
                raise ValueError(f"expected text in UTF-8 without NUL, but got {ascii(leaf)[:80]}")
            if isinstance(leaf, int | float) and not -LARGEST <= leaf <= LARGEST:
                raise ValueError(
                    f"expected a number from -{LARGEST} to {LARGEST}, got {shown(leaf)}"
                )
        return value


def _leaves(value: Any) -> Iterator[Any]:
    """Yield the numbers and texts in a value of a setting."""
    if isinstance(value, Mapping):
        yield from _leaves(tuple(value))
        yield from _leaves(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _leaves(part)
    elif not isinstance(value, BaseModel):
        yield value


def _fractions(kind: Any, value: Any) -> Iterator[Any]:
    """Yield the values, also as text, with a decimal point or an exponent where a type has none."""
    args, origin = get_args(kind), get_origin(kind)
    if origin is dict and isinstance(value, Mapping):
        for part in value.values():
            yield from _fractions(args[1], part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _fractions(args[0] if origin in (tuple, list) else kind, part)
    elif not {float, str, Any}.intersection(kinds := set(_kinds(kind))) and int in kinds:
        text = isinstance(value, str) and value.strip()
        if isinstance(value, float) or (text and not _WHOLE.fullmatch(text)):
            yield value


def _kinds(kind: Any) -> Iterator[Any]:
    """Yield the types that the values of a setting may have; Any for what checks its own."""
    if get_origin(kind) is Literal:
        yield from map(type, get_args(kind))
    elif get_args(kind):
        for part in get_args(kind):
            yield from _kinds(part)
    else:
        yield Any if isinstance(kind, type) and issubclass(kind, BaseModel) else kind


class NoSettings(Settings):
    """Settings of a stage that has none."""


class Engine(Settings):
    """How work is spread over the machine."""

    workers: int = Field(0, ge=0, le=1024)
    """Videos worked on at once; 0 means one per core."""
    processes: bool = False
    """Use processes instead of threads: slower to start, but a crash in a codec costs one video."""


class Project(Settings):
    """What to find and where the footage is."""

    task: str = DEFAULT_TASK
    """What is learnt; detect: boxes of objects; classify-frames, classify-clips: classes of frames
    or of windows of frames."""
    classes: tuple[str, ...] = Field(min_length=1)
    """Class names to find, in the workspace's own words."""
    class_map: dict[str, Annotated[str, AfterValidator(composed)]] = Field(default_factory=dict)
    """Names of the model -> names of the workspace, such as {frisbee: ball}; several to one."""
    videos: tuple[str, ...] = ()
    """Video files, picture files, or folders of them."""
    test_videos: tuple[str, ...] = ()
    """Videos that are only evaluated on: nothing of them is sampled, labelled or trained on."""
    detector: str = "motion"
    """The first teacher: yolox-nano (tiny ... x), FILE.onnx, hf:ID, hf-zero-shot:ID, motion; none:
    the first round is trained on drawn boxes alone (`labels`). Of several, [yolox-nano, FILE.onnx],
    the boxes are fused."""
    detector_options: dict[str, Any] = Field(default_factory=dict)
    """Options of that teacher, such as {floor: 0.05}; of several by name, such as
    {members: {yolox_nano: {floor: 0.05}}}."""
    teacher: str = ""
    """The first teacher of a classifier, such as hf-zero-shot-image:ID; empty: the tags alone."""
    teacher_options: dict[str, Any] = Field(default_factory=dict)
    """Options of that teacher, such as {template: "a photo of {}"}."""
    tags: str = ""
    """Weak labels of whole videos for a classifier: folders (the class is the name of the folder
    that a video lies in), manifest (as the manifest states that it was fetched from), or a file:
    CSV, JSON, or a manifest of videos that are there already."""
    columns: dict[Literal["video", "class", "start", "end", "claim"], str] = Field(
        default_factory=dict
    )
    """Names of the columns in files of tags and classes, where they are unusual: {class: scene}."""
    multi_label: bool = False
    """Several classes, or none, may be right at once; else exactly one is."""
    truth: str | None = None
    """File of hand-made labels to evaluate on, never trained on: boxes as COCO, classes as CSV."""
    labels: str | None = None
    """File of hand-made labels to train on; they override those of models and tags."""
    seed: Seed = 0
    """Random seed."""

    @field_validator("detector", mode="before")
    @classmethod
    def fused(cls, detector: Any) -> Any:
        """Take several detectors in a list as one name."""
        is_list = isinstance(detector, list | tuple) and all(isinstance(d, str) for d in detector)
        return fused_name(detector) if is_list else detector

    @field_validator("detector")
    @classmethod
    def with_kind(cls, detector: str) -> str:
        """Take released weights by name, and a file or folder by its path."""
        return fused_name(member_names(detector))

    @field_validator("classes", mode="before")
    @classmethod
    def separated(cls, classes: Any) -> Any:
        """Take names in a list, with commas between them, or both."""
        return class_names(classes)

    @field_validator("classes")
    @classmethod
    def named_once(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        """Refuse names that are empty or doubled."""
        if not all(name.strip() for name in classes) or len(set(classes)) < len(classes):
            raise ValueError("each class needs a name, and each name stands for one class")
        return classes

    @model_validator(mode="after")
    def mapped_to_classes(self) -> Self:
        """Refuse a class map that leads elsewhere: such boxes would be lost without a word."""
        for theirs, own in self.class_map.items():
            if own not in self.classes:
                raise ValueError(
                    f"class_map leads from '{theirs}' to '{own}', which is no class of the "
                    f"workspace{nearest(own, self.classes)}"
                )
        return self


def result_values(settings: BaseModel) -> dict[str, Any]:
    """Return the settings that results depend on as JSON values: all but properties of the machine.

    Settings within settings are included, without theirs.
    """
    kept = {
        name: getattr(settings, name)
        for name, field in type(settings).model_fields.items()
        if MACHINE not in field.metadata
    }
    plain = settings.model_dump(mode="json", include=set(kept))
    inner = {n: result_values(v) for n, v in kept.items() if isinstance(v, BaseModel)}
    return plain | inner


@dataclass(frozen=True)
class Config:
    """One workspace's settings: the project's, the engine's, and each stage's by name."""

    project: Project
    engine: Engine
    stages: Mapping[str, BaseModel]

    own_sections: ClassVar[dict[str, type[Settings]]] = {"engine": Engine}

    def with_stage(self, name: str, kind: type[BaseModel], changes: Mapping[str, Any]) -> Config:
        """Return these settings with some of one stage's replaced.

        Args:
            name: of the stage.
            kind: its settings type.
            changes: new values; those of nested settings are merged into what is there.

        Raises:
            ConfigError: for an unknown or wrong value.
        """
        before = self.stages.get(name) or kind()
        values = merged(before.model_dump(exclude_unset=True), changes)
        return replace(self, stages={**self.stages, name: checked(kind, values, name)})


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested values with the changes in place of what they held."""
    result = dict(values)
    for name, value in changes.items():
        before = result.get(name)
        nested = isinstance(before, Mapping) and isinstance(value, Mapping)
        result[name] = merged(before or {}, value) if nested else value
    return result


def parse(raw: Mapping[str, Any], sections: Mapping[str, type[BaseModel]], where: str) -> Config:
    """Return the checked content of a `reelabel.yaml`.

    Args:
        raw: the content.
        sections: the settings type of each stage, by the stage's name.
        where: the file, for messages.

    Raises:
        ConfigError: if it holds an unknown key or a wrong value.
    """
    known, raw = dict(sections) | Config.own_sections, with_sections(raw, where)
    top = {key: value for key, value in raw.items() if key not in known}
    unknown = [key for key in top if key not in Project.model_fields]
    if unknown:
        name = str(unknown[0])
        hint = _in_sections(name, known) or _as_flag(name)
        hint = hint or nearest(name, [*Project.model_fields, *known])
        raise ConfigError(f"{where}: unknown key '{unknown[0]}'{hint}")
    made = {
        name: checked(kind, raw.get(name) or {}, f"{where}: {name}") for name, kind in known.items()
    }
    project = checked(Project, top, where)
    return Config(
        project, checked(Engine, raw.get("engine") or {}, where), {n: made[n] for n in sections}
    )


def _in_sections(name: str, sections: Mapping[str, type[BaseModel]]) -> str:
    """Return a hint at the sections that have a key of this name, or an empty string."""
    places = [f"'{key}.{name}'" for key, kind in sections.items() if name in kind.model_fields]
    return f" (did you mean {' or '.join(places)}?)" if places else ""


def _as_flag(name: str) -> str:
    """Return a hint at the flag of `run` of this name, or an empty string."""
    return f" (each run is given it: reelabel run WORKSPACE --{name})" if name in _RUN_FLAGS else ""


def checked(kind: type[T], values: Any, where: str) -> T:
    """Return settings of that type.

    Raises:
        ConfigError: naming each wrong key or value, what was expected, and the nearest name.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected keys and values, got {shown(values)}")
    try:
        return kind.model_validate(dict(values))
    except ValidationError as exc:
        lines = [_complaint(kind, dict(error)) for error in exc.errors()]
        raise ConfigError(f"{where}: " + "; ".join(lines)) from exc


def _complaint(kind: type[BaseModel], error: dict[str, Any]) -> str:
    """Return one validation error as a sentence."""
    place = ".".join(str(part) for part in error["loc"]) if error["loc"] else kind.__name__
    renamed = getattr(kind, "renamed", {}).get(place)
    if renamed and error["type"] in ("extra_forbidden", "model_type"):
        names = " and ".join(f"'{name}'" for name in renamed.split(", "))
        return f"unknown key '{place}': it is now {names}"
    if error["type"] == "extra_forbidden":
        return f"unknown key '{place}'{_nearest_key(kind, error['loc'])}"
    if error["type"] == "missing":
        return f"'{place}' is missing"
    if error["type"] == "value_error":
        return f"'{place}': {error['ctx']['error']}" if error["loc"] else str(error["ctx"]["error"])
    if error["type"] == "too_short":
        least = error["ctx"]["min_length"]
        return f"'{place}': expected {least} or more, got {shown(error['input'])}"
    return f"'{place}': {error['msg'].lower()}, got {shown(error['input'])}"


def _nearest_key(kind: Any, place: Sequence[str | int]) -> str:
    """Return a hint at the known key that an unknown one resembles most, inside its section."""
    *above, last = (str(part) for part in place)
    for name in above:
        values = get_args(kind) if get_origin(kind) is dict else ()
        info = getattr(kind, "model_fields", {}).get(name)
        kind = values[1] if values else info.annotation if info is not None else None
    return nearest(last, getattr(kind, "model_fields", {}))


def with_sections(raw: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings with ``clean.score: 0.4`` in place as ``clean: {score: 0.4}``.

    Raises:
        ConfigError: if a key stands there both ways, leads into a value, or names nothing between
            two dots.
    """
    result = {key: value for key, value in raw.items() if "." not in str(key)}
    for key in (key for key in raw if "." in str(key)):
        *above, last = str(key).split(".")
        if not all((*above, last)):
            raise ConfigError(f"{where}: expected a key such as 'clean.score', but got '{key}'")
        home = result
        for name in above:
            inner = home.get(name)
            if inner is not None and not isinstance(inner, Mapping):
                raise ConfigError(f"{where}: '{key}' leads into '{name}', which is {shown(inner)}")
            home[name] = dict(inner or {})
            home = home[name]
        if last in home:
            raise ConfigError(f"{where}: '{key}' stands there twice: leave one of them")
        home[last] = raw[key]
    return result
