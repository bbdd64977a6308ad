"""Compared classifiers in words and tables, for the terminal and the report."""

from __future__ import annotations

from collections.abc import Iterable

from reelabel.errors import counted
from reelabel.evaluation.classes.compare import ClassComparison, ModelCost, ModelDifference
from reelabel.evaluation.classes.deciding import measure_of
from reelabel.evaluation.figures import Figure
from reelabel.views.class_score_rows import HEADINGS, NOUNS, columns_of
from reelabel.views.sections import Cell, DataTable, Section
from reelabel.workspace.class_results import ModelComparison

COST_HEAD = ("model", "weights", "MB", "ms a moment", "frames/s")
"""Headings of the table of costs."""
_UNITS = ((1e6, "M"), (1e3, "k"))


def sample_of(found: ClassComparison) -> str:
    """Return what was compared, in words."""
    noun = counted(found.moments, *NOUNS[found.level])
    return f"{noun} in {counted(found.groups, 'group')}"


def difference_sentences(found: ClassComparison) -> list[str]:
    """Return a sentence on each model that is compared with another one: is it better?"""
    measure = measure_of(found)
    names = [model.name for model in found.models if model.name != found.against]
    differences = (found.difference(name, measure) for name in names)
    return [_difference(one, found.against) for one in differences]


def _difference(one: ModelDifference, against: str) -> str:
    if one.gain.value is None:
        return f"{one.model}: no difference to {against} is defined"
    what = f"{HEADINGS[one.measure]} {one.gain.signed()}, p = {one.p_value:.3f}"
    if not one.differs:
        return f"{one.model} is not told apart from {against}: {what}"
    return f"{one.model} is {'better' if one.is_better else 'worse'} than {against}: {what}"


def cost_cells(cost: ModelCost) -> list[str]:
    """Return weights, megabytes, latency and frames per second, a dash where not known."""
    speed = cost.speed
    return [
        short_number(cost.parameters),
        "-" if cost.size_bytes is None else f"{cost.size_bytes / 1e6:.1f}",
        "-" if speed is None else f"{speed.latency_s * 1000:.1f}",
        "-" if speed is None else f"{speed.frames_per_s:.0f}",
    ]


def cost_sentences(costs: Iterable[ModelCost]) -> list[str]:
    """Return what each of the two measures of speed is; nothing where none was measured."""
    speeds = [cost.speed for cost in costs if cost.speed is not None]
    if not speeds:
        return []
    sizes = " or ".join(str(size) for size in sorted({speed.batch_size for speed in speeds}))
    return [
        "ms a moment: one moment alone, from its frames to its classes",
        f"frames/s: the frames of many moments, in batches of {sizes} moments",
    ]


def short_number(value: int | None) -> str:
    """Return a count in few digits.

    >>> short_number(2_345_678), short_number(950), short_number(None)
    ('2.35M', '950', '-')
    """
    if value is None:
        return "-"
    for size, unit in _UNITS:
        if value >= size:
            return f"{value / size:.3g}{unit}"
    return str(value)


def comparison_section(found: ModelComparison) -> Section:
    """Return the models that `compare` has compared last, their differences and costs."""
    parts: list[DataTable | str] = []
    for one in found.levels.values():
        columns = columns_of(one.models[0].scores.exclusive)
        rows: list[list[Cell]] = [
            [model.name, *(model.scores.overall.get(m, Figure(None)) for m in columns)]
            for model in one.models
        ]
        parts.append(DataTable(["Model", *columns.values()], rows, sample_of(one)))
        parts += difference_sentences(one)
    first = next(iter(found.levels.values()), None)
    if first is not None:
        costs = [[model.name, *cost_cells(model.cost)] for model in first.models]
        parts.append(
            DataTable(COST_HEAD, costs, "Size, and speed on the machine that compared them")
        )
        parts += cost_sentences(model.cost for model in first.models)
    return Section("Models compared", [*parts, *found.notes], "Against classes that people gave.")
