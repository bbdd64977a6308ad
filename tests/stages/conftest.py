"""What the tests of stages share: workspaces, and a stage run through the engine."""

from __future__ import annotations

import pytest
import yaml

from reelabel.engine.run import Options
from reelabel.pipeline import DETECT, read_config, run_one
from reelabel.workspace import Workspace


class Bench:
    """A workspace in a temporary folder, in which stages are run one by one."""

    def __init__(self, root):
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self.configure(classes=["ball"])
        self.workspace = Workspace.open(root)

    def configure(self, **values):
        """Set keys of the settings file; the others stay."""
        path = self.root / "reelabel.yaml"
        before = yaml.safe_load(path.read_text()) if path.is_file() else {}
        path.write_text(yaml.safe_dump(before | values))

    def run(self, *names, number=0, **settings):
        """Run stages, the last of them with these settings, and return its result."""
        if settings:
            self.configure(**{names[-1]: settings})
        config = read_config(self.workspace)
        for name in names:
            result = run_one(
                self.workspace, config, Options(quiet=True), DETECT.flow[name], number=number
            )
        return result

    def rows(self, table, number=0):
        """Return all rows of a table, video after video."""
        ws = self.workspace
        return [
            row for v in ws.shards(table, number) for row in ws.read(table, v, number).to_pylist()
        ]


@pytest.fixture
def bench(tmp_path):
    """Return an empty workspace to run stages in."""
    return Bench(tmp_path / "w")


@pytest.fixture
def call(make_unit):
    """Return a function that calls a stage's own function on rows, without any workspace."""

    def run(stage, inputs, *, round_number=0, **values):
        previous = {"labels": inputs["previous_labels"]} if "previous_labels" in inputs else {}
        unit = make_unit(
            stage,
            inputs,
            settings=stage.settings(**values),
            previous=previous,
            round_number=round_number,
        )
        return stage.run(unit)

    return run
