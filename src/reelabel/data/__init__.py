"""What flows in memory between rooms: boxes, sequences of boxes, data sets."""
