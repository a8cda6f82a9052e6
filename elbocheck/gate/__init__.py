"""Somebody else's bound: handed over, run, explained, repeated."""
