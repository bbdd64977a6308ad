"""The only place that opens video and picture files: probe, decode, encode, draw."""
