"""Students that classify frames and clips, one module per family; networks lie in `networks`."""
