"""A thread that ends a worker when the loop's process is gone."""

def hold(socket: int) -> None:
    """Kill this process group when the other end of a stream socket is closed.

    Raises OSError if the thread cannot be started.
    """
