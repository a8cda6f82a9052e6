"""What is wrong, from how much is wrong."""
