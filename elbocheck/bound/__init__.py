"""What a bound is made of, and every term of it at one point."""
