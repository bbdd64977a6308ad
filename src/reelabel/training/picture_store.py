"""Decoded pictures beside the memory of the process, so that a training does not grow with them."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from reelabel.models.base import Image


class PictureStore:
    """Pictures by key in a temporary file, which the system keeps in memory where it has room.

    The file has no name where the system allows that, and is gone when the process ends. It is for
    one thread at a time; each process that loads pictures has its own.

    Args:
        room_mb: largest size of the file; further pictures are not kept.
    """

    def __init__(self, room_mb: int) -> None:
        self._room = room_mb * 2**20
        self._file: IO[bytes] | None = None
        self._end = 0
        self._places: dict[Hashable, tuple[int, tuple[int, ...]]] = {}

    def get(self, key: Hashable) -> Image | None:
        """Return a picture ``(h, w, 3)``, None if it is not kept."""
        place = self._places.get(key)
        if place is None or self._file is None:
            return None
        image = np.empty(place[1], np.uint8)
        self._file.seek(place[0])
        return image if self._file.readinto(image.data) == image.nbytes else None  # type: ignore[attr-defined]  # raw

    def put(self, key: Hashable, image: Image) -> None:
        """Keep a picture, if there is room in the file and on the disk."""
        if self._end + image.nbytes > self._room:
            return
        try:
            file = self._opened()
            file.seek(self._end)
            whole = file.write(np.ascontiguousarray(image).data) == image.nbytes
        except OSError:  # the disk is full: later ones may fit no better
            whole = False
        if not whole:
            self._room = self._end
            return
        self._places[key] = self._end, image.shape
        self._end += image.nbytes

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            self._file = TemporaryFile(buffering=0)  # noqa: SIM115 -- as long as this
            weakref.finalize(self, self._file.close)
        return self._file
