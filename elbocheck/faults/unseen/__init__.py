"""A second fault catalogue, which the diagnosis was not improved on: one half to work on, one only for the figure."""
