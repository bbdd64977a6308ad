"""Scores of classifiers of frames, clips and videos, as pure functions on arrays."""
