"""The catalogue's own runs."""
