"""fetch: choose footage from manifests and fetch it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reelabel.config import Config
from reelabel.config_edit import set_key
from reelabel.engine.loop import Run, run_one
from reelabel.engine.project import parse_config, task_of
from reelabel.engine.run import Options
from reelabel.errors import UsageError, counted
from reelabel.sources.manifests.lookups import Lookups
from reelabel.sources.manifests.settings import Manifest
from reelabel.sources.manifests.want_plan import Plan, plan
from reelabel.sources.web.settings import FetchSettings
from reelabel.stages import fetch as fetching
from reelabel.stages import want
from reelabel.tables import DOWNLOADS, WANTS
from reelabel.verbs.arguments import check_arguments
from reelabel.verbs.manifests import manifests_of, with_manifest
from reelabel.verbs.run import opened
from reelabel.verbs.signatures import takes_settings
from reelabel.workspace import Workspace
from reelabel.yaml_text import read_yaml

STAGES = ("want", "fetch")
"""The stages of the flow that it runs, as far as the task has them."""
NOT_TRIED = "not tried"


@dataclass(frozen=True)
class ClassOutcomes:
    """What became of the wants of one class.

    Attributes:
        chosen: number of videos or spans that are wanted.
        spare: number of those that may replace one that is gone.
        outcomes: outcome -> number of wants that ended in it; chosen ones that were not tried too.
    """

    chosen: int
    spare: int
    outcomes: Mapping[str, int]


@dataclass(frozen=True)
class FetchResult:
    """What was planned and what came.

    Attributes:
        workspace: its folder.
        plans: the plan of each manifest, of a dry run alone.
        classes: what became of each class, unless it was a dry run; '' without classes.
        run: one result per stage; None after a dry run.
    """

    workspace: Path
    plans: Mapping[str, Plan] = field(default_factory=dict)
    classes: Mapping[str, ClassOutcomes] = field(default_factory=dict)
    run: Run | None = None

    @property
    def exit_code(self) -> int:
        """Return 0, or 1 if something failed."""
        return self.run.exit_code if self.run else 0

    def __repr__(self) -> str:
        if self.run is None:
            totals = [each.total() for each in self.plans.values()]
            chosen = counted(sum(one.chosen for one in totals), "video")
            return f"FetchResult(plan: {chosen}, {sum(t.hours for t in totals):.1f} hours)"
        sums = Counter[str]()
        for one in self.classes.values():
            sums.update(one.outcomes)
        return f"FetchResult({', '.join(f'{n} {name}' for name, n in sums.most_common())})"


@takes_settings(Manifest, FetchSettings, without=("kind", "file"))
def fetch(
    workspace: Workspace | Path | str,
    manifest: tuple[str, Path | str] | None = None,
    *,
    name: str = "",
    dry_run: bool = False,
    workers: int | None = None,
    force: bool = False,
    quiet: bool | None = None,
    **settings: Any,
) -> FetchResult:
    """Choose videos from manifests and fetch them; what was fetched before is not fetched again.

    Args:
        workspace: a workspace or its folder.
        manifest: kind (sports1m, kinetics, youtube8m, urls) and file of a manifest, which is added
            to `reelabel.yaml`, or changed if it is there; None: those that are there.
        name: its short name; empty: the kind.
        dry_run: plan only; nothing is written or fetched, and no id looked up.
        workers: as in `reelabel.run`.
        force: choose again even if nothing changed.
        quiet: show no progress; None shows it to a person only.
        settings: those of the manifest, such as ``label=["*dancing*"], per_class=50``, see
            `reelabel.sources.manifests.settings.Manifest`, which are written down; and of this
            call alone those of the stage, such as ``hosts=2``, see
            `reelabel.sources.web.settings.FetchSettings`.

    Raises:
        UsageError: if there is no manifest, or settings are given without one.
        ConfigError: if a setting is unknown or wrong.
        FormatError: if a manifest is damaged, or nothing of it is taken.
    """
    check_arguments(dry_run=dry_run, workers=workers, force=force, quiet=quiet)
    ws = opened(workspace)
    before = read_yaml(ws.config_path)
    of_stage = {key: settings[key] for key in settings.keys() & FetchSettings.model_fields.keys()}
    of_manifest = {key: value for key, value in settings.items() if key not in of_stage}
    if manifest is None and (of_manifest or name):
        raise UsageError("settings of a manifest were given without one: give its kind and file")
    values = with_manifest(before, manifest, name=name, settings=of_manifest)
    config = parse_config(values, str(ws.config_path))
    config = config.with_stage(fetching.STAGE.name, FetchSettings, of_stage)
    manifests = manifests_of(config)
    if not manifests:
        raise UsageError(
            f"{ws.config_path} names no manifest to fetch from: add one, as with  "
            f"reelabel fetch {ws.root} --from kinetics FILE"
        )
    if dry_run:
        return FetchResult(ws.root, {n: _plan(ws, config, n, m) for n, m in manifests.items()})
    for key in ("want", "tags"):
        if values.get(key) != before.get(key):
            set_key(ws.config_path, key, values[key])
    options = Options.given(config.engine, workers=workers, force=force, quiet=quiet)
    done = _run(ws, config, options)
    return FetchResult(ws.root, classes=outcomes(ws), run=done)


def _plan(ws: Workspace, config: Config, name: str, manifest: Manifest) -> Plan:
    exclusive = task_of(config).flow[want.STAGE.name] is want.EXCLUSIVE_STAGE
    settings = config.stages.get(fetching.STAGE.name)
    settings = settings if isinstance(settings, FetchSettings) else FetchSettings()
    return plan(
        name,
        manifest,
        config.project,
        ws.root,
        exclusive=exclusive and not config.project.multi_label,
        resolve=False,
        lookups=Lookups(ws.root, settings, keep=False),
    )


def _run(ws: Workspace, config: Config, options: Options) -> Run:
    flow, done = task_of(config).flow, Run()
    with ws.locked():
        for name in STAGES:
            if name in flow:
                done.results.append(run_one(ws, config, options, flow[name], number=0))
    return done


def outcomes(ws: Workspace) -> dict[str, ClassOutcomes]:
    """Return what became of the wants of each class, by name."""
    chosen, spare = Counter[str](), Counter[str]()
    ended: dict[str, Counter[str]] = {}
    for source in ws.shards(WANTS):
        tried = dict(_outcomes_of(ws, source))
        for row in ws.read(WANTS, source).to_pylist():
            labels: Iterable[str] = row["labels"] or ("",)
            (chosen if row["chosen"] else spare).update(labels)
            outcome = tried.get(row["want_id"], NOT_TRIED if row["chosen"] else "")
            for label in labels if outcome else ():
                ended.setdefault(label, Counter())[outcome] += 1
    names = sorted({*chosen, *spare})
    return {n: ClassOutcomes(chosen[n], spare[n], ended.get(n, Counter())) for n in names}


def _outcomes_of(ws: Workspace, source: str) -> Iterator[tuple[str, str]]:
    if source in ws.shards(DOWNLOADS):
        rows = ws.read(DOWNLOADS, source)
        yield from zip(rows["want_id"].to_pylist(), rows["outcome"].to_pylist(), strict=True)
