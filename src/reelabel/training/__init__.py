"""Training: from a data set folder to the model folder of a student.

`registry.load_trainer` makes a trainer from `settings.TrainSettings`. Neither imports torch before
it is needed.
"""
