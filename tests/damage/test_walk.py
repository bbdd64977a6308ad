"""Every file of a workspace of each task x every damage x every command that reads a workspace.

A sample is walked. ``REELABEL_DAMAGES`` sets how many cases of each workspace; 0 walks over all.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reelabel.cli.commands import cli
from reelabel.engine.task import task_named

CASES = int(os.environ.get("REELABEL_DAMAGES", "100"))
DAMAGES = ("gone", "empty", "half", "random bytes", "a folder", "another kind", "one bit")
NO_WORKSPACE = {"init", "demo", "flicker", "recipe"}
"""Commands that make a workspace or read none."""
NOTES = {".lock", "_receipts.jsonl", "_rows.jsonl", "_exports.jsonl", "origin", ".reelabel-export"}
"""Caches and marks: what they hold is made from the rest."""
TIMED = {"logs", "receipts", "journal.jsonl"}
"""Files that hold times, and folders of such."""
TIMES = {"fetched_at"}
"""Columns of tables that hold times."""
FROM_PEOPLE = ("imports/", "downloads/", "reelabel.yaml")
"""Footage, labels and settings come from people: what can still be read is taken as it is."""
UNKNOWN_IF_GONE = {"rounds/N/ablation.json", "imports/history/N/record.json"}
"""What nothing else states to have been there."""


# -- what is walked ------------------------------------------------------------------------------


def arguments_of(finished, root: Path, out: Path) -> dict[str, list]:
    """Return the command lines that read a workspace by a short name.

    Those of the command line's own list that need a workspace and nothing else are among them by
    themselves.
    """
    found = {}
    for name in cli.list_commands(click.Context(cli)):
        if name in NO_WORKSPACE:
            continue
        command = cli.get_command(click.Context(cli), name)
        quiet = ["-q"] if any("-q" in p.opts for p in command.params) else []
        for label, more in special(finished, root, out).get(name, {"": [root]}).items():
            found[f"{name} {label}".strip()] = [name, *more, *quiet]
    flow = task_named(finished.task).flow
    stages = set(itertools.chain(*(task_named(t).flow for t in TASKS))) - {"fetch"}
    return {n: line for n, line in found.items() if n not in stages or n in flow}


TASKS = ("detect", "classify-frames", "classify-clips")


def special(finished, root: Path, out: Path) -> dict[str, dict[str, list]]:
    """Return what commands are given that need more than a workspace: a line for each way."""
    formats = (*task_named(finished.task).exports, "onnx")
    what = ("truth", "labels") if finished.task == "detect" else ("truth",)
    boxes = ["--out", out / "p.json"]
    unseen = ["--on", finished.unseen / "tags.csv", "--videos", finished.unseen]
    return {
        "run": {"": [root, "--rounds", "1"]},
        "status": {"": [root], "verify": [root, "--verify"], "json": [root, "--json"]},
        "export": {f: [root, out / "export", "--format", f] for f in formats},
        "clips": {"": [root, out / "clips"]},
        "import": {
            **{f"as {one}": [root, finished.labels, "--as", one] for one in what},
            "remove": [root, "--remove"],
        },
        "predict": {"": [root, finished.footage, *boxes]},
        "show": {"": [root, "--out", out / "show"]},
        "ablate": {"": [root, "--seeds", "1"]},
        "origins": {"": [root, "--out", out / "origins.json"]},
        "forget": {"": [root, first_video(finished), "--dry-run"]},
        "compare": {"": [root, "fake:", *unseen, "--json", out / "compare.json"]},
        "fetch": {"": [root]},
        "train": {"": [root], "force": [root, "--force"]},
    }


def first_video(finished) -> str:
    """Return the id of a video of a workspace."""
    return sorted((finished.root / "tables" / "videos").glob("*.parquet"))[0].stem


def kind_of(name: str) -> str:
    """Return what files of a workspace have in common: the name without ids and numbers."""
    home, _, last = name.rpartition("/")
    if home.startswith(("downloads/", "exports/")) or home.endswith("/show"):
        last = re.sub(r".*(?=\.)", "*", last) if last != "journal.jsonl" else last
    return re.sub(r"[0-9a-f]{16}|\d+", "N", f"{home}/{last}".lstrip("/"))


def one_of_each_kind(root: Path) -> list[str]:
    """Return one file of each kind, sorted."""
    names = [str(path.relative_to(root)) for path in sorted(root.rglob("*")) if path.is_file()]
    return sorted({kind_of(name): name for name in names}.values())


# -- a copy of a workspace that becomes whole again ----------------------------------------------


def content_of(path: Path) -> str:
    """Return a hash of what a file holds: the rows of a table, else its bytes."""
    if path.is_dir():
        return "a folder"
    raw = path.read_bytes()
    if path.suffix == ".parquet":
        try:
            rows = pq.read_table(pa.BufferReader(raw))
            timeless = rows.select([n for n in rows.column_names if n not in TIMES])
            raw = repr(timeless.to_pylist()).encode()
        except (pa.ArrowException, OSError):
            pass
    return hashlib.sha256(raw).hexdigest()[:16]


def listed(root: Path) -> dict[str, tuple]:
    """Return size, time and inode of each file below a folder."""
    found = {}
    for home, folders, files in os.walk(root):
        for name in [*files, *folders]:
            path = os.path.join(home, name)  # noqa: PTH118 -- many thousand times
            stat = os.lstat(path)
            folder = name in folders
            found[path] = ("folder",) if folder else (stat.st_size, stat.st_mtime_ns, stat.st_ino)
    return found


@dataclass
class Copy:
    """A copy of a finished workspace, which is made whole again after each case.

    Attributes:
        pristine: the workspace, which stays as it is.
        root: the copy.
        known: the stamps of the files of the copy.
        contents: hashes of the pristine files that were compared.
    """

    pristine: Path
    root: Path
    known: dict[str, tuple] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        shutil.copytree(self.pristine, self.root, symlinks=True)
        self.known = listed(self.root)

    def content(self, name: str) -> str:
        """Return the hash of a pristine file, empty if there is none."""
        if name not in self.contents:
            path = self.pristine / name
            self.contents[name] = content_of(path) if path.exists() else ""
        return self.contents[name]

    def changed(self) -> dict[str, str]:
        """Return the hashes of the files that are not as they were; empty of those gone."""
        now = listed(self.root)
        names = {n for n in now.keys() | self.known.keys() if now.get(n) != self.known.get(n)}
        found = {}
        for name in names:
            relative = os.path.relpath(name, self.root)
            if now.get(name) == ("folder",) and name not in self.known:
                continue
            found[relative] = content_of(Path(name)) if name in now else ""
        return found

    def restore(self) -> None:
        """Make the copy whole again."""
        now = listed(self.root)
        different = {n for n in now.keys() | self.known.keys() if now.get(n) != self.known.get(n)}
        for name in sorted(different):
            path, source = Path(name), self.pristine / os.path.relpath(name, self.root)
            if path.is_dir() and not source.is_dir():
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()
            if source.is_file():
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, path)
            elif source.is_dir():
                path.mkdir(exist_ok=True)
        self.known = listed(self.root)


@dataclass(frozen=True)
class Outcome:
    """What a command came to.

    Attributes:
        code: its exit code.
        text: what it printed.
        files: hashes of the files of the workspace that changed.
        products: hashes of the files that it wrote outside.
    """

    code: int
    text: str
    files: dict[str, str]
    products: dict[str, str]


@dataclass
class Walk:
    """Runs commands on a copy of a finished workspace.

    Attributes:
        finished: the workspace.
        copy: of it.
        out: folder for what commands write.
        capture: reads what was printed.
        call: runs a command line.
        damage: damages a file.
        ways_out: finds a way out in what was printed.
        healthy: what `status` prints where nothing is damaged.
    """

    finished: object
    copy: Copy
    out: Path
    capture: object
    call: object
    damage: object
    ways_out: object
    healthy: str = ""

    def run(self, line: list) -> Outcome:
        """Run a command and return what it came to."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        self.capture.readouterr()
        code = self.call(*line)
        text = "".join(self.capture.readouterr())
        products = {
            str(p.relative_to(self.out)): content_of(p)
            for p in sorted(self.out.rglob("*"))
            if p.is_file()
        }
        return Outcome(code, text, self.copy.changed(), products)

    def whole(self, line: list) -> Outcome | None:
        """Return what a command comes to where nothing is damaged, without what varies."""
        found = []
        for _ in range(2):
            found.append(self.run(line))
            self.copy.restore()
        first, second = found
        if first.code not in {0, 1}:
            return None
        return Outcome(
            first.code,
            first.text,
            {n: c for n, c in first.files.items() if second.files.get(n) == c},
            {n: c for n, c in first.products.items() if second.products.get(n) == c},
        )

    def status_tells(self) -> bool:
        """Return whether `status` reports work to be done, as it does not where all is whole."""
        return self.run(["status", self.copy.root]).text != self.healthy

    def fault(self, name: str, how: str, line: list, whole: Outcome) -> str:
        """Damage a file, run a command, and return what is wrong, or nothing."""
        self.damage(self.copy.root / name, how)
        damaged = content_of(self.copy.root / name) if (self.copy.root / name).exists() else ""
        try:
            fault = judged(self, self.run(line), whole, name, damaged)
            silent = fault.startswith("in silence")
            if silent and (is_given(name, how) or (undone(name, how) and self.status_tells())):
                return ""
            return fault
        finally:
            self.copy.restore()


def is_given(name: str, how: str) -> bool:
    """Return whether no other result is promised: nothing states what the file held."""
    if name.startswith(FROM_PEOPLE) and "/history/" not in name:
        return how in {"half", "one bit", "empty", "another kind", "gone", "random bytes"}
    return how == "gone" and kind_of(name) in UNKNOWN_IF_GONE


def undone(name: str, how: str) -> bool:
    """Return whether a file is now as before it was made: what reads it may show less."""
    return how == "gone" or "/receipts/" in name


def judged(walk: Walk, found: Outcome, whole: Outcome, name: str, damaged: str) -> str:
    """Return what is wrong with a command's outcome after damage, or nothing."""
    if found.code == 9 or "Traceback" in found.text or "unexpected" in found.text:
        return f"exit code {found.code}: {found.text[-300:]}"
    if found.code not in {0, 1} or (found.code, whole.code) == (1, 0):
        return "" if walk.ways_out.search(found.text) else f"no way out: {found.text[-300:]}"
    wrong = {}
    for each in {*found.files, *whole.files}:
        expected = whole.files.get(each, walk.copy.content(each))
        got = found.files.get(each, walk.copy.content(each))
        free = Path(each).name in NOTES or set(Path(each).parts) & TIMED
        if got != expected and not free and not (each == name and got == damaged):
            wrong[each] = (expected, got)
    other = {
        n: (c, found.products.get(n, ""))
        for n, c in whole.products.items()
        if found.products.get(n) != c
    }
    return (
        f"in silence: {sorted(wrong)} {sorted(other)}: {found.text[-300:]}"
        if wrong or other
        else ""
    )


@pytest.fixture
def walk_over(tmp_path, capfd, damaged, ways_out):
    """Return a function that walks over damages of a workspace and returns the faults."""

    def walk(finished, call, count=CASES):
        copy = Copy(finished.root, tmp_path / "ws")
        walking = Walk(finished, copy, tmp_path / "out", capfd, call, damaged, ways_out)
        lines = arguments_of(finished, copy.root, walking.out)
        cases = list(itertools.product(one_of_each_kind(finished.root), DAMAGES, lines))
        if count:
            cases = random.Random(0).sample(cases, min(count, len(cases)))
        walking.healthy = walking.run(["status", copy.root]).text
        copy.restore()
        wholes, faults = {}, []
        for name, how, label in sorted(cases, key=lambda case: case[2]):
            if label not in wholes:
                wholes[label] = walking.whole(lines[label])
                if wholes[label] is None:
                    dump({"leave": label})
            if wholes[label] is not None:
                fault = walking.fault(name, how, lines[label], wholes[label])
                if fault:
                    faults.append((label, kind_of(name), how, fault))
                    dump(faults[-1])
        dump({"cases": len(cases), "lines": len(lines)})
        return faults

    return walk


def dump(value):
    with Path("/tmp/damage_faults.jsonl").open("a") as f:
        f.write(json.dumps(value) + "\n")


@pytest.mark.parametrize("task", ["boxes", "frames", "windows"])
def test_damage_is_made_right_or_explained(task, request, walk_over, command):
    """No command after damage ends in a trace or, without a word, in another result."""
    assert walk_over(request.getfixturevalue(task), command) == []
