"""A thread that ends a worker when the loop's process is gone."""
