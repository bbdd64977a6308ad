"""Temporal evidence about boxes: pure functions on arrays; no file or video is opened here."""
