"""What a shell completes behind a flag: the names that it takes, looked up when they are asked for.

Commands and flags are completed by click itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

Completer: TypeAlias = "Callable[[click.Context, click.Parameter, str], list[CompletionItem]]"


def completes(names: Callable[[], Iterable[str]], *, files: bool = False) -> Completer:
    """Return what completes a flag's value by those of some names that begin like it.

    Args:
        names: returns the names.
        files: where no name begins like it, the shell completes files.
    """

    def found(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        del context, parameter
        fitting = [CompletionItem(name) for name in names() if name.startswith(incomplete)]
        return fitting or ([CompletionItem(incomplete, type="file")] if files else [])

    return found


def tasks() -> Iterable[str]:
    """Return the tasks that `init` takes."""
    from reelabel.engine.task import BUILT_IN

    return BUILT_IN


def stages() -> Iterable[str]:
    """Return the stages of all tasks, each task's in the order of the work."""
    from reelabel.engine.task import BUILT_IN, task_named

    return dict.fromkeys(stage for name in BUILT_IN for stage in task_named(name).flow)


def settings() -> Iterator[str]:
    """Yield every setting as ``--set`` takes it, such as ``clean.score=`` or ``mine.gap.flow=``."""
    from reelabel.cli.setting_names import leaves
    from reelabel.config import Config, Project
    from reelabel.engine.task import BUILT_IN, task_named

    stages = [stage for name in BUILT_IN for stage in task_named(name).flow.values()]
    kinds = [(stage.name, stage.settings) for stage in stages] + [*Config.own_sections.items()]
    inside = (f"{name}.{'.'.join(path)}=" for name, kind in kinds for path, _ in leaves(kind))
    yield from dict.fromkeys([*inside, *(f"{'.'.join(path)}=" for path, _ in leaves(Project))])


def evidence() -> Iterable[str]:
    """Return the kinds of temporal evidence, and that which stands for most of them."""
    from reelabel.data.states import EVIDENCE_KINDS

    return (*EVIDENCE_KINDS, "all")


def tags() -> Iterable[str]:
    """Return what weak labels may be, beside files."""
    from reelabel.config import FOLDERS, MANIFEST

    return (FOLDERS, MANIFEST)


def teachers() -> Iterator[str]:
    """Yield the kinds of classifiers, as they go before a colon."""
    from reelabel.models.registry import CLASSIFIERS, public_kinds

    yield from (f"{kind}:" for kind in public_kinds(CLASSIFIERS))


def embedders() -> Iterator[str]:
    """Yield the kinds of embedders, as they go before a colon, and those that stand alone."""
    from reelabel.models.registry import ALONE, EMBEDDERS, public_kinds

    yield from (kind if kind in ALONE else f"{kind}:" for kind in public_kinds(EMBEDDERS))


def students() -> Iterator[str]:
    """Yield the students for boxes and for classes; families, as they go before a colon."""
    from reelabel.models.registry import NOT_NAMED
    from reelabel.models.students.registry import spellings

    known = [*spellings("boxes"), *spellings("classes")]
    parts = (name.partition(":") for name in known if name not in NOT_NAMED)
    yield from dict.fromkeys(  # what stands in capitals is the user's to fill in
        f"{family}{colon}{'' if rest.isupper() else rest}" for family, colon, rest in parts
    )


OF_SETTINGS: dict[str, Completer] = {
    "student": completes(students),
    "embedder": completes(embedders),
}
"""What completes the flag of a setting that is text, by the setting's name."""


def detectors() -> Iterator[str]:
    """Yield the short names of detectors, and the kinds that go before a colon."""
    from reelabel.models.registry import ALONE, DETECTORS, public_kinds
    from reelabel.short_names import RELEASED

    yield from RELEASED
    for kind in public_kinds(DETECTORS):
        yield kind if kind in ALONE else f"{kind}:"


def exported() -> Iterator[str]:
    """Yield the formats that `export` writes."""
    from reelabel.engine.outputs import BOXES, CLASSES

    yield from dict.fromkeys([*BOXES["exports"], *CLASSES["exports"], "onnx"])


def imported() -> Iterable[str]:
    """Return the formats that `import` reads."""
    from reelabel.formats.registry import IMPORTED

    return IMPORTED
