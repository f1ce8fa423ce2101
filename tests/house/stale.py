"""Finding compiled modules that are older than what they were compiled from.

Nothing rebuilds on import. Without this look, a run after an edit would test the old
code, and pass or fail for reasons that are no longer in the files.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from tests.house.imports import cython_closure

SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")


def stale_modules(sources: Path, built: Path) -> list[str]:
    """One line for each module that is missing or older than a file it is made from."""
    found = []
    for source in sorted(sources.glob("*.pyx")):
        binary = built / f"{source.stem}{SUFFIX}"
        if not binary.exists():
            found.append(f"{source.stem}: not built for this Python")
            continue
        newest = max(cython_closure(source), key=lambda file: file.stat().st_mtime)
        if newest.stat().st_mtime > binary.stat().st_mtime:
            found.append(f"{source.stem}: older than {newest.name}")
    return found
