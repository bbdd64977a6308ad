"""Students: the models that are trained, one module or folder per family.

`registry` finds a family by name, `family` defines what one provides, `detector` opens a trained
model folder. None of them imports torch; what does is loaded by the family when it is needed.
"""
