"""The faults of each target, a line each, and what a right reading of it names."""
