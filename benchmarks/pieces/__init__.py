"""What the queue is made of, measured piece by piece with pytest-benchmark."""
