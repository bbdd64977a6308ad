"""Embedders, one file per kind; `reelabel.models.registry` lists them by name."""
