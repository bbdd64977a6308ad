"""What `reelabel.yaml` holds of one manifest: where it is, how it is read, what is taken of it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from reelabel.config import Settings

Kind = Literal["sports1m", "kinetics", "youtube8m", "urls"]
Meaning = Literal[
    "id",
    "url",
    "label",
    "start",
    "end",
    "duration",
    "height",
    "split",
    "licence",
    "uploader",
    "title",
    "size",
]
"""What a column is about."""
YOUTUBE8M = "https://storage.googleapis.com/data.yt8m.org/2"
"""Where the lookup files of YouTube-8M are published."""


class Manifest(Settings):
    """One list of videos, and which of them are taken.

    A label is written as the manifest writes it, in any case; ``*``, ``?`` and ``[ab]`` stand for
    any letters, so ``*dancing*`` is every label that contains dancing.
    """

    kind: Kind
    """How it is read: sports1m, kinetics, youtube8m, or urls for any list of addresses."""
    file: str = ""
    """The list; .gz is read too. youtube8m: a list of tags or of video ids, or none."""
    label_file: str = ""
    """Names of the labels where the list has numbers or ids alone: labels.txt of Sports-1M (else
    the one beside the list), vocabulary.csv of YouTube-8M."""
    lookups: str = YOUTUBE8M
    """Folder or address of the lookup files of YouTube-8M, in which j/v and j/i lie."""
    classes: dict[str, str] = Field(default_factory=dict)
    """Label -> class of the workspace; several to one. Other labels keep their name."""
    columns: dict[Meaning, str] = Field(default_factory=dict)
    """What a column is about -> its name, where it is unusual: {url: link}."""
    page: bool | None = None
    """urls: addresses are pages on which the video is looked for; default: those of known sites."""
    label: tuple[str, ...] = ()
    """Labels to take; none: all that are or lead to classes of the workspace."""
    split: tuple[str, ...] = ()
    """Sides to take, such as train; none: all."""
    licence: tuple[str, ...] = ()
    """Licences to take, such as 'creative commons*'; none: all, also unknown ones."""
    max_duration_s: float | None = Field(None, gt=0)
    """Longest video in seconds, or span of one; an unknown length is taken."""
    min_height: int | None = Field(None, ge=1)
    """Least height in pixels; an unknown one is taken."""
    per_class: int | None = Field(None, ge=1)
    """Videos of each class."""
    max_videos: int | None = Field(None, ge=1)
    """Videos in all, the same number of each class as far as there are enough."""
    max_gb: float | None = Field(None, gt=0)
    """Size in all in gigabytes (10**9 bytes); estimated where the manifest states none."""
    max_hours: float | None = Field(None, gt=0)
    """Hours in all."""
    spares: float = Field(4.0, ge=0)
    """Videos kept to replace one that is gone, for each that is taken."""
    typical_s: float = Field(240.0, gt=0)
    """Assumed length in seconds where the manifest states none."""
    typical_bytes_per_s: float = Field(250_000.0, gt=0)
    """Assumed size of a second in bytes where the manifest states none."""

    @field_validator("classes")
    @classmethod
    def named(cls, classes: dict[str, str]) -> dict[str, str]:
        """Refuse classes without a name."""
        if not all(name.strip() for name in (*classes, *classes.values())):
            raise ValueError("each label and each class needs a name")
        return classes

    @model_validator(mode="after")
    def has_a_file(self) -> Self:
        """Refuse a manifest that names nothing to read."""
        if not self.file and self.kind != "youtube8m":
            raise ValueError(f"a manifest of the kind {self.kind} needs a file")
        if not (self.file or self.classes or self.label):
            raise ValueError("name tags of youtube8m under 'classes' or 'label', or give a file")
        return self
