"""The workspace: where things lie, and how they are written so that nothing is ever lost."""

from reelabel.workspace.receipts import Receipt, digest_of, fingerprint
from reelabel.workspace.workspace import CONFIG_NAME, Workspace

__all__ = ["CONFIG_NAME", "Receipt", "Workspace", "digest_of", "fingerprint"]
