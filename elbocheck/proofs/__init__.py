"""The same statements in ball arithmetic."""
