"""Label formats, one file each, both directions where that makes sense."""
