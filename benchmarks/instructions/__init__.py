"""`python -m benchmarks.instructions`: what an event costs, in instructions of the processor.

Counted by valgrind's callgrind, which is the same on a busy machine: a run of many events
less one of few, for each event.

    paths -> callgrind -> __main__
    builds ------^
"""
