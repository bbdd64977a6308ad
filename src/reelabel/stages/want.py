"""want  manifests -> wants  1:N  which videos and spans are fetched, and which may replace them.

The plan is the same for any order of a manifest's rows. Rows that cannot be used are counted and
the first ones named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from reelabel.config import Settings
from reelabel.engine.stage import Context, Output, Resource, Source, Stage, Unit
from reelabel.errors import FormatError, UsageError
from reelabel.sources.manifests.lookups import FOLDER, Lookups, is_address
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import plan
from reelabel.sources.web.settings import FetchSettings
from reelabel.tables import WANTS


class WantSettings(Settings):
    """Which manifests footage is fetched from; none by default."""

    manifests: dict[str, Manifest] = Field(default_factory=dict)
    """Short name -> manifest, such as {k400: {kind: kinetics, file: val.csv, per_class: 50}}."""

    @field_validator("manifests")
    @classmethod
    def file_safe(cls, manifests: dict[str, Manifest]) -> dict[str, Manifest]:
        """Refuse names that would not be those of files, or one file on some file systems."""
        for name in manifests:
            try:
                Source(name, name)
            except UsageError as exc:
                raise ValueError(str(exc)) from exc
        if len({name.casefold() for name in manifests}) < len(manifests):
            raise ValueError("two names of manifests differ in case alone")
        if FOLDER in map(str.casefold, manifests):
            raise ValueError(f"no manifest can be called '{FOLDER}': choose another name")
        return manifests


def want(unit: Unit[WantSettings, Lookups], *, exclusive: bool = False) -> Output:
    """Return what is wanted of one manifest.

    Args:
        unit: its source.
        exclusive: leave out videos that are under several classes of which one is right.
    """
    name = unit.source.key
    exclusive = exclusive and not unit.project.multi_label
    made = plan(
        name,
        unit.settings.manifests[name],
        unit.project,
        unit.root,
        exclusive=exclusive,
        lookups=unit.resource,
        tick=unit.tick,
    )
    total = made.total()
    notes = {
        "rows": made.tally.rows,
        "other_labels": made.tally.other_labels,
        "unusable": made.tally.unusable,
        "chosen": total.chosen,
        "spare": total.spare,
        "left_out": [f"{name}: {sentence}" for sentence in made.sentences()],
    }
    return Output({"wants": made.table()}, notes)


def lookups(context: Context[WantSettings]) -> Resource[Lookups]:
    """Return what reads lookup files, as politely as anything is fetched."""
    fetching = context.others.get("fetch")
    settings = fetching if isinstance(fetching, FetchSettings) else None
    manifests = context.settings.manifests.values()
    asks = any(each.kind == "youtube8m" and is_address(each.lookups) for each in manifests)
    return Resource(Lookups(context.root, settings), in_turn=asks)


def sources(context: Context[WantSettings]) -> Sequence[Source]:
    """Return the manifests, with what decides whether they must be read again.

    Raises:
        FormatError: if a file is not there: what was fetched from it stays as it is.
    """
    return [
        Source(name, name, {"manifest": manifest.model_dump(mode="json"), "files": stamps})
        for name, manifest in context.settings.manifests.items()
        for stamps in [_stamps(name, manifest, context.root)]
    ]


def _stamps(name: str, manifest: Manifest, root: Path) -> list[Any]:
    """Return size and time of each file of a manifest: content that does not change is not read."""
    found: list[Any] = []
    for file in filter(None, (manifest.file, manifest.label_file)):
        path = root / Path(file).expanduser()
        try:
            stat = path.stat()
        except (OSError, ValueError) as exc:
            raise FormatError(
                f"{path}: expected the manifest '{name}', but there is no such file: put it "
                "there, or change 'want.manifests'"
            ) from exc
        found.append([stat.st_size, stat.st_mtime_ns])
    return found


STAGE = Stage(
    name="want",
    arrow=(__doc__ or "").splitlines()[0],
    settings=WantSettings,
    run=want,
    scope="source",
    writes=(WANTS,),
    others={"fetch": FetchSettings},
    project_keys=("classes", "class_map", "multi_label", "seed"),
    resource=lookups,
    sources=sources,
    keeps_gone=True,  # what was fetched for it is footage until it is forgotten
)
EXCLUSIVE_STAGE = replace(STAGE, run=partial(want, exclusive=True))
"""Of tasks in which a video may be under one class only."""
