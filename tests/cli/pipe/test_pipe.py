"""`collectorqueue pipe` as the shell sees it."""

from __future__ import annotations

import base64
import gzip
import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support import SHARED_DATA

MODULE = """
import asyncio
from collectorqueue import CollectorQueue

queue = CollectorQueue()

@queue.collector(topics="double")
async def double(payload):
    print("noise from", payload.value)
    return payload.value * 2

@queue.collector(topics="slow")
async def slow(payload):
    await asyncio.sleep(payload.value)

@queue.collector(topics="describe")
def describe(payload):
    return [type(payload.value).__name__, len(str(payload.value))]

def make():
    return queue
"""

slow = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work.py").write_text(MODULE)
    return tmp_path


def start(folder: Path, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "collectorqueue", "pipe", *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def pipe(folder: Path, data: bytes, *arguments: str) -> tuple[int, list[Any], str]:
    """The exit code, the results and what was said on standard error."""
    with start(folder, *arguments) as process:
        output, complaints = process.communicate(data)
    results = [json.loads(line) for line in output.splitlines()]
    return process.returncode, results, complaints.decode()


@slow
def test_all_well_is_0_and_says_nothing(folder: Path) -> None:
    data = b'{"value": 0, "topics": "slow"}\n{"value": 0, "topics": "slow"}'
    code, results, complaints = pipe(folder, data, "work:make")
    assert (code, complaints) == (0, "")
    assert [each["outcome"] for each in results] == ["ok", "ok"]


@slow
def test_an_empty_input_is_well(folder: Path) -> None:
    assert pipe(folder, b"", "work:queue") == (0, [], "")


@slow
def test_what_collectors_print_stays_out_of_the_results(folder: Path) -> None:
    data = b'{"value": 4, "topics": "double"}\n'
    assert pipe(folder, data, "work:queue") == (
        0,
        [{"line": 1, "outcome": "ok", "results": [{"collector": "double", "ok": 8}]}],
        "noise from 4\n",
    )


@slow
def test_some_failed_is_1_with_a_summary_and_the_reasons(folder: Path) -> None:
    data = b'{"value": "x", "topics": "slow"}\n{\n{"value": 0, "topics": "slow"}\n'
    code, results, complaints = pipe(folder, data, "work:queue", "--ordered")
    assert code == 1
    assert [(each["line"], each["outcome"]) for each in results] == [
        (1, "failed"),
        (3, "ok"),
    ]
    assert "collectorqueue pipe: line 2: malformed: Input data was truncated\n" in (
        complaints
    )
    assert complaints.endswith("collectorqueue pipe: 1 ok, 1 failed, 1 malformed\n")
    assert "TypeError" in complaints  # no failure is silent


@slow
def test_what_could_not_run_is_2(folder: Path) -> None:
    assert pipe(folder, b"", "work:nothing") == (
        2,
        [],
        "collectorqueue pipe: no 'nothing' in 'work'; queues in it: 'queue'\n",
    )


@slow
def test_a_closed_input_could_not_run(folder: Path) -> None:
    command = f"{sys.executable} -m collectorqueue pipe work:queue <&-"
    done = subprocess.run(
        command, shell=True, cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        2,
        "collectorqueue pipe: standard input and output must be open\n",
    )


@slow
def test_an_output_that_takes_nothing_could_not_run(folder: Path) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "collectorqueue", "pipe", "work:queue"],
            input=b'{"value": 1}\n', cwd=folder, stdout=full, stderr=subprocess.PIPE,
            check=False,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.endswith(b"collectorqueue pipe: [Errno 28] No space left on device\n")
    assert b"Traceback" not in done.stderr


@slow
def test_a_closed_stdout_ends_it_quietly(folder: Path) -> None:
    with start(folder, "work:queue") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(b'{"value": 0, "topics": "slow"}\n')
        process.stdin.flush()
        assert process.stdout.readline()
        process.stdout.close()
        process.stdin.write(b'{"value": 0, "topics": "slow"}\n')
        process.stdin.flush()  # and the input stays open
        assert process.stderr.read() == b""
    assert process.returncode == 0


@slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains_what_was_read_and_writes_it(
    folder: Path, number: signal.Signals
) -> None:
    with start(folder, "work:queue") as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(
            b'{"value": 0.3, "topics": "slow"}\n{"value": 0, "topics": "slow"}\n'
        )
        process.stdin.flush()
        first = json.loads(process.stdout.readline())
        process.send_signal(number)
        second = json.loads(process.stdout.readline())
        process.wait()
    assert [(each["line"], each["outcome"]) for each in (first, second)] == [
        (2, "ok"),
        (1, "ok"),
    ]
    assert process.returncode == 130


# -- real data --------------------------------------------------------------------


def shared(name: str) -> list[dict[str, Any]]:
    path = SHARED_DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    with gzip.open(path, "rb") as lines:
        return [json.loads(line) for line in lines]


@slow
def test_real_webhooks_are_routed_by_their_event(folder: Path) -> None:
    webhooks = shared("github_webhooks.jsonl.gz")
    known = {"push", "issues", "pull_request"}
    lines = [
        json.dumps(
            {
                "value": each["payload"],
                "topics": "describe" if each["event"] in known else each["event"],
            }
        )
        for each in webhooks
    ]
    data = "\n".join(lines).encode()
    code, results, _ = pipe(folder, data, "work:queue", "--ordered")
    wanted = ["ok" if each["event"] in known else "unrouted" for each in webhooks]
    assert [each["outcome"] for each in results] == wanted
    assert [each["line"] for each in results] == list(range(1, len(webhooks) + 1))
    assert code == 1


@slow
def test_every_document_of_the_conformance_suite_is_carried_or_malformed(
    folder: Path,
) -> None:
    """Those that must be accepted are, and those that must not be are not."""
    documents = [
        (each["expect"], base64.b64decode(each["data_b64"]))
        for each in shared("json_conformance.jsonl.gz")
    ]
    # A newline ends a line: such documents are not one line of input.
    documents = [(expect, data) for expect, data in documents if b"\n" not in data]
    data = b"".join(
        b'{"topics": "describe", "value": %b}\n' % document for _, document in documents
    )
    code, results, complaints = pipe(folder, data, "work:queue", "--ordered")
    carried = {each["line"] for each in results}
    judged = Counter(
        (expect, number in carried)
        for number, (expect, _) in enumerate(documents, start=1)
    )
    assert judged["accept", False] == 0
    assert judged["reject", True] == 0
    malformed = len(documents) - len(carried)
    assert complaints.count(": malformed: ") == malformed
    assert malformed > 50
    assert code == 1
