"""reelabel turns footage into a trained model without hand labelling.

    import reelabel

    workspace = reelabel.init("balls", classes=["sports ball"], videos=["footage/"])
    reelabel.run(workspace)
    reelabel.predict(workspace, ["new.mp4"], out="boxes.json")

Every command and every stage is a function here with the command's name and its settings as
arguments, such as ``reelabel.clean(workspace, score=0.4)``; ``import`` is a word of Python, so its
function is `import_labels`. A workspace may be given as its folder everywhere. Functions are
imported when they are first used, so that ``import reelabel`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reelabel._version import __version__
from reelabel.errors import ReelabelError

if TYPE_CHECKING:
    from reelabel.data.boxes import Boxes
    from reelabel.verbs.ablate import ablate
    from reelabel.verbs.class_prediction import ClassPrediction
    from reelabel.verbs.clips import clips
    from reelabel.verbs.compare import compare
    from reelabel.verbs.demo import demo
    from reelabel.verbs.export import export
    from reelabel.verbs.fetch import fetch
    from reelabel.verbs.flicker import flicker
    from reelabel.verbs.forget import forget
    from reelabel.verbs.import_history import remove_import
    from reelabel.verbs.import_labels import import_labels
    from reelabel.verbs.init import init
    from reelabel.verbs.origins import origins
    from reelabel.verbs.predict import predict
    from reelabel.verbs.prediction import FramePrediction, Prediction, PredictionStream
    from reelabel.verbs.recipe import recipe
    from reelabel.verbs.report import report
    from reelabel.verbs.run import RunResult, run, status
    from reelabel.verbs.show import show
    from reelabel.verbs.source_prediction import SourcePrediction
    from reelabel.verbs.stages import (
        advance,
        classify,
        clean,
        cut,
        dedup,
        detect,
        evaluate,
        merge,
        mine,
        register,
        sample,
        split,
        tag,
        track,
        train,
        truth,
        tune,
        want,
        window,
    )
    from reelabel.workspace import Workspace

__all__ = [
    "Boxes",
    "ClassPrediction",
    "FramePrediction",
    "Prediction",
    "PredictionStream",
    "ReelabelError",
    "RunResult",
    "SourcePrediction",
    "Workspace",
    "__version__",
    "ablate",
    "advance",
    "classify",
    "clean",
    "clips",
    "compare",
    "cut",
    "dedup",
    "demo",
    "detect",
    "evaluate",
    "export",
    "fetch",
    "flicker",
    "forget",
    "import_labels",
    "init",
    "merge",
    "mine",
    "origins",
    "predict",
    "recipe",
    "register",
    "remove_import",
    "report",
    "run",
    "sample",
    "show",
    "split",
    "status",
    "tag",
    "track",
    "train",
    "truth",
    "tune",
    "want",
    "window",
]

_HOMES = {
    "Boxes": "reelabel.data.boxes",
    "ClassPrediction": "reelabel.verbs.class_prediction",
    "FramePrediction": "reelabel.verbs.prediction",
    "Prediction": "reelabel.verbs.prediction",
    "PredictionStream": "reelabel.verbs.prediction",
    "RunResult": "reelabel.verbs.run",
    "SourcePrediction": "reelabel.verbs.source_prediction",
    "Workspace": "reelabel.workspace",
    "ablate": "reelabel.verbs.ablate",
    "advance": "reelabel.verbs.stages",
    "classify": "reelabel.verbs.stages",
    "clean": "reelabel.verbs.stages",
    "clips": "reelabel.verbs.clips",
    "compare": "reelabel.verbs.compare",
    "cut": "reelabel.verbs.stages",
    "dedup": "reelabel.verbs.stages",
    "demo": "reelabel.verbs.demo",
    "detect": "reelabel.verbs.stages",
    "evaluate": "reelabel.verbs.stages",
    "export": "reelabel.verbs.export",
    "fetch": "reelabel.verbs.fetch",
    "flicker": "reelabel.verbs.flicker",
    "forget": "reelabel.verbs.forget",
    "import_labels": "reelabel.verbs.import_labels",
    "init": "reelabel.verbs.init",
    "merge": "reelabel.verbs.stages",
    "mine": "reelabel.verbs.stages",
    "origins": "reelabel.verbs.origins",
    "predict": "reelabel.verbs.predict",
    "recipe": "reelabel.verbs.recipe",
    "register": "reelabel.verbs.stages",
    "remove_import": "reelabel.verbs.import_history",
    "report": "reelabel.verbs.report",
    "run": "reelabel.verbs.run",
    "sample": "reelabel.verbs.stages",
    "show": "reelabel.verbs.show",
    "split": "reelabel.verbs.stages",
    "status": "reelabel.verbs.run",
    "tag": "reelabel.verbs.stages",
    "track": "reelabel.verbs.stages",
    "train": "reelabel.verbs.stages",
    "truth": "reelabel.verbs.stages",
    "tune": "reelabel.verbs.stages",
    "want": "reelabel.verbs.stages",
    "window": "reelabel.verbs.stages",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reelabel' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
