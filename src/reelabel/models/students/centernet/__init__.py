"""CenterNet: a small network without pretrained weights."""
