"""Pictures of examples, decoded once and kept reduced to the input size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from reelabel.errors import DecodeError
from reelabel.media.pictures import read_rgb
from reelabel.models.base import Image
from reelabel.models.students.classes.inputs import Preprocessing, reduced
from reelabel.training.picture_store import PictureStore


class PictureCache:
    """Reduced pictures by file; kept while there is room, so that windows can share them.

    Args:
        how: the input that pictures are reduced for.
        cache_mb: room for them in MB.
    """

    def __init__(self, how: Preprocessing, cache_mb: int) -> None:
        self._how, self._store = how, PictureStore(cache_mb)

    def image(self, path: Path) -> Image:
        """Return a picture ``(h, w, 3)``, reduced.

        Raises:
            DecodeError: if the file is missing or damaged.
        """
        found = self._store.get(path)
        if found is None:
            found = reduced(read_rgb(path), self._how)
            self._store.put(path, found)
        return found

    def window(self, paths: Sequence[Path]) -> list[Image]:
        """Return several pictures, all of one size.

        Raises:
            DecodeError: if a file is missing or damaged, or sizes differ.
        """
        images = [self.image(path) for path in paths]
        for path, image in zip(paths, images, strict=True):
            if image.shape != images[0].shape:
                raise DecodeError(
                    f"{path}: expected a picture of the same shape as {paths[0]}, with which it is "
                    "in one window, but got another: make the data set again"
                )
        return images
