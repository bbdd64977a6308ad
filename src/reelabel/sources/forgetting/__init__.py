"""Removes videos with all that was made of them."""
