"""The verbs of the flow, one file each; the first line of each is its arrow."""
