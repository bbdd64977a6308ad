"""Models behind small interfaces: detectors, embedders and trainers, and how they are named."""
