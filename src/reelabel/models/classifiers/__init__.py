"""Classifiers: what gives class probabilities of pictures and of windows of pictures."""
