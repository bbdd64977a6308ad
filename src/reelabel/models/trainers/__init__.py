"""Students: how they are trained, and how their folders are read again.

`registry.load_trainer` makes a trainer from `settings.TrainSettings`;
`folder.load_student_detector` reads what it leaves behind. Neither imports torch before it must.
"""
