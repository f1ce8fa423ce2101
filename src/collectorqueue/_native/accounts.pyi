"""How an exception is written out as text, and what it holds is let go of."""

from typing import Final

TEXT_LIMIT: Final[int]

def let_go(exc: BaseException) -> int:
    """Take the traceback, context and cause off an exception and a group's members."""

def encodable(text: object) -> str:
    """The text, with what UTF-8 cannot hold written as escapes."""

def shortened(text: str) -> str:
    """The beginning and the end of a text, within `TEXT_LIMIT` bytes as UTF-8."""
