"""Faster R-CNN of torchvision."""
