"""Soaks: the real thing under load and faults, and an account of it that is ours.

Rules of residence: real loops, threads and processes, never virtual time. What became
of an event is counted here, by handlers and by who sent it; the queue's own ledger is
only what it is compared with. Chance comes from the seed alone.
"""
