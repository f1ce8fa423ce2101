"""The events of one ordering key: those on their way, and those that wait behind them."""

from typing import final

@final
class KeyLine:
    """One ordering key that has events."""
