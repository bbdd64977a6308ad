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


def completes(names: Callable[[], Iterable[str]]) -> Completer:
    """Return what completes a flag's value by those of some names that begin like it."""

    def found(
        context: click.Context, parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        del context, parameter
        return [CompletionItem(name) for name in names() if name.startswith(incomplete)]

    return found


def tasks() -> Iterable[str]:
    """Return the tasks that `init` takes."""
    from reelabel.engine.task import BUILT_IN

    return BUILT_IN


def stages() -> Iterable[str]:
    """Return the stages of all tasks, in the order of the work."""
    from reelabel.cli.group import STAGES

    return STAGES


def settings() -> Iterator[str]:
    """Yield every setting of every stage as ``--set`` takes it, such as ``clean.score=``."""
    from reelabel.engine.task import BUILT_IN, task_named

    seen = {
        f"{stage.name}.{key}=": None
        for name in BUILT_IN
        for stage in task_named(name).flow.values()
        for key in stage.settings.model_fields
    }
    yield from seen


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
