"""The journal: what was done and what was found, a JSON object a line."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import IO, Any

__all__ = ["Journal"]


class Journal:
    """Writes to a file, or to standard output where none is given."""

    def __init__(self, path: Path | None) -> None:
        self._file: IO[str] | None = None if path is None else path.open("w")
        self._begun = time.monotonic()
        self.faults: Counter[str] = Counter()

    @property
    def elapsed_s(self) -> float:
        """Since it was begun."""
        return time.monotonic() - self._begun

    def write(self, record: dict[str, Any]) -> None:
        """One line, with the second at which it was written."""
        if "fault" in record:
            self.faults[record["fault"]] += 1
        line = json.dumps({"at_s": round(self.elapsed_s, 3), **record})
        print(line, file=self._file, flush=True)

    def close(self) -> None:
        """No more is written."""
        if self._file is not None:
            self._file.close()
