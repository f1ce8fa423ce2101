"""A thread that ends a worker when the loop's process is gone, and rings when that is due."""

def hold(line: int, bell: int) -> None:
    """Kill this process group when the other end of a stream socket is closed.

    `bell`: the eventfd to ring. Raises OSError if the thread cannot be started.
    """
