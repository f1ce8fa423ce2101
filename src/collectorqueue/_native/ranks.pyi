"""A heap of objects by two numbers, which are kept beside them."""

from typing import final

@final
class Ranks:
    """The smallest first; equal keys by their sequence."""
