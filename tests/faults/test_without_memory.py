"""An allocation that fails costs the call that it fails in, and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.harness import environment
from tests.house.checkout import ROOT

ACTS = ["plain", "several", "key", "delay", "ttl", "unknown", "cancel", "wait", "wait inside"]

pytestmark = [
    pytest.mark.slow,  # each is a program of its own
    pytest.mark.skipif(
        sys.version_info < (3, 12),
        reason="without memory, a future of Python 3.11 forgets whom to wake",
    ),
]


@pytest.mark.parametrize("queue_type", ["fifo", "lifo", "priority"])
@pytest.mark.parametrize("act", ACTS)
def test_whichever_allocation_fails_the_queue_is_as_before(act: str, queue_type: str) -> None:
    """The first hundred of each of eight calls; there are fewer."""
    pytest.importorskip("_testcapi", reason="this Python was built without its test helpers")
    if (act, queue_type) in {("key", "lifo"), ("cancel", "lifo")}:
        pytest.skip("a LIFO queue takes no ordering key")
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-m", "tests.faults.without_memory",
         act, queue_type, "100"],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told, _, raised = done.stdout.strip().rpartition("raised=")
    assert told == "", told
    assert int(raised) > 0, "nothing failed: the test would show nothing"
