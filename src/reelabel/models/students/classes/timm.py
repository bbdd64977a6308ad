"""Classifiers of timm as a family."""

from __future__ import annotations

from reelabel.models.students.classes.library import LibraryFamily


class TimmFamily(LibraryFamily):
    """Any network of timm."""

    name = "timm"
    rest = "NAME"
    purpose = "any network of timm, with its weights"
    packages = ("torch", "lightning", "timm")


FAMILY = TimmFamily()
