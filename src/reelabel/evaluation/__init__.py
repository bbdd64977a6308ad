"""Scores of models: matching, intervals and comparison, as pure functions on arrays."""
