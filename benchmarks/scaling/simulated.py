"""The scaling rule in a simulator of arrivals, a pool and what lies behind it.

Rules of residence: between the simulator, which is not part of this repository, and the
rule. The simulator and its traces are looked for in a folder beside the checkout.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from collectorqueue.admin.scaler import Decision, PoolScaler, PoolState

__all__ = ["FOLDER", "TRACES", "Ours", "arrivals", "simulator"]

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "autoscaling"
TRACES = ("dev_azure_llm_conv", "dev_azure_llm_code", "dev_zeek_dns")


def simulator(folder: Path = FOLDER) -> Any:
    """The simulator's module. Raises ImportError where it, or numpy, is not there."""
    if not (folder / "sim.py").is_file():
        raise ImportError(f"there is no simulator in {folder}")
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("sim")
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = before


def arrivals(sim: Any, trace: str, rate: float, service_s: float, spread: float) -> Any:
    """When events arrive, at `rate` a second on average, and how long each takes."""
    import numpy

    rng = numpy.random.default_rng(42)
    times, _ = sim.load(trace, rate, rng)
    return times, sim.lognorm(rng, len(times), service_s, spread)


class Ours:
    """A PoolScaler, asked where the queue asks it; `log`: (when, new size)."""

    def __init__(self, make: Callable[[int, int], PoolScaler] = PoolScaler) -> None:
        self._make = make
        self.log: list[tuple[float, int]] = []

    def bind(self, sim: Any) -> None:
        self._sim = sim
        self._scaler = self._make(sim.min_c, sim.max_c)
        self._peak = 0

    def on_start(self, number: int, wait: float) -> None:
        """Nothing is decided there."""

    def on_publish(self) -> None:
        sim = self._sim
        self._peak = max(self._peak, sim.in_system)
        if len(sim.q) > sim.ready - sim.busy:
            self._do(self._scaler.on_send)

    def on_finish(self, number: int, service: float) -> None:
        sim = self._sim
        if len(sim.q) > sim.ready - sim.busy and sim.pool < sim.max_c:
            self._do(self._scaler.on_finish)

    def on_tick(self) -> None:
        self._do(self._scaler.on_timer)

    def _do(self, question: Callable[[float, PoolState], Decision]) -> None:
        sim = self._sim
        decision = question(
            sim.t,
            PoolState(
                queued=len(sim.q),
                busy=sim.busy,
                pool=sim.pool,
                starting=len(sim.starting),
                peak=max(self._peak, sim.in_system),
                oldest=float(sim.arr[sim.q[0]]) if sim.q else None,
            ),
        )
        self._peak = sim.in_system
        timer = decision.next_timer
        sim.next_tick = math.inf if timer is None else max(timer, sim.t)
        if decision.target != sim.pool:
            self.log.append((sim.t, decision.target))
            sim.set_target(decision.target)
