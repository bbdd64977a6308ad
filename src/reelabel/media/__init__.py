"""The only place that opens video and picture files: probe, decode, trim, encode, draw."""
