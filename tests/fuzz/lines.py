"""Lines for `collectorqueue pipe`: each is an event with its value, or reported as malformed.

A line that is accepted has the value that the standard library's JSON reader finds in it.
Whatever the lines are, and however they are cut into chunks, the command ends, says how many
were malformed, and writes one result for each of the others.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import re
import threading
from typing import Any

import msgspec

from collectorqueue import Collector, CollectorQueue
from collectorqueue.cli import pipe
from collectorqueue.cli.errors import Exit
from collectorqueue.cli.pipe.lines import LineSplitter
from collectorqueue.cli.pipe.records import MalformedLine, decode
from tests.fuzz.mutation import mutated
from tests.fuzz.processors import same
from tests.fuzz.rounds import Fuzzer, Verdict, Violation

__all__ = ["LineFuzzer", "Text", "queue"]

VALUES: tuple[Any, ...] = (
    None, 0, -1, 2**63, 2**64, 10**30, 0.1, 1e308, "", "text", "\x00", "\u2028\U0001f600",
    [], [[[]]], {"a": {"b": 1}}, {"value": 2}, "x" * 2000,
)  # fmt: skip
DEEP = 50_000
HOSTILE = (
    b"", b" ", b"\t\r", b"\x00", b"null", b"[]", b"{}", b'"', b'{"value"', b'{"value":}',
    b'{"value":' + b"[" * DEEP, b'{"value":' + b"[" * 900 + b"]" * 900 + b"}",
    b'{"value":1e999}', b'{"value":NaN}', b'{"value":"\\ud800"}', b'{"value":"\xed\xa0\x80"}',
    b'{"value":1,"value":2}', b'{"value":1}{"value":2}', b'\xef\xbb\xbf{"value":1}',
    b'{"value":' + b"9" * 5000 + b"}", b'{"value":1,"topics":[]}', b'{"value":1,"keys":""}',
    b'{"value":1,"topics":["a","a"]}', b'{"value":1,"keys":["\\u0000"]}',
    b'{"value":1,"priority":9223372036854775808}', b'{"value":1,"priority":-1}',
    b'{"value":1,"priority":1.5}', b'{"value":1,"topics":"a","keys":"b"}',
)  # fmt: skip
COMPLAINT = re.compile(r"line (\d+): malformed")


class Text(msgspec.Struct):
    """What is fed, in these chunks."""

    chunks: list[bytes]
    ordered: bool


def queue() -> CollectorQueue:
    """What the lines are fed to."""
    return CollectorQueue([Collector("same", same, topics="a"), Collector("key", same)])


class LineFuzzer(Fuzzer):
    """Feeds a few lines to the command, over real pipes."""

    def make(self, chance: random.Random) -> Text:
        lines = [line(chance) for _ in range(chance.randint(1, 12))]
        data = b"\n".join(lines) + chance.choice((b"", b"\n", b"\r\n"))
        if chance.random() < 0.3:
            data = mutated(data, chance)
        cuts = sorted(
            chance.randrange(len(data) + 1) for _ in range(chance.randrange(5))
        )
        return Text(
            [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)],
            chance.random() < 0.5,
        )

    def check(self, given: Text) -> Verdict:
        lines = split(given.chunks)
        *ended, rest = b"".join(given.chunks).split(b"\n")
        if lines != ended + [rest] * bool(rest):
            raise Violation("the chunks are cut into other lines")
        values: dict[int, Any] = {}
        malformed: set[int] = set()
        for number, each in enumerate(lines, start=1):
            if not each.strip():
                continue
            try:
                values[number] = decode(each).value
            except MalformedLine:
                malformed.add(number)
            else:
                is_what_json_reads(each, values[number])
        self._runs(given, values, malformed)
        return Verdict.REFUSED if malformed else Verdict.EQUAL

    def _runs(self, given: Text, values: dict[int, Any], malformed: set[int]) -> None:
        """The whole command agrees with what its parts have found."""
        code, out, complaints = feed(given)
        written = [json.loads(each) for each in out.split(b"\n")[:-1]]
        results = {each["line"]: each for each in written}
        if set(results) != set(values) or len(written) != len(values):
            raise Violation(
                f"results for lines {sorted(results)}, not {sorted(values)}"
            )
        if given.ordered and list(results) != sorted(results):
            raise Violation(f"in order of lines, it wrote {list(results)}")
        for number, value in values.items():
            for result in results[number]["results"]:
                if "ok" in result and repr(result["ok"]) != repr(value):
                    raise Violation(f"{value!r:.200} has become {result!r:.200}")
        reported = {int(each) for each in COMPLAINT.findall(complaints)}
        if reported != malformed:
            raise Violation(f"reported are {sorted(reported)}, not {sorted(malformed)}")
        failed = malformed or any(each["outcome"] != "ok" for each in results.values())
        if code != (Exit.SOME_FAILED if failed else Exit.OK):
            raise Violation(f"the exit code is {code}")


def line(chance: random.Random) -> bytes:
    """A line that is right, or nearly so, or one that has broken readers before."""
    if chance.random() < 0.3:
        return chance.choice(HOSTILE)
    said: dict[str, Any] = {"value": chance.choice(VALUES)}
    match chance.randrange(6):
        case 0:
            said["topics"] = chance.choice(("a", ["a"], "nobody", ["a", "nobody"]))
        case 1:
            said["keys"] = chance.choice(("same", ["key", "same"], "nobody"))
        case 2:
            said["priority"] = chance.choice((0, 5, -5, 2**31, 2**70))
    data = json.dumps(said, ensure_ascii=chance.random() < 0.5).encode()
    return mutated(data, chance).replace(b"\n", b" ") if chance.random() < 0.5 else data


def split(chunks: list[bytes]) -> list[bytes]:
    """The lines, as the command cuts them."""
    splitter, found = LineSplitter(), []
    for chunk in chunks:
        found += [each for _, each in splitter.feed(chunk)]
    found += [each for _, each in splitter.finish()]
    return found  # type: ignore[return-value]  # none is over the limit


def is_what_json_reads(each: bytes, value: Any) -> None:
    text = each.decode(
        "utf-8", "replace"
    )  # fields that are passed over may be anything
    try:
        expected = json.loads(text)["value"]
    except (ValueError, TypeError, KeyError) as error:
        raise Violation(f"{each!r:.200} was accepted: {error}") from error
    if repr(expected) != repr(value):
        raise Violation(f"{each!r:.200} was read as {value!r:.200}")


def feed(given: Text) -> tuple[int, bytes, str]:
    """Run the command: its exit code, what it wrote, and what it complained about."""
    source, into = os.pipe()
    out_of, sink = os.pipe()
    read: list[bytes] = []

    def write_all() -> None:
        with open(into, "wb", buffering=0) as file:
            for chunk in given.chunks:
                file.write(chunk)

    def read_all() -> None:
        with open(out_of, "rb") as file:
            read.append(file.read())

    threads = [threading.Thread(target=write_all), threading.Thread(target=read_all)]
    for each in threads:
        each.start()
    complaints = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaints):
            code = pipe.run(
                "tests.fuzz.lines:queue", given.ordered, source=source, sink=sink
            )
    finally:
        os.close(source)
        os.close(sink)
        for each in threads:
            each.join()
    return int(code), read[0], complaints.getvalue()
