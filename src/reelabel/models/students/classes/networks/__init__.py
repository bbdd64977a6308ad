"""The torch modules of the students that classify; imported when they are needed."""
