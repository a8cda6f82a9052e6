"""Readings of one bound along a training loop."""
