"""What each delivery policy costs an event: `python -m benchmarks.policies`."""
