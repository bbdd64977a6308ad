"""Detectors of the transformers library."""
