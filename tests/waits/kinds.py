"""What a (small) program is made of, in a few words: programs with the same are alike."""

from __future__ import annotations

from tests.waits.program import Program, deeds_of

__all__ = ["tags"]


def tags(program: Program) -> list[str]:
    """The features that a program has, sorted."""
    deeds = list(deeds_of(program))
    events, stations, acts = program.events, program.stations, program.acts
    found = {
        "fan-out": any(len(program.targets(each)) > 1 for each in events),
        "limit": any(each.limit for each in stations),
        "rate": any(each.rate for each in stations),
        "batch": any(each.batch for each in stations),
        "retry": any(each.tries > 1 for each in stations),
        "timeout": any(each.timeout for each in stations),
        "key": any(each.ordering_key for each in events),
        "delay": any(each.delay for each in events),
        "ttl": any(each.ttl for each in events),
        "live-limit": any(each.kind == "limit" for each in (*deeds, *acts)),
        "cancel": any(each.kind == "cancel" for each in (*deeds, *acts)),
        "bounds": any(each.kind == "bounds" for each in acts),
        "removal": any(each.kind in ("remove", "replace") for each in acts),
        "for-all": any(each.kind == "all" for each in deeds),
        "task": any(each.how in ("task", "group", "gather") for each in deeds),
        "stray": any(each.how == "stray" for each in deeds),
        "wait-timeout": any(each.how == "timeout" for each in deeds),
        "small": program.capacity < 1000,
        "close": program.closes_at is not None,
        "form": any(each.form != "async" for each in stations),
        "propagates": program.propagates,
        "request": any(each.kind == "request" for each in deeds),
        program.order: program.order != "fifo",
        f"router-{program.router}": bool(program.router),
    }
    return sorted(name for name, has in found.items() if has)
