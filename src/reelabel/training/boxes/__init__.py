"""Training of students that find boxes: data set, augmentation, batches, validation."""
