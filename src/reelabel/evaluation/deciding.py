"""Is a student better than its teacher and than its own untrained start?

With ground truth the higher AP decides. Without it two things are known. Labels that the teacher
made cannot show that a student is better than the teacher: they contain its mistakes. They can show
that a student is worse, because it lost objects; so they only refuse. What lets a student on is a
measure that needs no labels: consistency under mirroring, on the objects that it and the other
model both find. That measure cannot see boxes that are wrong in the same way everywhere, so a
student whose boxes moved or grew against those of its start is undecided too. See
``docs/decisions/0010-deciding-without-truth.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from reelabel.errors import counted
from reelabel.evaluation.figures import ROLES, Comparison, Figure, Finding, Gain, Rival, Role
from reelabel.evaluation.without_truth import HeldOutLabels, MirrorConsistency, SharedGain

Answer = Literal["better", "worse", "undecided"]

TEACHER_TOLERANCE = 0.02
"""So much less consistent than a teacher with another input a student may be: the size of pictures
moves the figure. Against the start, and a teacher with the same input, there is no tolerance."""
_NAMES: dict[Rival, str] = {
    "teacher": "the teacher",
    "start": "its untrained start",
    "student": "the student",
    "best": "the best model so far",
}


@dataclass(frozen=True)
class Limits:
    """What a decision without truth requires.

    Attributes:
        max_lost: how much less of the held-out labels the student may keep than its start, or than
            the teacher if it has no start, 0..1. The teacher made the labels and keeps nearly all
            of them whatever it is worth; the start did not make them either.
        min_labels: with fewer held-out labels they do not count.
        min_objects: with fewer objects that two models share their consistency does not count.
        max_shift: if the student's boxes differ more from those of its start, systematically and
            as a share of their sides, nothing shows which of the two are right.
    """

    max_lost: float = 0.15
    min_labels: int = 20
    min_objects: int = 20
    max_shift: float = 0.1


@dataclass(frozen=True)
class Outcome:
    """Which model is the best after a round, and why.

    Attributes:
        best: the student, its untrained start, or "teacher": the best model so far.
        ap: its AP against ground truth, None if that did not decide.
        reason: the decision in words, with sample sizes.
        findings: the comparisons that it rests on.
    """

    best: Role
    ap: float | None
    reason: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class BestSoFar:
    """The best model of the rounds before.

    Attributes:
        ap: its AP on the same annotated frames, 0..1.
        name: what it is, such as "the student of round 0"; empty: it is called the best model.
        is_teacher: whether it labelled this round; then its gain is that of the teacher.
        gain: how much higher the student's AP is, None where its resamples are not known.
    """

    ap: float
    name: str = ""
    is_teacher: bool = False
    gain: Gain | None = None

    @property
    def words(self) -> str:
        """What it is called in a reason."""
        return ", ".join(filter(None, (self.name, _NAMES["best"])))


def decide_by_truth(
    truth: Comparison, best: BestSoFar | None = None, min_gain: float = 0.0
) -> Outcome | None:
    """Decide by AP on the same annotated frames.

    A gain that may be chance does not count, but for a first student that started from nothing.

    Args:
        truth: the scores of the models.
        best: the best model so far; None: that is the teacher, whose AP is among the scores.
        min_gain: how much better the student must be than the others, -1..1.

    Returns:
        None if AP is not defined.
    """
    ap = {role: one.overall.ap.value for role, one in truth.models.items()}
    student, start = ap["student"], ap.get("start")
    before = best.ap if best is not None else ap["teacher"]
    if student is None or before is None:
        return None
    bar = before if start is None else max(before, start)
    findings = tuple(_ap_findings(truth, best))
    words = f"AP {student:.3f} on {counted(truth.frames, 'frame')} against {before:.3f} of "
    words += _NAMES["teacher"] if best is None else best.words
    words += "" if start is None else f" and {start:.3f} of its untrained start"
    words += _certainty(findings, _bars(best), best.name if best is not None else "")
    role: Role = "start" if start is not None and start > before else "teacher"
    if student - bar <= min_gain:
        return Outcome(role, bar, f"the student is not better: {words}", findings)
    rival = "start" if role == "start" else _bars(best)[0]
    if (start is not None or best is not None) and _may_be_chance(findings, rival):
        again = "training" if best is None else "another round"
        reason = f"{again} adds nothing beyond chance: {words}"
        return Outcome(role, bar, reason, findings)
    return Outcome("student", student, f"the student is better: {words}", findings)


def _may_be_chance(findings: tuple[Finding, ...], rival: Rival) -> bool:
    """Return whether the interval of the gain over another model covers 0."""
    low = next((one.gain.low for one in findings if one.against == rival), None)
    return low is not None and low <= 0


def _bars(best: BestSoFar | None) -> tuple[Rival, ...]:
    """Return the models that a student must beat, whose intervals stand beside their AP."""
    return ("teacher" if best is None or best.is_teacher else "best", "start")


def _ap_findings(truth: Comparison, best: BestSoFar | None) -> Iterator[Finding]:
    ap = {role: one.overall.ap.value for role, one in truth.models.items()}
    rivals: dict[Rival, tuple[float | None, Gain | None]] = {
        role: (ap[role], truth.gains.get(role)) for role in ROLES if role in ap
    }
    del rivals["student"]
    if best is not None and not best.is_teacher:
        rivals["best"] = (best.ap, best.gain)
    for rival, (other, gain) in rivals.items():
        student = ap["student"]
        figure = _difference(student, other)
        if gain and figure.value is not None:
            figure = Figure(figure.value, gain.low, gain.high)
        sample = f"{counted(truth.frames, 'frame')}, {counted(truth.boxes, 'box', 'boxes')}"
        yield Finding("AP", rival, student, other, figure, sample)


def _difference(a: float | None, b: float | None) -> Figure:
    return Figure(None if a is None or b is None else round(a - b, 6))


def _certainty(findings: tuple[Finding, ...], than: tuple[Rival, ...], best: str) -> str:
    """Return the intervals of the differences in words, and which of them may be chance.

    Args:
        findings: the comparisons.
        than: with which models.
        best: the name of the best model so far, if it has one; it is the first of `than`.
    """
    names = dict(_NAMES) | ({than[0]: best} if best else {})
    each = ", ".join(
        f"{one.gain.low:+z.3f} to {one.gain.high:+z.3f} against {names[one.against]}"
        f"{', which may be chance' if one.gain.low <= 0 <= one.gain.high else ''}"
        for one in findings
        if one.against in than and one.gain.low is not None and one.gain.high is not None
    )
    return f" (difference {each})" if each else ""


def first_student(truth: Comparison | None) -> Outcome:
    """Return that the student is the best model, as no detector labelled before it.

    Args:
        truth: its scores, None if there is no truth.
    """
    ap = truth.models["student"].overall.ap.value if truth is not None else None
    words = (
        f": AP {ap:.3f} on {counted(truth.frames, 'frame')}"
        if truth is not None and ap is not None
        else ""
    )
    reason = f"the student is the first model, as there was no detector{words}"
    return Outcome("student", ap, reason, ())


def decide_without_truth(
    held_out: HeldOutLabels | None, mirror: MirrorConsistency | None, limits: Limits
) -> Outcome:
    """Decide by held-out labels, which may refuse, and by consistency under mirroring.

    Args:
        held_out: what the models keep of held-out labels; None if nothing was held out.
        mirror: how consistent they are; None if they cannot be compared.
        limits: what is required.
    """
    by_labels, by_mirror = _by_labels(held_out, limits), _by_mirror(mirror, limits)
    findings = (*_label_findings(held_out), *_mirror_findings(mirror))
    words = f"{_label_words(held_out, limits)}; {_mirror_words(mirror, limits)}"
    if by_labels == "worse":
        reason = f"the student lost labels: {words}"
    elif by_mirror == "better":
        reason = f"held-out labels leave it undecided, and mirrored frames agree: {words}"
        return Outcome("student", None, reason, findings)
    elif by_mirror == "worse":
        reason = f"the student is not more consistent under mirroring: {words}"
    else:
        reason = f"undecided, so the student is not used: {words}"
    start = _start_is_better(held_out, mirror, limits)
    return Outcome("start" if start else "teacher", None, reason, findings)


def _by_labels(held_out: HeldOutLabels | None, limits: Limits) -> Answer:
    if held_out is None or held_out.labels < limits.min_labels:
        return "undecided"
    bar: Role = "start" if "start" in held_out.lost else "teacher"
    return "worse" if (held_out.lost[bar].value or 0.0) > limits.max_lost else "undecided"


def _by_mirror(mirror: MirrorConsistency | None, limits: Limits) -> Answer:
    gains = mirror.student if mirror is not None else {}
    other_input = mirror is not None and not mirror.same_input
    tolerance: dict[Role, float] = {"teacher": TEACHER_TOLERANCE if other_input else 0.0}
    answers = {
        _compared(role, gain, limits, tolerance.get(role, 0.0)) for role, gain in gains.items()
    }
    if "worse" in answers:
        return "worse"
    return "better" if answers == {"better"} else "undecided"


def _compared(role: Role, gain: SharedGain, limits: Limits, tolerance: float) -> Answer:
    """Return whether the student is more consistent than one other model, or hardly less."""
    value = gain.gain.value
    if value is None or gain.objects < limits.min_objects or _shifted(role, gain, limits):
        return "undecided"
    return "better" if value > -tolerance else "worse"


def _shifted(role: Role, gain: SharedGain, limits: Limits) -> bool:
    """Return whether the student's boxes are systematically others than those of its start."""
    return role == "start" and gain.shift is not None and gain.shift > limits.max_shift


def _start_is_better(
    held_out: HeldOutLabels | None, mirror: MirrorConsistency | None, limits: Limits
) -> bool:
    """Return whether the untrained start is clearly more consistent than the teacher."""
    start = mirror.start if mirror is not None else None
    if start is None or start.objects < limits.min_objects or (start.gain.low or 0.0) <= 0:
        return False
    if held_out is None or held_out.labels < limits.min_labels or "start" not in held_out.models:
        return True
    kept = {role: one.labels.value or 0.0 for role, one in held_out.models.items()}
    return kept["teacher"] - kept["start"] <= 2 * limits.max_lost  # the teacher made the labels


def _label_findings(held_out: HeldOutLabels | None) -> list[Finding]:
    if held_out is None:
        return []
    student, found = held_out.models["student"], []
    for role in (role for role in ROLES if role in held_out.lost):
        lost, other = held_out.lost[role], held_out.models[role]
        gain = Figure(*(_negative(v) for v in (lost.value, lost.high, lost.low)))
        values = (student.labels.value, other.labels.value)
        sample = counted(held_out.labels, "label")
        found.append(Finding("held-out labels kept", role, *values, gain, sample))
        if held_out.gaps:
            values = (student.gaps.value, other.gaps.value)
            sample = counted(held_out.gaps, "label")
            difference = _difference(*values)
            found.append(Finding("gap labels kept", role, *values, difference, sample))
    return found


def _negative(value: float | None) -> float | None:
    return None if value is None else 0.0 - value


def _mirror_findings(mirror: MirrorConsistency | None) -> list[Finding]:
    if mirror is None:
        return []
    return [
        Finding(
            "consistency under mirroring",
            role,
            None,  # each model's own figure is of all that it finds, not of the shared objects
            None,
            mirror.student[role].gain,
            f"{counted(mirror.student[role].objects, 'shared object')} in "
            f"{counted(mirror.frames, 'frame')}",
        )
        for role in ROLES
        if role in mirror.student
    ]


def _label_words(held_out: HeldOutLabels | None, limits: Limits) -> str:
    if held_out is None:
        return "no labels were held out"
    if held_out.labels < limits.min_labels:
        return f"{counted(held_out.labels, 'held-out label')}, but {limits.min_labels} are needed"
    shares = [
        f"{_NAMES[role]} {value:.0%}"
        for role in ROLES
        if role in held_out.models and (value := held_out.models[role].labels.value) is not None
    ]
    return f"of {counted(held_out.labels, 'held-out label')} are kept: {', '.join(shares)}"


def _mirror_words(mirror: MirrorConsistency | None, limits: Limits) -> str:
    if mirror is None or not mirror.student:
        return "the models cannot be compared on mirrored frames"
    few = min(shared.objects for shared in mirror.student.values())
    if few < limits.min_objects:
        return f"{counted(few, 'object')} in mirrored frames, but {limits.min_objects} are needed"
    gains = [
        f"{mirror.student[role].gain.signed()} against {_NAMES[role]} on "
        f"{counted(mirror.student[role].objects, 'shared object')}"
        for role in ROLES
        if role in mirror.student
    ]
    shifted = [one.shift for role, one in mirror.student.items() if _shifted(role, one, limits)]
    moved = "".join(
        f"; its boxes changed systematically, by {one:.2f} of a side" for one in shifted
    )
    return f"consistency under mirroring {', '.join(gains)}{moved}"
