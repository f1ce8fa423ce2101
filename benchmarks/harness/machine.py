"""What a number needs beside it: machine, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "commit", "load_average", "machine", "versions"]

ROOT = Path(__file__).resolve().parents[2]


def machine() -> dict[str, Any]:
    """Processor, cores and system."""
    usable = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": len(usable(0)) if usable else os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
    }


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Of Python and of the packages; None: not installed, or built in place."""
    found: dict[str, str | None] = {
        "python": f"{platform.python_implementation()} {platform.python_version()}"
    }
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found


def commit() -> dict[str, Any]:
    """The commit of the tree, and whether the tree differs from it."""
    status = _git("status", "--porcelain")
    return {
        "commit": _git("rev-parse", "--verify", "--quiet", "HEAD"),
        "changed": None if status is None else bool(status),
    }


def load_average() -> list[float] | None:
    """Over 1, 5 and 15 minutes; None where the system does not say."""
    try:
        return [round(each, 2) for each in os.getloadavg()]
    except (AttributeError, OSError):
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(models, "unknown").strip()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
