"""report of a workspace that learns classes: scores by level, confusions, doubts, timelines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from reelabel.config import Config
from reelabel.data.states import IGNORE, POSITIVE
from reelabel.errors import MissingInput
from reelabel.evaluation.classes.leak_test import LeakTest
from reelabel.tables import CLASS_LABELS, MOMENTS, TAGS
from reelabel.tables.claims import IS
from reelabel.verbs.report import base_report
from reelabel.views.class_comparison import comparison_section
from reelabel.views.class_label_sections import ignored_section, split_section
from reelabel.views.class_moments import MomentPictures, scored_moments
from reelabel.views.class_score_rows import class_warnings
from reelabel.views.class_score_sections import (
    MainComparison,
    ablation_section,
    calibration_section,
    class_section,
    confusion_section,
    score_sections,
)
from reelabel.views.class_timelines import timeline_section
from reelabel.views.html import CountRow, ReportData, StateRow, write_report
from reelabel.views.report_figures import training_figures
from reelabel.views.sections import Section
from reelabel.workspace import Workspace
from reelabel.workspace.class_results import (
    ClassAblation,
    ClassificationScores,
    ModelComparison,
    TagQuality,
)
from reelabel.workspace.results import SplitReport
from reelabel.workspace.rounds import decision_of, labelled_rounds, report_path
from reelabel.workspace.snapshot import Snapshot


def report_classes(workspace: Workspace, config: Config) -> Path:
    """Write the report of a workspace that learns classes; see `reelabel.report`."""
    target = report_path(workspace, CLASS_LABELS)
    rounds = labelled_rounds(workspace, CLASS_LABELS)
    if target is None:
        raise MissingInput(f"{workspace.root} has no labels yet: run  reelabel run")
    return write_report(target, _data(Snapshot(workspace), config, rounds))


def _data(snapshot: Snapshot, config: Config, rounds: list[int]) -> ReportData:
    """Return the sections that every task has, and those on classes."""
    workspace, last = snapshot.workspace, rounds[-1]
    base, labels = (
        base_report(workspace, config, rounds, snapshot),
        snapshot.rows(CLASS_LABELS, last),
    )
    loaded = {n: ClassificationScores.load(workspace.round_dir(n)) for n in rounds}
    scored = {n: one for n, one in loaded.items() if one is not None}
    pictures = MomentPictures(workspace)
    timelines = timeline_section(workspace, last, config.project.classes, labels)
    tags = TagQuality.load(workspace.round_dir(last)) or TagQuality()
    doubts = ignored_section(labels, pictures, tags.judgements)
    return replace(
        base,
        facts=[*base.facts, *_facts(snapshot, labels)],
        warnings=[*base.warnings, *class_warnings(workspace, last)],
        sections=[
            *_scores(workspace, config, scored, pictures),
            *([doubts] if doubts else []),
            *([timelines] if timelines else []),
            *_ablated(workspace, rounds),
            *_compared(workspace, rounds),
        ],
        counts=_counts(snapshot.rows(CLASS_LABELS, rounds[0]), labels),
        states=_states(labels),
        figures=list(training_figures(workspace, rounds)),
        closing=list(_split(workspace, config, last, tags.leak_test)),
    )


def _facts(snapshot: Snapshot, labels: pa.Table) -> Iterator[tuple[str, str]]:
    yield "moments", str(len(snapshot.rows(MOMENTS)))
    yield "videos with tags", str(len(pc.unique(snapshot.rows(TAGS)["video_id"])))
    used = labels.filter((pc.field("claim") == IS) & (pc.field("state") == POSITIVE))
    yield "labels used", f"{len(used):,}"
    yield "labels ignored", f"{len(labels.filter(pc.field('state') == IGNORE)):,}"


def _scores(
    workspace: Workspace,
    config: Config,
    scored: Mapping[int, ClassificationScores],
    pictures: MomentPictures,
) -> Iterator[Section]:
    """Yield what the scores of all rounds are, and the last ones in detail."""
    if not scored:
        return
    last = max(scored)
    decision = decision_of(workspace, last)
    yield from score_sections(scored, decision.best if decision else "")
    main = MainComparison.of(scored[last])
    if main is None:
        return
    project = config.project
    found = scored_moments(
        workspace,
        last,
        project.classes,
        truth=main.kind != "agreement",
        exclusive=not project.multi_label,
    )
    confusion = confusion_section(main, found, project.classes, pictures)
    if confusion is not None:
        yield confusion
    yield class_section(main, project.classes)
    yield calibration_section(main, scored[last].temperature)


def _ablated(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Section]:
    """Yield what the last round with an ablation found."""
    found = (ClassAblation.load(workspace.round_dir(number)) for number in reversed(rounds))
    if (last := next((one for one in found if one is not None), None)) is not None:
        yield ablation_section(last)


def _compared(workspace: Workspace, rounds: Sequence[int]) -> Iterator[Section]:
    """Yield the last comparison of models that was made on the workspace, if there is one."""
    found = (ModelComparison.load(workspace.round_dir(n)) for n in reversed(rounds))
    last = next((one for one in found if one is not None), None)
    if last is not None:
        yield comparison_section(last)


def _split(
    workspace: Workspace, config: Config, number: int, leaks: LeakTest | None
) -> Iterator[Section]:
    """Yield how the data set of a round was divided, if it was."""
    split = SplitReport.load(workspace.round_dir(number))
    if split is not None:
        yield split_section(split, config.project.classes, leaks)


def _counts(before: pa.Table, after: pa.Table) -> list[CountRow]:
    first, last = _positive(before), _positive(after)
    return [CountRow(name, first[name], last[name]) for name in sorted({*first, *last})]


def _positive(labels: pa.Table) -> Counter[str]:
    """Return the number of labels that are trained on by class."""
    used = labels.filter((pc.field("claim") == IS) & (pc.field("state") == POSITIVE))
    return Counter(used["category"].to_pylist())


def _states(labels: pa.Table) -> list[StateRow]:
    pairs = Counter(zip(labels["state"].to_pylist(), labels["rule"].to_pylist(), strict=True))
    return [StateRow(state, rule, count) for (state, rule), count in sorted(pairs.items())]
