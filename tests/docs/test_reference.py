"""The generated reference: made from the code, and committed as it is made."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from reelabel.cli.group import STAGES
from reelabel.tables import ALL

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker():
    """Return the script that makes the pages."""
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(maker):
    """Return the pages as the code makes them now."""
    return maker.pages()


def test_committed_pages_are_up_to_date(maker, capsys):
    """The pages in the repository are what the code makes; else run  make docs."""
    assert maker.main(["--check"]) == 0, capsys.readouterr().err


def test_check_names_pages_that_are_missing_or_changed(maker, pages, tmp_path):
    """A page that differs by one character is stale, and so is one that is not there."""
    for name, text in pages.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert maker.stale(tmp_path) == []
    (tmp_path / "tables.md").write_text(pages["tables.md"] + " ", encoding="utf-8")
    (tmp_path / "cli.md").unlink()
    assert maker.stale(tmp_path) == ["tables.md", "cli.md"]


def test_unknown_arguments_change_nothing(maker, capsys):
    """A mistyped flag is refused with the usage and exit code 2."""
    assert maker.main(["--chek"]) == 2
    assert "--check" in capsys.readouterr().err


def test_every_table_and_column_is_described(pages):
    """Each declared column has a row with its meaning."""
    for table in ALL:
        section = pages["tables.md"].partition(f"\n## {table.name}\n")[2].partition("\n## ")[0]
        for column in table.columns:
            assert f"| `{column.name}` |" in section
            assert f"| {column.meaning} |" in section


def test_every_setting_has_a_meaning(pages):
    """No row of the settings page ends without a sentence."""
    rows = [line for line in pages["settings.md"].splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if not row.endswith(". |")] == []


def test_every_stage_has_its_help(pages):
    """Each stage's command stands on the page of commands."""
    for name in STAGES:
        assert f"Usage: reelabel {name} [OPTIONS] WORKSPACE" in pages["cli.md"]
