"""Models of the transformers library: a local folder or a hub id, pinned and checked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reelabel.config import Settings
from reelabel.errors import ModelError, first_line
from reelabel.models.spec import Request
from reelabel.models.weights import check_lock, read_lock, sha256_of

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt", "*.model")


class HubOptions(Settings):
    """Options of every model of the transformers library."""

    revision: str | None = None
    """Branch, tag or commit of a hub id; None takes the one pinned in the workspace."""


@dataclass(frozen=True)
class Located:
    """Where a model is loaded from.

    Attributes:
        where: a folder on this machine, or a hub id.
        revision: the commit of a hub id; None for a folder.
        identity: the SHA-256 of a folder's files, or the commit of a hub id.
        config: the model's transformers configuration.
    """

    where: str
    revision: str | None
    identity: str
    config: Any


def locate(request: Request, revision: str | None) -> Located:
    """Return where a request's model is, its configuration read.

    The files of a folder are hashed and a hub id is pinned to its commit, both in the
    workspace's lock.

    Args:
        request: what was asked for.
        revision: branch, tag or commit of a hub id; None takes the pinned one, else the newest.

    Raises:
        ModelError: if there is no such model, or it has changed since it was first used.
    """
    check_name(request)
    folder = request.rooted(request.rest)
    if folder.is_dir():
        identity = sha256_of(sorted(path for kind in _FILES for path in folder.glob(kind)))
        check_lock(request.spec, identity, home=request.home, path=folder)
        return Located(str(folder), None, identity, _config(str(folder), None))
    pinned = read_lock(request.home).get(request.spec) if request.home is not None else None
    config = _config(request.rest, revision or pinned)
    commit = getattr(config, "_commit_hash", None) or revision or "unknown"
    check_lock(request.spec, commit, home=request.home, path=f"the hub's '{request.rest}'")
    return Located(request.rest, commit, commit, config)


def check_name(request: Request) -> None:
    """Refuse a name that is neither a folder on this machine nor can be a hub id.

    Raises:
        ModelError: if it is neither.
    """
    is_folder = bool(request.rest) and request.rooted(request.rest).is_dir()
    if not is_folder and not _HUB_ID.fullmatch(request.rest):
        raise ModelError(
            f"{request.spec}: expected a folder or a hub id ('name/model') behind the colon, but "
            f"got '{request.rest}'"
        )


def _config(where: str, revision: str | None) -> Any:
    from transformers import AutoConfig  # noqa: PLC0415 -- heavy

    return _loaded(AutoConfig, where, revision)


def processor(kind: Any, place: Located) -> Any:
    """Return a model's preprocessing; `kind` is a class such as ``AutoImageProcessor``.

    Raises:
        ModelError: if it is missing or damaged.
    """
    return _loaded(kind, place.where, place.revision)


def read_file(place: Located, name: str) -> str:
    """Return the text of one of a model's files; empty if it has no such file."""
    from transformers.utils import cached_file  # noqa: PLC0415 -- heavy

    path = cached_file(
        place.where,
        name,
        revision=place.revision,
        _raise_exceptions_for_missing_entries=False,
        _raise_exceptions_for_connection_errors=False,
        _raise_exceptions_for_gated_repo=False,
    )
    return Path(path).read_text("utf-8", errors="replace") if path else ""


def network(kind: Any, place: Located) -> Any:
    """Return a network with all its weights, ready to predict.

    Args:
        kind: a class such as ``AutoModelForObjectDetection``.
        place: where it is.

    Raises:
        ModelError: if weights are missing or damaged, or the model is of another kind.
    """
    from transformers.utils import logging  # noqa: PLC0415 -- heavy

    logging.disable_progress_bar()
    model, info = _loaded(kind, place.where, place.revision, output_loading_info=True)
    wrong = [*info.get("missing_keys", ()), *info.get("mismatched_keys", ())]
    if wrong:
        # The library would fill them with random numbers.
        raise ModelError(
            f"{place.where} lacks {len(wrong)} weights that its configuration asks for, such as "
            f"{min(map(str, wrong))}: it is not a finished model of this kind"
        )
    return model.eval()


def _loaded(kind: Any, where: str, revision: str | None, **more: Any) -> Any:
    try:
        return kind.from_pretrained(where, revision=revision, trust_remote_code=False, **more)
    except ModuleNotFoundError:
        raise
    except Exception as exc:  # each loader has its own errors
        local = Path(where).is_dir()
        advice = (
            "put a complete model there (config.json, model.safetensors, preprocessor_config.json)"
            if local
            else "check the id and the network, or download it elsewhere and name its folder"
        )
        raise ModelError(f"'{where}' cannot be loaded ({first_line(exc)}): {advice}") from exc


def fit_for(size: Any) -> tuple[int, int] | None:
    """Return a size that pictures may be reduced to before an image processor takes them.

    Processors either stretch to a fixed size, and then both sides must stay longer than that
    (twice the size does for pictures up to 2:1), or keep the aspect inside a longest edge.

    Args:
        size: the processor's ``size``.
    """
    size = dict(size or {})
    if size.get("height") and size.get("width"):
        return 2 * size["width"], 2 * size["height"]
    longest = size.get("longest_edge") or size.get("max_height")
    return (longest, longest) if longest else None
