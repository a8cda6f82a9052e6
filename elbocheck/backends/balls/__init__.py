"""Interval arithmetic with rigorous rounding, as one more array library."""
