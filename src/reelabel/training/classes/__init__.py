"""Training of students that classify: data set, augmentation, batches, losses, validation."""
