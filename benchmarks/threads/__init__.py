"""Events sent from other threads, beside the queues that are made for that."""
