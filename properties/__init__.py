"""The property tests: `pytest --pyargs elbocheck.properties` runs them from an installed package."""
