"""Hand-written code in the style of a library's users: one file per model, all with the same few names."""
