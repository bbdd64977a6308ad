"""Why finished work of a stage is stale: what was noted when it was made is compared with now.

A receipt holds a fingerprint alone. Before a stage works, what its fingerprints are made of
is noted once for all its units; a note that is missing or damaged costs the reason, nothing else.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from reelabel.engine.plan import Bound, Planned, basis_of
from reelabel.errors import ShardError, few
from reelabel.tables import ALL
from reelabel.workspace import fingerprint
from reelabel.workspace.editing import UNFINISHED

NOT_NOTED = "made by an earlier version, which did not note from what"
FUNCTION = "callable:"
GIVEN = "a function that run was given: give it to status too"
_KEPT = 4
"""So many notes of a stage are kept: its units may have been made at different times."""
_LONGEST = 40
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Note:
    """What the fingerprints of a stage's units were made of at one time.

    Attributes:
        digest: the fingerprint of `basis` as it was made.
        basis: see `reelabel.engine.plan.basis_of`, as JSON values.
        inputs: table and round -> fingerprint of all that was read, for stages of scope ``all``.
    """

    digest: str
    basis: Mapping[str, Any]
    inputs: Mapping[str, str]

    @classmethod
    def now(cls, bound: Bound, planned: Sequence[Planned]) -> Note:
        """Return what the fingerprints are made of as the workspace is."""
        basis = basis_of(bound)
        plain = json.loads(json.dumps(basis, default=str))
        return cls(fingerprint(*basis.values()), plain, _inputs(bound, planned))


def note_basis(bound: Bound, planned: Sequence[Planned]) -> None:
    """Note what the fingerprints of units are made of, before they are worked on.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    now = Note.now(bound, planned)
    kept = [now, *(note for note in _notes(bound) if note != now)][:_KEPT]
    bound.workspace.write_basis(bound.stage.name, bound.number, [asdict(note) for note in kept])


def why_stale(bound: Bound, planned: Sequence[Planned]) -> tuple[str, ...]:
    """Return why units of a stage are stale, each reason once, in the order of the units."""
    stale = [unit for unit in planned if unit.state == "stale"]
    if not stale:
        return ()
    now, words = Note.now(bound, planned), bound.stage.resource_words
    changed = [(note, "; ".join(_changes(note, now, words))) for note in _notes(bound)]
    return tuple(dict.fromkeys(_why(unit, changed) for unit in stale))


def _notes(bound: Bound) -> list[Note]:
    """Return what was noted, the latest first; none if it is damaged."""
    with contextlib.suppress(ShardError, TypeError, KeyError, AttributeError):
        found = bound.workspace.read_basis(bound.stage.name, bound.number)
        return [Note(str(n["digest"]), dict(n["basis"]), dict(n["inputs"])) for n in found]
    return []


def _inputs(bound: Bound, planned: Sequence[Planned]) -> dict[str, str]:
    """Return a fingerprint of each table that a stage of scope ``all`` reads."""
    if bound.stage.scope != "all":
        return {}
    rows: dict[str, list[Any]] = {}
    for name, number, *rest in (read for unit in planned for read in unit.inputs):
        rows.setdefault(f"{name} of round {number}", []).append(rest)
    return {name: fingerprint(read) for name, read in rows.items()}


def _why(unit: Planned, changed: Sequence[tuple[Note, str]]) -> str:
    """Return why one unit is stale; `changed` is what differs from each note now."""
    if unit.was == UNFINISHED:
        return "its work was interrupted, or a part of it removed"
    if not changed:
        return NOT_NOTED
    same_inputs = (c for n, c in changed if fingerprint(n.digest, unit.inputs) == unit.was)
    last, since = changed[0]
    otherwise = since if last.inputs and since else "what it reads was made again"
    return next(same_inputs, otherwise)


def _changes(before: Note, now: Note, resource: str) -> Iterator[str]:
    """Yield what differs between two notes, by kind; `resource` names what a stage prepares."""
    old, new = before.basis, now.basis
    if (old["schema"], old["version"]) != (new["schema"], new["version"]):
        yield "made by another version"
    settings = [*_differences(old["settings"], new["settings"])]
    settings += _differences(old["project"], new["project"])
    if settings:
        yield f"settings: {few(settings)}"
    if again := _made_again(old["after"], new["after"]):
        yield f"made again: {', '.join(again)}"
    names = [*dict.fromkeys([*before.inputs, *now.inputs])]
    if tables := [n for n in names if before.inputs.get(n) != now.inputs.get(n)]:
        yield f"tables: {few(map(_table_words, tables))}"
    if old["resource"] != new["resource"] and not settings:
        yield resource


def _table_words(read: str) -> str:
    """Return what a table that was read is called; one that no round makes has no round.

    >>> _table_words("videos of round 1"), _table_words("labels of round 1")
    ('videos', 'labels of round 1')
    """
    name = read.partition(" of round ")[0]
    return name if any(name == t.name and t.where == "tables" for t in ALL) else read


def _made_again(before: Sequence[Any], now: Sequence[Any]) -> list[str]:
    """Return the stages before this one whose result is another one."""
    digests = dict(before)
    return [name for name, digest in now if digests.get(name) != digest]


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    """Yield the settings that differ, such as ``max_steps 300 -> 30``."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            inner = f"{place}.{key}" if place else str(key)
            yield from _differences(before.get(key), now.get(key), inner)
    elif fingerprint(before) != fingerprint(now):
        given = f" ({GIVEN})" if str(before).startswith(FUNCTION) else ""
        yield f"{place} {before!s:.{_LONGEST}} -> {now!s:.{_LONGEST}}{given}"
