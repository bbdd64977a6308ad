"""Fetches wanted files: which is next, one attempt, the rows, the journal of all that came."""
