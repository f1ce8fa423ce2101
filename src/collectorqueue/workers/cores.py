"""How many cores this process may use: affinity, and the quota of its control group."""

from __future__ import annotations

import math
import os
from pathlib import Path

__all__ = ["usable_cores"]

CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = CGROUPS, own: Path = OWN_CGROUP) -> int:
    """At least 1; a quota of one and a half cores counts as 2."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every platform
        cores = os.cpu_count() or 1
    quota = _quota(cgroups, own)
    return max(1, cores if quota is None else min(cores, math.ceil(quota)))


def _quota(cgroups: Path, own: Path) -> float | None:
    """The smallest quota of this process's control group and those around it, in cores."""
    quotas = []
    for line in _text(own).splitlines():
        _, controllers, inside = line.split(":", 2)
        is_second = not controllers
        if not is_second and "cpu" not in controllers.split(","):
            continue
        folder = cgroups if is_second else cgroups / "cpu"
        parts = [part for part in inside.split("/") if part and part != ".."]
        for count in range(len(parts) + 1):
            group = folder.joinpath(*parts[:count])
            quotas.append(_quota_v2(group) if is_second else _quota_v1(group))
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_v2(group: Path) -> float | None:
    match _text(group / "cpu.max").split():
        case [quota, period] if quota.isdigit() and period.isdigit() and int(period):
            return int(quota) / int(period)
    return None


def _quota_v1(group: Path) -> float | None:
    quota = _text(group / "cpu.cfs_quota_us").strip()
    period = _text(group / "cpu.cfs_period_us").strip()
    if quota.isdigit() and period.isdigit() and int(period):  # -1: none
        return int(quota) / int(period)
    return None


def _text(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace")
    except OSError:
        return ""
