"""The workers as the loop's process sees them: what is out, and what waits to go out."""

from collections.abc import Callable
from typing import Self, final

from collectorqueue._native.answers import Answers
from collectorqueue._native.core import Core
from collectorqueue._native.errand import Errand
from collectorqueue._native.outlet import Elsewhere
from collectorqueue._native.window import Window

@final
class Crew(Elsewhere):
    """All workers of one queue."""

    def __new__(
        cls,
        core: Core,
        *,
        answers: Answers,
        on_timed: Callable[[int], None],
        on_short: Callable[[], None],
    ) -> Self: ...
    @property
    def windows(self) -> list[Window]:
        """Those of the workers that are ready."""

    @property
    def waits(self) -> int:
        """How many events wait for a worker."""

    @property
    def short_since(self) -> int:
        """Since when something waits, ns of the clock; 0: nothing does."""

    @property
    def busy(self) -> int:
        """How many workers have something to do."""

    def take_peak(self) -> int:
        """The most events or workers that were wanted at once, since the last call."""

    @property
    def out(self) -> int:
        """How many events workers have."""

    def send_again(self, errand: Errand) -> None:
        """It runs by now, and was not sent: before all that waits."""

    def join(self) -> None:
        """Be where the core's events go that run elsewhere; it has been opened."""

    def flush(self) -> None:
        """Send all that was written."""

    def collect(self, window: Window) -> int:
        """Take in the results that stand in a worker's page, and send it more.

        Returns how many. Raises ValueError if the page is garbled.
        """

    def collect_whole(self, window: Window, frame: bytes) -> None:
        """Take in a result that came whole on the socket. Raises ValueError likewise."""

    def go_on(self) -> None:
        """There may be room now."""

    def enlist(self, window: Window) -> None:
        """A worker is ready."""

    def dismiss(self, window: Window) -> list[Errand]:
        """The worker is dead. Returns the Errands that it had begun and not finished.

        All its results have been collected. What it had not begun goes to others, in order.
        """

    def corner(self, window: Window) -> None:
        """The worker is about to be killed: it gets no more, and others do what it has not
        begun. It may finish what it has."""

    def bury(self, errand: Errand, error: BaseException, *, rerun: bool) -> bool:
        """It was lost with its worker: run it again, if it may be, or fail it.

        Returns whether it is run again.
        """

    def overdue(self, now: int) -> tuple[list[tuple[Window, Errand, bool]], int | None]:
        """What runs for longer than its timeout, as (Window, Errand, whether it is async),
        and ns until to look again; None: nothing with a timeout is out."""
