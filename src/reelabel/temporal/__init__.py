"""What time says about boxes: pure functions on arrays, no file and no video is opened here."""
