"""The arguments of an import that only some tasks and formats take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from reelabel.verbs.import_history import What

OnMessage = Callable[[str], None]
"""Is called with sentences for people."""


@dataclass(frozen=True)
class ImportOptions:
    """How a file is imported; see `reelabel.import_labels`, whose arguments these are."""

    format: str | None = None
    what: What | None = None
    xyxy: bool | None = None
    video: str | None = None
    category: str | None = None
    on_message: OnMessage | None = None

    def tell(self, sentence: str) -> None:
        """Hand a sentence for people on, if anybody reads them."""
        if self.on_message is not None:
            self.on_message(sentence)
