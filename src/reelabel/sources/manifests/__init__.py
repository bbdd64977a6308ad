"""Manifests: lists of videos with classes, spans and facts, one file per kind."""
