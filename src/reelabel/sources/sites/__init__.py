"""Finds the file behind a page of a video site; fetching that file is the client's business."""
