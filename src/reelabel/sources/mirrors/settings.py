"""Which mirror of Kinetics is read, and where it is."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from reelabel.config import Settings
from reelabel.errors import UsageError, nearest

BASE_URL = "https://s3.amazonaws.com/kinetics"
FOLDERS = {"400": ("400", "k400"), "600": ("600", "k600"), "700": ("700_2020", "k700_2020")}
"""Version -> folder and short name; Kinetics-700 and 700-2020 lie in one folder."""


class MirrorSettings(Settings):
    """A mirror of Kinetics, whose archives are read before a site is asked."""

    dataset: Literal["", "400", "600", "700_2020"] = ""
    """Version of Kinetics whose archives are read: 400, 600 or 700_2020; empty: none are."""
    base_url: str = Field(BASE_URL, pattern=r"^https?://")
    """Folder with the parts `400`, `600` and `700_2020`: the public mirror, or a copy of it."""

    @field_validator("dataset", mode="before")
    @classmethod
    def folder_of_version(cls, value: Any) -> Any:
        """Take any spelling of a version, and the numbers that YAML makes of 400 and 700_2020."""
        if isinstance(value, bool) or not isinstance(value, str | int) or not value:
            return value
        try:
            return FOLDERS[version_of(str(value))][0]
        except UsageError as exc:
            raise ValueError(str(exc)) from exc


def version_of(dataset: str) -> str:
    """Return the version of Kinetics that a name stands for: ``400``, ``600`` or ``700``.

    >>> version_of("kinetics-700-2020"), version_of("k400")
    ('700', '400')

    Raises:
        UsageError: if it is none of them.
    """
    found = re.fullmatch(r"\D*(400|600|700)(\D?2020)?", dataset)
    if found is None:
        names = [f"kinetics-{version}" for version in FOLDERS]
        raise UsageError(
            f"expected one of {', '.join(names)}, but got {dataset!r}{nearest(dataset, names)}"
        )
    return found[1]
