"""The report of a round: plots, galleries, and one HTML file that needs nothing else."""
