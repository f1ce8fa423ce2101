"""How fast the queue is, beside what else a person could take.

`python -m benchmarks` compares whole programs with their rivals, `python -m
benchmarks.workers` worker processes with theirs; `test_*.py` measure the pieces with
pytest-benchmark. Nothing here is imported by the package.
"""
