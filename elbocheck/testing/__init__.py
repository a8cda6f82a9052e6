"""Where checks, strategies and pytest meet."""
