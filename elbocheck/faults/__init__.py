"""The fault catalogue: hand-written bounds with one line broken, and correct ones that surprise."""
