"""How often decisions without truth are wrong, by rule, where the truth is known.

    python benchmarks/decisions.py FOLDER [--make]

`--make` trains the students of `decision_training` into the folder first (hours), and writes the
pairs of `decision_simulator`; without it the detections that lie there are used, in seconds.

A student is clearly worse if the interval of its AP minus that of the better of its teacher and
untrained start lies below 0, clearly better if it lies above. Printed are the share of clearly
worse students that a rule lets on, and of clearly better ones that it refuses. The rule's limits
were chosen on the scenes in `TUNING` alone.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import decision_simulator
import decision_training
from decision_pairs import Evidence, Pair, evidence_of, pairs_in
from reelabel.evaluation.deciding import Limits, decide_without_truth

TUNING = {
    "ball",
    "day",
    "dogs",
    "fetch",
    "garden",
    "person",
    "rain",
    "synth0_motion",
    "synth0_yolox",
    "trains",
    "trains_nanodet",
}
"""Scenes that were looked at while the rule and its limits were chosen."""
OLD_LEAST_KEPT = 0.8
Rule = Callable[[Evidence], bool]


def old_rule(evidence: Evidence) -> bool:
    """Let on a student that finds 80 % of the held-out labels at IoU 0.75 and score 0.5."""
    return evidence.kept75 >= OLD_LEAST_KEPT


def new_rule(evidence: Evidence) -> bool:
    """Let on a student as the stage `advance` does."""
    outcome = decide_without_truth(evidence.held_out, evidence.mirror, Limits())
    return outcome.best == "student"


def labels_only(evidence: Evidence) -> bool:
    """Let on a student that loses few labels, whatever the mirror says."""
    lost = evidence.held_out.lost
    figure = lost.get("start") or lost["teacher"]
    return (figure.value or 0.0) <= Limits().max_lost


def mirror_only(evidence: Evidence) -> bool:
    """Let on a student that is more consistent under mirroring, whatever the labels say."""
    return decide_without_truth(None, evidence.mirror, Limits()).best == "student"


RULES: dict[str, Rule] = {
    "old": old_rule,
    "new": new_rule,
    "kept labels alone": labels_only,
    "mirror alone": mirror_only,
}


def part_of(pair: Pair) -> str:
    """Return what a pair is used for."""
    name = pair.scene.folder.name
    if name.startswith(decision_simulator.PREFIX):
        return "simulated"
    return "tuning" if name in TUNING else "test"


def report(measured: list[tuple[Pair, Evidence]]) -> None:
    """Print the error rates of all rules, and the mistakes of the new one."""
    outcomes = Counter((part_of(pair), evidence.outcome) for pair, evidence in measured)
    print(
        f"\n{'part':<11}{'rule':<20}{'worse let on':>16}{'better refused':>18}{'open let on':>15}"
    )
    for part in ("tuning", "test", "simulated"):
        for name, rule in RULES.items():
            let_on = Counter(
                evidence.outcome
                for pair, evidence in measured
                if part_of(pair) == part and rule(evidence)
            )
            worse, better, unclear = (outcomes[part, o] for o in ("worse", "better", "open"))
            print(
                f"{part:<11}{name:<20}{let_on['worse']:>8} of {worse:<4}"
                f"{better - let_on['better']:>10} of {better:<4}{let_on['open']:>8} of {unclear}"
            )
    print("\nmistakes of the new rule")
    for line in mistakes(measured):
        print(line)


def mistakes(measured: list[tuple[Pair, Evidence]]) -> Iterator[str]:
    """Yield a line for each clearly wrong decision of the new rule."""
    for pair, evidence in measured:
        let_on, outcome = new_rule(evidence), evidence.outcome
        if outcome == ("worse" if let_on else "better"):
            ap = {role: one.overall.ap.value for role, one in evidence.truth.models.items()}
            reason = decide_without_truth(evidence.held_out, evidence.mirror, Limits()).reason
            done = "let on" if let_on else "refused"
            print_ap = ", ".join(f"{role} {value:.3f}" for role, value in ap.items())
            yield f"  {pair.scene.folder.name} {pair.student}, {done}: AP {print_ap}; {reason}"


def main() -> None:
    """Make the pairs if asked to, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--make", action="store_true", help="train and simulate the pairs first")
    given = parser.parse_args()
    if given.make:
        decision_simulator.make_pairs(given.folder)
        decision_training.make_pairs(given.folder)
    measured = [(pair, evidence_of(pair)) for pair in pairs_in(given.folder)]
    print(f"{len(measured)} pairs in {len({pair.scene.folder for pair, _ in measured})} scenes")
    report(measured)


if __name__ == "__main__":
    main()
