"""Every file of a workspace of each task x every damage x every command that reads a workspace.

A sample is walked. ``REELABEL_DAMAGES`` sets how many cases of each workspace; 0 walks over all.
``REELABEL_DAMAGES_SEED`` draws others.
"""

from __future__ import annotations

import hashlib
import itertools
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

CASES = int(os.environ.get("REELABEL_DAMAGES", "16"))
SEED = int(os.environ.get("REELABEL_DAMAGES_SEED", "0"))
PER_COMMAND = 5
"""Cases for each command where a sample is walked: each has to be run without damage first."""
NO_WORKSPACE = {"init", "demo", "flicker", "recipe"}
"""Commands that make a workspace or read none."""
WITH_MORE = {"clips", "compare", "export", "forget", "import", "predict"}
"""Commands that need more than a workspace, which `special` gives them."""
NOTES = {".lock", "_receipts.jsonl", "_rows.jsonl", "_exports.jsonl", "origin", ".reelabel-export"}
"""Caches and marks: what they hold is made from the rest."""
TIMED = {"logs", "receipts", "journal.jsonl"}
"""Files that hold times, and folders of such."""
TIMES = {"fetched_at", "fetched_bytes", "attempts"}
"""Columns of tables that hold when something was done, and how much was done for it."""
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
    return min((finished.root / "tables" / "videos").glob("*.parquet")).stem


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
    """Return a hash of what a file holds, the rows of a table, else its bytes; or what it is."""
    if not path.is_file():
        return "a folder" if path.is_dir() else "a link or a pipe"
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
            elif os.path.lexists(path) and not path.is_dir():
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


@dataclass(frozen=True)
class Case:
    """One damage and one command.

    Attributes:
        name: the file.
        how: it is damaged.
        label: of the command line.
    """

    name: str
    how: str
    label: str

    @property
    def nothing_promised(self) -> bool:
        """Whether nothing states what the file held: what can still be read is taken as it is."""
        ours = "/history/" in self.name or self.name.endswith("journal.jsonl")
        if self.name.startswith(FROM_PEOPLE) and not ours:
            return True
        return self.how == "gone" and kind_of(self.name) in UNKNOWN_IF_GONE

    @property
    def undone(self) -> bool:
        """Whether the file is as before it was made, so that less may be shown."""
        return self.how == "gone" or "/receipts/" in self.name

    def __str__(self):
        return f"{self.label}, {kind_of(self.name)}, {self.how}"


@dataclass
class Walk:
    """Runs commands on a copy of a finished workspace.

    Attributes:
        copy: of the workspace.
        out: folder for what commands write.
        tools: run commands and damage files.
        whole: what commands come to where nothing is damaged, None if they fail.
    """

    copy: Copy
    out: Path
    tools: object
    whole: dict[str, Outcome | None] = field(default_factory=dict)

    def run(self, line: list) -> Outcome:
        """Run a command and return what it came to."""
        shutil.rmtree(self.out, ignore_errors=True)
        self.out.mkdir()
        code, text = self.tools.call(line)
        written = (path for path in sorted(self.out.rglob("*")) if path.is_file())
        products = {str(path.relative_to(self.out)): content_of(path) for path in written}
        return Outcome(code, text, self.copy.changed(), products)

    def learn(self, label: str, line: list) -> None:
        """Note what a command comes to where nothing is damaged, without what varies."""
        first = self.run(line)
        self.copy.restore()
        if first.code not in {0, 1}:
            self.whole[label] = None
            return
        second = self.run(line)
        self.copy.restore()
        files = {n: c for n, c in first.files.items() if second.files.get(n) == c}
        products = {n: c for n, c in first.products.items() if second.products.get(n) == c}
        self.whole[label] = Outcome(first.code, first.text, files, products)

    def fault(self, case: Case, lines: dict[str, list]) -> str:
        """Damage a file, run a command, and return what is wrong, or nothing."""
        path = self.copy.root / case.name
        self.tools.damage(path, case.how)
        damaged = content_of(path) if os.path.lexists(path) else ""
        try:
            found = self.run(lines[case.label])
            whole = self.whole[case.label]
            if found.code not in {0, 1} or (found.code, whole.code) == (1, 0):
                return self.tools.refused_badly(found.code, found.text)
            other = self.other_results(found, whole, {case.name: damaged})
            if not other or case.nothing_promised:
                return ""
            if case.label.startswith("status") and found.text != whole.text:
                return ""
            told = case.undone and self.run(lines["status"]).text != self.whole["status"].text
            return "" if told else f"in silence: {other}: {found.text[-300:]}"
        finally:
            self.copy.restore()

    def other_results(self, found: Outcome, whole: Outcome, left: dict[str, str]) -> list[str]:
        """Return the files with another content than where nothing is damaged.

        `left` is the damaged file, which may have stayed so.
        """
        names = {n for n in {*found.files, *whole.files} if not is_free(n)}
        now = {n: found.files.get(n, self.copy.content(n)) for n in names}
        expected = {n: whole.files.get(n, self.copy.content(n)) for n in names}
        wrong = [n for n in names if now[n] not in {expected[n], left.get(n)}]
        products = [n for n, c in whole.products.items() if found.products.get(n) != c]
        return sorted(wrong) + sorted(products)


def is_free(name: str) -> bool:
    """Return whether a file may hold what it likes."""
    return Path(name).name in NOTES or bool(set(Path(name).parts) & TIMED)


def chosen(finished, lines: dict[str, list], damages) -> list[Case]:
    """Return the cases that are walked, those of one command after another."""
    draw = random.Random(SEED)
    labels = sorted(lines)
    if CASES:
        labels = sorted(draw.sample(labels, min(len(labels), CASES // PER_COMMAND)))
    files = one_of_each_kind(finished.root)
    cases = [Case(*each) for each in itertools.product(files, damages, labels)]
    some = draw.sample(cases, min(CASES or len(cases), len(cases)))
    return sorted(some, key=lambda case: case.label)


@pytest.fixture
def walk(tmp_path, tools):
    """Return a function that walks over damages of a workspace and returns the faults."""

    def find(finished):
        walk = Walk(Copy(finished.root, tmp_path / "ws"), tmp_path / "out", tools)
        lines = arguments_of(finished, walk.copy.root, walk.out)
        cases, faults = chosen(finished, lines, tools.damages), {}
        for label in ("status", *dict.fromkeys(case.label for case in cases)):
            walk.learn(label, lines[label])
        for case in cases:
            if walk.whole[case.label] is not None and (fault := walk.fault(case, lines)):
                faults[str(case)] = fault
        walked = sum(walk.whole[case.label] is not None for case in cases)
        print(f"{finished.task}: {walked} cases, {len(faults)} faults", *faults.items(), sep="\n")  # noqa: T201 -- with -s
        return faults

    return find


@pytest.mark.parametrize("name", ["boxes", "frames", "windows"])
def test_damage_is_made_right_or_explained(name, request, walk):
    """No command after damage ends in a trace or, without a word, in another result."""
    assert walk(request.getfixturevalue(name)) == {}


def test_every_command_is_walked_or_reads_no_workspace():
    """A new command is walked by itself; one that needs more than a workspace is named here."""
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        needed = [p.name for p in command.params if p.required]
        assert name in NO_WORKSPACE or needed == ["workspace"] or name in WITH_MORE, name
