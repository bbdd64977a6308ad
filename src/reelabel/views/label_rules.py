"""What the labels of each rule are worth, and what a round gained and lost, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable

from reelabel.data.states import PREVIOUS
from reelabel.evaluation.label_rules import LabelCount, RuleQuality
from reelabel.labels.merging import MERGED_BY
from reelabel.workspace.results import Scores


def rules_title(scores: Scores) -> str:
    """Return what stands above the table of a round."""
    return f"Labels of round {scores.round} by rule"


def rules_about(scores: Scores) -> str:
    """Return what the columns mean, in a sentence; empty without a table."""
    if not scores.rules:
        return ""
    parts = ["Positive labels"]
    if scores.labels is not None:
        parts.append("right or wrong in annotated frames, at IoU 0.5")
    if scores.rules[0].gained is not None:
        parts.append(f"gained and lost since round {scores.round - 1}")
    return f"{'; '.join(parts)}."


def rules_legend(rules: Iterable[str]) -> list[str]:
    """Return sentences on those rules of a round whose names do not explain themselves.

    >>> rules_legend(["score", "previous"])
    ['previous: a label that an earlier round made, which nothing has replaced.']
    """
    named = list(dict.fromkeys(rules))
    found = [
        f"{rule}: the round before had labels of this frame too, and the policy "
        f"{rule.removeprefix(MERGED_BY)} (merge.policy) decided between them."
        for rule in named
        if rule.startswith(MERGED_BY)
    ]
    if PREVIOUS in named:
        found.append(f"{PREVIOUS}: a label that an earlier round made, which nothing has replaced.")
    return found


def rules_head(scores: Scores) -> list[str]:
    """Return the headings, no two alike: the rule, its labels, and what was gained and lost."""
    counts = ["labels"]
    if scores.rules and scores.rules[0].gained is not None:
        counts += ["gained", "lost"]
    judged = ["right", "wrong"] if scores.labels is not None else []
    heads = [(count, *(f"{count} {each}" for each in judged)) for count in counts]
    return ["rule", *(head for group in heads for head in group)]


def rules_rows(scores: Scores) -> list[list[str]]:
    """Return a row for each rule, with as many cells as headings, and their sum if several."""
    rules = list(scores.rules)
    if len(rules) > 1:
        rules.append(_sum(scores.rules))
    judged = scores.labels is not None
    return [[rule.rule, *_cells(rule, judged=judged)] for rule in rules]


def _cells(rule: RuleQuality, *, judged: bool) -> list[str]:
    parts = (one for one in (rule.labels, rule.gained, rule.lost) if one is not None)
    numbers = ((p.count, p.right, p.wrong) if judged else (p.count,) for p in parts)
    return [str(number) for part in numbers for number in part]


def _sum(rules: Iterable[RuleQuality]) -> RuleQuality:
    parts = [(one.labels, one.gained, one.lost) for one in rules]
    labels, gained, lost = (
        None if any(one is None for one in column) else _total(one for one in column if one)
        for column in zip(*parts, strict=True)
    )
    return RuleQuality("all", labels or LabelCount(), gained, lost)


def _total(counts: Iterable[LabelCount]) -> LabelCount:
    listed = [(one.count, one.right, one.wrong) for one in counts]
    return LabelCount(*(sum(column) for column in zip(*listed, strict=True)))
