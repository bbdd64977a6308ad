"""report of classifiers: scores by level, per class, confusions with examples, calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reelabel.data.boxes import Ints
from reelabel.errors import counted
from reelabel.evaluation.classes.compare import ClassComparison
from reelabel.evaluation.classes.deciding import STUDENT
from reelabel.evaluation.classes.figures import ClassScores
from reelabel.evaluation.classes.levels import Level
from reelabel.evaluation.figures import Figure
from reelabel.views import class_plots
from reelabel.views.class_moments import MomentPictures, ScoredMoments
from reelabel.views.class_score_rows import (
    AGAINST,
    GIVEN,
    HEADINGS,
    NOUNS,
    ClassScoreTable,
    Kind,
    score_tables,
)
from reelabel.views.sections import Cell, DataTable, Gallery, Plots, Section, Shown
from reelabel.workspace.class_results import ClassAblation, ClassificationScores

_INTERVALS = "Intervals of 95 % rest on resamples of groups of videos."
MOST_CONFUSIONS = 4
"""So many pairs of classes are shown with examples, the most frequent ones."""
EXAMPLES = 6
"""Pictures of each."""


def score_sections(scored: Mapping[int, ClassificationScores], best: str) -> Iterator[Section]:
    """Yield a section for each thing that the models of all rounds were scored against.

    Frames or clips, and whole videos, have tables of their own.

    Args:
        scored: round -> its scores.
        best: the best model so far, as a classifier's name.
    """
    tables: dict[Kind, list[ClassScoreTable]] = {}
    for table in score_tables(scored):
        tables.setdefault(table.kind, []).append(table)
    for of_kind in tables.values():
        parts = [_score_table(table, best) for table in of_kind]
        about = f"{of_kind[0].about.capitalize()}. {_INTERVALS}"
        yield Section(of_kind[0].title, parts, about)


def _score_table(table: ClassScoreTable, best: str) -> DataTable:
    rows: list[list[Cell]] = [
        [row.name, *(row.scores.overall.get(m, Figure(None)) for m in table.columns)]
        for row in table.rows
    ]
    return DataTable(
        head=["Model", *table.columns.values()],
        rows=rows,
        title=table.sample[:1].upper() + table.sample[1:],
        best=[i for i, row in enumerate(table.rows) if row.spec and row.spec == best],
    )


@dataclass(frozen=True)
class MainComparison:
    """The comparison of a round that is worth most: on unseen truth, else truth, else agreement.

    Attributes:
        kind: what it is against.
        levels: level -> models on the same moments.
    """

    kind: Kind
    levels: Mapping[Level, ClassComparison]

    @classmethod
    def of(cls, scores: ClassificationScores) -> MainComparison | None:
        """Return the comparison of these scores, None if nothing was scored."""
        for kind in ("truth_unseen", "truth", "agreement"):
            levels = getattr(scores, kind)
            if levels:
                return cls(kind, levels)
        return None

    @property
    def of_moments(self) -> ClassComparison:
        """That of frames or clips, else of videos."""
        return next(iter(self.levels.values()))

    def student(self, level: Level) -> ClassScores | None:
        """Return the student's scores on a level."""
        models = self.levels[level].models
        return next((model.scores for model in models if model.name == STUDENT), None)

    @property
    def described(self) -> str:
        """What it is against, in words."""
        return AGAINST[self.kind]


def ablation_section(found: ClassAblation) -> Section:
    """Return what each rule that doubts tags is worth: students without and with it."""
    levels, what = list(found.moments), HEADINGS[found.measure]
    sample = ", ".join(f"{n} {NOUNS[level][n != 1]}" for level, n in found.moments.items())
    head = [f"{what[:1].upper()}{what[1:]}, {NOUNS[level][1]}" for level in levels]
    gains = [f"Gain, {NOUNS[level][1]}" for level in levels]
    rows: list[list[Cell]] = [
        [
            one.name if one.trained_as == one.name else f"{one.name} (as {one.trained_as})",
            str(one.positives),
            str(one.ignored),
            *(one.scores[level] for level in levels),
            *(one.gain.get(level, Figure(None)) for level in levels),
        ]
        for one in found.variants
    ]
    about = (
        f"Students of round {found.round}, {counted(len(found.seeds), 'training')} for each row, "
        f"scored on {sample} in {counted(found.groups, 'group')} that none was trained on. Gains "
        "are to the first row, in which no tag is doubted."
    )
    table = DataTable(["Rules", "Labels", "Ignored", *head, *gains], rows)
    return Section("What each rule is worth", [table, *found.notes], about)


def class_section(main: MainComparison, names: Sequence[str]) -> Section:
    """Return the scores of each class, of the last round's student.

    Args:
        main: what it was scored on.
        names: of the classes, in their order.
    """
    parts = []
    for level, compared in main.levels.items():
        scores = main.student(level)
        if scores is not None:
            title = f"{counted(compared.moments, *NOUNS[level])} against {main.described}"
            parts.append(_per_class(scores, names, title, GIVEN[main.kind]))
    return Section("Per class", parts, "The student of the last round.")


def _per_class(scores: ClassScores, names: Sequence[str], title: str, given: str) -> DataTable:
    beta = f"F{scores.beta:g}"
    head = ["Class", given, "Predicted", "Groups", "Precision", "Recall", "F1", beta]
    several = not scores.exclusive
    rows: list[list[Cell]] = [
        [
            name,
            *(f"{n:,}" for n in (one.true, one.predicted, one.groups)),
            *(one.precision, one.recall, one.f1, one.f_beta),
            *([one.ap or Figure(None)] if several else []),
        ]
        for name in names
        if (one := scores.classes.get(name)) is not None
    ]
    return DataTable([*head, *(["AP"] if several else [])], rows, title)


def confusion_section(
    main: MainComparison, scored: ScoredMoments, names: Sequence[str], pictures: MomentPictures
) -> Section | None:
    """Return the confusion matrices of the student, and examples of its largest confusions.

    Args:
        main: what it was scored on.
        scored: the same moments, with its probabilities.
        names: of the classes.
        pictures: of the moments.
    """
    plots = []
    for level in main.levels:
        scores = main.student(level)
        if scores is not None and scores.confusion:
            matrix = class_plots.confusion_matrix(
                np.array(scores.confusion), names, GIVEN[main.kind].lower()
            )
            plots.append(Shown(matrix, f"against {main.described}", NOUNS[level][1].capitalize()))
    if not plots:
        return None
    given = GIVEN[main.kind]
    examples = list(_examples(scored, names, pictures, given))
    about = (
        f"Rows are the classes of {given.lower()}, columns predicted ones; the colour is the share "
        "of the row."
    )
    return Section("Confusion", [Plots(plots), *examples], about)


def _examples(
    scored: ScoredMoments, names: Sequence[str], pictures: MomentPictures, given: str
) -> Iterator[Gallery]:
    """Yield the surest mistakes of the most frequent confusions."""
    probability, moments = scored.predictions.probability, scored.predictions.moments.ids()
    known = np.flatnonzero((scored.target == 1).any(axis=1))
    true, predicted = scored.target[known].argmax(axis=1), probability[known].argmax(axis=1)
    for (a, b), count in _largest(true, predicted, len(names)):
        rows = known[(true == a) & (predicted == b)]
        surest = rows[np.argsort(-probability[rows, b], kind="stable")].tolist()
        shown = [
            Shown(uri, pictures.place(moments[row]), f"{names[b]} {probability[row, b]:.2f}")
            for row in _in_turn(surest, [moments[row][0] for row in surest])[:EXAMPLES]
            if (uri := pictures.uri(moments[row])) is not None
        ]
        about = f"{len(shown)} of {count}, the surest of each video first"
        yield Gallery(f"{given}: {names[a]}, predicted: {names[b]}", shown, about)


def _in_turn(rows: Sequence[int], videos: Sequence[str]) -> list[int]:
    """Return rows so that each video gives one in turn; within a video their order stays.

    >>> _in_turn([7, 8, 9], ["a", "a", "b"])
    [7, 9, 8]
    """
    seen = Counter[str]()
    rank = []
    for video in videos:
        rank.append(seen[video])
        seen[video] += 1
    return [rows[i] for i in np.argsort(rank, kind="stable").tolist()]


def _largest(true: Ints, predicted: Ints, k: int) -> list[tuple[tuple[int, int], int]]:
    """Return the most frequent pairs of a true class and another one, with their counts."""
    counts = np.bincount(true * k + predicted, minlength=k * k).reshape(k, k)
    np.fill_diagonal(counts, 0)
    pairs = [((int(a), int(b)), int(counts[a, b])) for a, b in np.argwhere(counts > 0)]
    return sorted(pairs, key=lambda pair: -pair[1])[:MOST_CONFUSIONS]


def calibration_section(main: MainComparison, temperature: float | None) -> Section:
    """Return accuracy over confidence of every model, and the temperature of the student."""
    compared = main.of_moments
    curves = {model.name: model.scores.reliability for model in compared.models}
    caption = f"{counted(compared.moments, *NOUNS[compared.level])} against {main.described}"
    right = "agreement" if main.kind == "agreement" else "accuracy"
    plot = Shown(class_plots.reliability_curve(curves, right), caption, "Reliability")
    head = ["Model", "ECE", "as usually given", "of which chance"]
    rows: list[list[Cell]] = [
        [
            model.name,
            model.scores.overall.get("ece", Figure(None)),
            Figure(model.scores.ece_raw),
            Figure(model.scores.ece_noise),
        ]
        for model in compared.models
    ]
    parts: list[DataTable | Plots | str] = [Plots([plot]), DataTable(head, rows)]
    if temperature is not None:
        parts.append(
            f"Held-out labels give the student the temperature {temperature:.2f}, with which its "
            "probabilities are calibrated, here as in predict; above 1 they become less extreme. "
            "Against those labels themselves each part of them has the temperature of the others."
        )
    about = "The expected calibration error (ECE) is stated without the part that chance gives."
    return Section("Calibration", parts, about)
