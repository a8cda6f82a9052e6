"""Bounds as people write them, correct: one file each, with its data, its code and its declaration."""
