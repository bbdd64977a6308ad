"""Detectors, one file per kind; `reelabel.models.registry` knows them by name."""
