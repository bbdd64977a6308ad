"""Pure functions on arrays: box rules, outliers, merging, duplicates, splits, scores."""
