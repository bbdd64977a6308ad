"""What a workspace has been told to forget: videos that are left out, wants that are not fetched.

The list lies in ``forgotten.json``, and holds ids and hashes alone: no title, name or address.
Removing an entry, and the checksum, takes it back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reelabel.checksums import SEAL, sealed, unsealed
from reelabel.errors import ShardError
from reelabel.files import has_file, write_json

FILE = "forgotten.json"
_VERSION = 1
_AGAIN = f"correct it, and remove '{SEAL}' from it once it is right"


@dataclass(frozen=True)
class ForgottenVideo:
    """One forgotten video.

    Attributes:
        forgotten_at: ISO 8601 UTC.
        rounds: rounds whose student had been trained on it.
    """

    forgotten_at: str
    rounds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Forgotten:
    """The list.

    Attributes:
        videos: video id -> when, and what had been trained on it.
        wants: source -> wants that are not fetched again.
        sources: sources of which nothing is fetched again.
    """

    videos: Mapping[str, ForgottenVideo] = field(default_factory=dict)
    wants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sources: frozenset[str] = frozenset()

    def has_want(self, source: str, want_id: str) -> bool:
        """Return whether a want is never fetched again."""
        return source in self.sources or want_id in self.wants.get(source, ())

    def joined(self, other: Forgotten) -> Forgotten:
        """Return both lists as one; where both have a video, the first one's entry stays."""
        names = {*self.wants, *other.wants}
        none: frozenset[str] = frozenset()
        return Forgotten(
            {**other.videos, **self.videos},
            {n: self.wants.get(n, none) | other.wants.get(n, none) for n in names},
            self.sources | other.sources,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the list as JSON values."""
        return {
            "version": _VERSION,
            "videos": {name: asdict(video) for name, video in self.videos.items()},
            "wants": {source: sorted(wants) for source, wants in self.wants.items()},
            "sources": sorted(self.sources),
        }

    @classmethod
    def from_json(cls, value: Any) -> Forgotten:
        """Return the list that JSON values hold.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: if they are damaged.
        """
        videos = {
            str(name): ForgottenVideo(str(one["forgotten_at"]), tuple(map(int, one["rounds"])))
            for name, one in value["videos"].items()
        }
        wants = {str(s): frozenset(map(str, ids)) for s, ids in value["wants"].items()}
        return cls(videos, wants, frozenset(map(str, value["sources"])))


def read_forgotten(root: Path) -> Forgotten:
    """Return the list of a workspace, empty if it has none.

    Raises:
        ShardError: if it is damaged.
    """
    path = root / FILE
    if not has_file(path):
        return Forgotten()
    try:
        value = unsealed(json.loads(path.read_bytes()), str(path), _AGAIN)
        return Forgotten.from_json(value)
    except (AttributeError, KeyError, OSError, TypeError, ValueError) as exc:
        raise ShardError(
            f"{path}: expected the list of what is forgotten, but it is damaged ({exc!r}): correct "
            "it by hand; without it, what it lists would be fetched and used again"
        ) from exc


def write_forgotten(root: Path, forgotten: Forgotten) -> None:
    """Write the list of a workspace.

    Raises:
        WorkspaceError: if it cannot be written.
    """
    write_json(root / FILE, sealed(forgotten.to_json()))
