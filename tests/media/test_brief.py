"""The short look at a file finds what the long one finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reelabel.errors import UnreadableVideo
from reelabel.media import brief
from reelabel.media.brief import probe_briefly
from reelabel.media.probe import probe


def found(look, path: Path):
    """Return container and length that a look finds, None for what is no video."""
    try:
        info = look(path)
    except UnreadableVideo:
        return None
    return info.container, info.duration_s


def test_the_worst_files(data_dir: Path) -> None:
    """Container, length and refusal are those of `probe`, for every file of the worst kind."""
    paths = sorted(path for path in (data_dir / "videos" / "awkward").rglob("*") if path.is_file())
    assert len(paths) > 20
    assert {p.name: found(probe_briefly, p) for p in paths} == {
        p.name: found(probe, p) for p in paths
    }


def test_one_look_is_enough(clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Usual files are opened once: the long look is left to others."""
    expected = {name: found(probe, path) for name, path in clips.items()}
    monkeypatch.setattr(brief, "probe", lambda path: pytest.fail(f"{path}: a second look"))
    assert {name: found(probe_briefly, path) for name, path in clips.items()} == expected


def test_pictures_that_cannot_be_decoded(clips: dict[str, Path], tmp_path: Path) -> None:
    """A file with a whole header and index, but noise for pictures, is no video."""
    name, path = next((name, path) for name, path in clips.items() if path.suffix == ".mp4")
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    end = content.index(b"moov") - 4 if b"moov" in content[start:] else len(content)
    noise = np.random.default_rng(0).integers(0, 256, end - start, dtype=np.uint8)
    content[start:end] = noise.tobytes()
    broken = tmp_path / f"{name}.mp4"
    broken.write_bytes(content)
    assert found(probe, broken) is None
    assert found(probe_briefly, broken) is None
