"""Classifiers of torchvision as a family."""

from __future__ import annotations

from reelabel.models.students.classes.library import SHORT_NAMES, LibraryFamily


class TorchvisionFamily(LibraryFamily):
    """Any network of torchvision that ends in a linear layer."""

    name = library = "torchvision"
    rest = "NAME"
    short_names = SHORT_NAMES
    purpose = "any network of torchvision, with its weights"


FAMILY = TorchvisionFamily()
