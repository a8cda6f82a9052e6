"""The faults that are planted, model by model."""
