"""How the cost of an event grows: `python -m benchmarks.growth`."""
