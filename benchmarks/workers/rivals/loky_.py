"""loky: the executor of joblib, through `loop.run_in_executor`."""

from __future__ import annotations

import loky

from benchmarks.workers.rivals.process_pool_executor import MODES, ExecutorRival
from benchmarks.workers.work import Work

__all__ = ["MODES", "Rival"]


class Rival(ExecutorRival):
    """An executor of its own, not the reusable one."""

    def __init__(self, work: Work, mode: str | None) -> None:
        super().__init__(work, loky.ProcessPoolExecutor(work.workers))
