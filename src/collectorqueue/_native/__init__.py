"""The hot path, compiled from cext/: no policy, no I/O, no logging."""
