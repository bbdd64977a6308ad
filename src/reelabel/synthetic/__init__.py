"""Rendered footage with exactly known ground truth, for the demo and for tests."""
