"""How fast work reaches other processes and comes back, beside what else does that.

`python -m benchmarks.workers`. See README.md beside this file.
"""
