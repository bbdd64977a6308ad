"""reelabel turns footage into a trained model without hand labelling.

    import reelabel

    workspace = reelabel.init("balls", classes=["sports ball"], videos=["footage/"])
    reelabel.run(workspace)
    reelabel.predict(workspace, ["new.mp4"], out="boxes.json")

Every verb of the command line is a function here, with the same name and the same arguments. They
are imported when they are first used, so that ``import reelabel`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from reelabel._version import __version__
from reelabel.errors import ReelabelError

if TYPE_CHECKING:
    from reelabel.data.boxes import Boxes
    from reelabel.verbs.ablate import ablate
    from reelabel.verbs.demo import demo
    from reelabel.verbs.export import export
    from reelabel.verbs.flicker import flicker
    from reelabel.verbs.import_labels import import_labels
    from reelabel.verbs.init import init
    from reelabel.verbs.predict import predict
    from reelabel.verbs.report import report
    from reelabel.verbs.run import run, status
    from reelabel.verbs.show import show
    from reelabel.workspace import Workspace

__all__ = [
    "Boxes",
    "ReelabelError",
    "Workspace",
    "__version__",
    "ablate",
    "demo",
    "export",
    "flicker",
    "import_labels",
    "init",
    "predict",
    "report",
    "run",
    "show",
    "status",
]

_HOMES = {
    "Boxes": "reelabel.data.boxes",
    "Workspace": "reelabel.workspace",
    "ablate": "reelabel.verbs.ablate",
    "demo": "reelabel.verbs.demo",
    "export": "reelabel.verbs.export",
    "flicker": "reelabel.verbs.flicker",
    "init": "reelabel.verbs.init",
    "predict": "reelabel.verbs.predict",
    "report": "reelabel.verbs.report",
    "run": "reelabel.verbs.run",
    "show": "reelabel.verbs.show",
    "status": "reelabel.verbs.run",
    "import_labels": "reelabel.verbs.import_labels",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reelabel' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """Return the public names."""
    return __all__
