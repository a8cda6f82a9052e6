"""Cells that are outside the theorem."""
