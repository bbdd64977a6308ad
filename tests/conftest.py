"""What all tests share: the folder of real footage, and where it is looked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of real videos, annotations and weights, or skip."""
    folder = Path(os.environ.get("REELABEL_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}: set REELABEL_TEST_DATA to the folder that holds it")
    return folder
