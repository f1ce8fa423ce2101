"""AddressSanitizer and UBSan: no access outside of what is allocated, nothing undefined.

The build keeps no freed objects for later, and Python's own allocator is switched off: else
a freed event would only be one that waits to be used again. The collector runs at every
allocation of an object that it looks at, with `--collect`.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.builds.copies import built_copy, run_pytest

__all__ = ["run_sanitized"]

SWITCHES = {"CQ_SANITIZE": "1", "CQ_DEBUG": "1"}
# They watch the whole process only if they are in it before all else.
RUNTIMES = ("libasan.so", "libubsan.so")
VARIABLES = {
    "PYTHONMALLOC": "malloc",
    # What Python itself never frees is no leak of ours: see tests/faults/test_memory.py.
    "ASAN_OPTIONS": "detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:"
    "allocator_may_return_null=1:abort_on_error=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1:abort_on_error=1",
}


def run_sanitized(scratch: Path, collect: bool, arguments: list[str]) -> int:
    copy = built_copy(scratch, SWITCHES)
    runtimes = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for name in RUNTIMES
    ]
    if collect:
        arguments = ["-p", "tests.builds.eager_collector", *arguments]
    return run_pytest(
        copy, arguments, [], VARIABLES | {"LD_PRELOAD": " ".join(runtimes)}
    )
