"""How the demo is shown: plain lines, or with rich on a terminal, or not at all.

Rules of residence: the only module that writes, and the only one that knows of rich,
which is imported when there is a terminal to use it on.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from collectorqueue.cli.demo.monitor import Sample
from collectorqueue.cli.demo.report import Table

if TYPE_CHECKING:
    from rich.table import Table as RichTable

__all__ = ["PlainView", "RichView", "SilentView", "View", "open_view"]

COLUMNS = (
    "second", "phase", "events", "events/s", "queued", "waiting", "consumers",
    "failed", "lag",
)  # fmt: skip
WIDTHS = (6, 8, 10, 9, 7, 7, 9, 7, 8)
LINES_KEPT = 15  # of the live table; a screen has 24


class View(Protocol):
    """Shows what happens, as it happens."""

    def say(self, text: str) -> None:
        """A line of text."""

    def second(self, sample: Sample) -> None:
        """A second has passed."""

    def table(self, table: Table) -> None:
        """A table of results."""

    def close(self) -> None:
        """No more seconds will pass."""


class SilentView:
    """Shows nothing: for `--json`."""

    def say(self, text: str) -> None:
        """Nothing."""

    def second(self, sample: Sample) -> None:
        """Nothing."""

    def table(self, table: Table) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class PlainView:
    """Lines of plain text, each written at once. Raises BrokenPipeError."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._headed = False

    def say(self, text: str) -> None:
        """The line as it is."""
        print(text, file=self._stream, flush=True)

    def second(self, sample: Sample) -> None:
        """Aligned under a heading that comes once."""
        if not self._headed:
            self._headed = True
            self.say(_aligned(COLUMNS, WIDTHS))
        self.say(_aligned(cells(sample), WIDTHS))

    def table(self, table: Table) -> None:
        """As wide as it needs to be."""
        rows = [table.columns, *table.rows]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        self.say("")
        for row in rows:
            first, *others = row
            numbers = _aligned(others, widths[1:])
            self.say(f"{first:<{widths[0]}}  {numbers}".rstrip())

    def close(self) -> None:
        """Nothing is held back."""


class RichView:
    """A live table with a row a second, text above it, colours where allowed."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        # Honours NO_COLOR by itself.
        self._console = Console(file=stream, highlight=False)
        self._rows: list[list[str]] = []
        self._live = Live(console=self._console, auto_refresh=False)
        self._live.start()

    def say(self, text: str) -> None:
        """Above the live table while there is one."""
        self._console.print(text, markup=False, soft_wrap=True)

    def second(self, sample: Sample) -> None:
        """One row more; the oldest make room."""
        self._rows = [*self._rows, cells(sample)][-LINES_KEPT:]
        drawn = rich_table(Table("", list(COLUMNS), self._rows))
        self._live.update(drawn, refresh=True)

    def table(self, table: Table) -> None:
        """A table of its own."""
        self._console.print(rich_table(table))

    def close(self) -> None:
        """The live table stays as it is."""
        self._live.stop()


def open_view(stream: TextIO) -> View:
    """The best view that a stream allows."""
    can_move = stream.isatty() and os.environ.get("TERM") != "dumb"
    if can_move and importlib.util.find_spec("rich"):
        return RichView(stream)
    return PlainView(stream)


def cells(sample: Sample) -> list[str]:
    """A sample as text, in the order of COLUMNS."""
    return [
        f"{sample.seconds:.1f}",
        sample.phase,
        f"{sample.events:,}",
        f"{sample.events_per_s:,.0f}",
        f"{sample.queued:,}",
        f"{sample.waiting}",
        f"{sample.consumers}",
        f"{sample.failed:,}",
        f"{sample.lag_s * 1e3:.0f} ms",
    ]


def rich_table(table: Table) -> RichTable:
    """The same table, drawn by rich."""
    from rich import box
    from rich.table import Table as RichTable

    drawn = RichTable(title=table.title or None, box=box.SIMPLE_HEAD, pad_edge=False)
    for at, column in enumerate(table.columns):
        failed = column == "failed"
        drawn.add_column(
            column,
            justify="right" if at else "left",
            style="red" if failed else "cyan" if not at else "",
            no_wrap=True,
        )
    for row in table.rows:
        drawn.add_row(*row)
    return drawn


def _aligned(texts: Sequence[str], widths: Sequence[int]) -> str:
    pairs = zip(texts, widths, strict=True)
    return "  ".join(f"{text:>{width}}" for text, width in pairs)
