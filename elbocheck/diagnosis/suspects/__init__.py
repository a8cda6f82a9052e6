"""The usual mistakes, and by how much each would change a bound."""
