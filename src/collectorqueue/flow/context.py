"""Context: what all runs of one collector share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Context"]


class Context:
    """A namespace for a collector's own things, by attribute and by item.

        ctx.database = await connect()      # in the collector's lifecycle
        await ctx.database.save(...)        # in its processor
        ctx["database"] is ctx.database

    One Context is shared by all concurrent runs of its collector.
    """

    _data: dict[str, Any]

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "_data", dict(data or {}))

    def __getstate__(self) -> dict[str, Any]:
        return dict(self._data)

    def __setstate__(self, state: dict[str, Any]) -> None:
        object.__setattr__(self, "_data", state)

    def __getattr__(self, name: str) -> Any:
        if name == "_data":  # a copy that is being made has none yet
            raise AttributeError(name)
        try:
            return self._data[name]
        except KeyError:
            known = ", ".join(map(repr, self._data)) or "nothing"
            raise AttributeError(
                f"the context has no {name!r}; it has {known}"
            ) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self._data[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self._data[name]
        except KeyError:
            raise AttributeError(f"the context has no {name!r}") from None

    def __getitem__(self, name: str) -> Any:
        return self._data[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._data[name] = value

    def __delitem__(self, name: str) -> None:
        del self._data[name]

    def __contains__(self, name: object) -> bool:
        return name in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        return f"Context({self._data!r})"

