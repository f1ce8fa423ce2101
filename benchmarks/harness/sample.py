"""One sample: an order to a fresh process, and the line of JSON it answers with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from benchmarks.harness.machine import ROOT

__all__ = ["SampleFailed", "sample"]

TIMEOUT_S = 600


class SampleFailed(Exception):
    """It could not be taken; the text says why."""


def sample(measure: str, order: dict[str, Any]) -> dict[str, Any]:
    """What `python -m measure ORDER` answers. Raises SampleFailed.

    It runs in a session of its own, so that one which hangs is ended together with the
    processes it has started.
    """
    with subprocess.Popen(
        [sys.executable, "-m", measure, json.dumps(order)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            answer, complaint = process.communicate(timeout=TIMEOUT_S)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise SampleFailed(f"no result within {TIMEOUT_S} s") from None
            raise
    if process.returncode:
        lines = complaint.strip().splitlines()
        raise SampleFailed(lines[-1] if lines else f"status {process.returncode}")
    detail: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return detail


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
