"""What a collector answers: one `Ok` or `Error`, and the list of them a waiter gets."""

from collections.abc import Iterable, Iterator, Sequence
from types import GenericAlias
from typing import (
    Any,
    ClassVar,
    Generic,
    Literal,
    NoReturn,
    Self,
    SupportsIndex,
    final,
    overload,
)

from typing_extensions import TypeVar

_T_co = TypeVar("_T_co", covariant=True, default=Any)
_Err = BaseException | type[BaseException] | str
_E_co = TypeVar("_E_co", bound=_Err, covariant=True, default=_Err)


@final
class Ok(Generic[_T_co]):
    """A collector's value: `Ok(42).unwrap() == 42`."""

    __match_args__ = ("value",)
    @overload
    def __new__(cls, value: None = None) -> Ok[None]: ...
    @overload
    def __new__(cls, value: _T_co) -> Self: ...
    @property
    def value(self) -> _T_co: ...
    def ok(self) -> Literal[True]:
        """True."""

    def error(self) -> Literal[False]:
        """False."""

    def unwrap(self) -> _T_co:
        """The value."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __class_getitem__(cls, args: Any, /) -> GenericAlias: ...

@final
class Error(Generic[_E_co]):
    """A collector's failure: `err` is the exception, or the text the collector gave."""

    __match_args__ = ("err",)
    def __new__(cls, err: _E_co, details: Any = None) -> Self: ...
    @property
    def err(self) -> _E_co:
        """The exception, without traceback, context and cause; or the text."""

    @property
    def details(self) -> Any: ...
    @property
    def value(self) -> None:
        """None: a failure has no value."""

    @property
    def traceback(self) -> str:
        """The formatted traceback, at most 256 KiB; '' where nothing was raised."""

    @property
    def attempts(self) -> int:
        """How many runs ended so, the first included."""

    def ok(self) -> Literal[False]:
        """False."""

    def error(self) -> Literal[True]:
        """True."""

    def unwrap(self) -> NoReturn:
        """Raise `err`; a text is raised as `CollectorFailed`."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __class_getitem__(cls, args: Any, /) -> GenericAlias: ...

@final
class ResultList(Sequence[Ok[Any] | Error]):
    """The results of one event, in the order its collectors were registered."""

    def __new__(
        cls,
        results: Iterable[Ok[Any] | Error] | None = None,
        keys: Iterable[str | None] | None = None,
    ) -> Self: ...
    @property
    def results(self) -> list[Ok[Any] | Error]:
        """The results as a list of one's own."""

    def keys(self) -> tuple[str | None, ...]:
        """The collectors' keys, in the order of the results; None where none is."""

    def items(self) -> list[tuple[str | None, Ok[Any] | Error]]:
        """Pairs of collector key and result."""

    def first(self) -> Ok[Any] | Error:
        """The first result; an `Error` when the list is empty."""

    def iter(self) -> Iterator[Ok[Any] | Error]:
        """An iterator over the results."""

    def size(self) -> int:
        """How many results there are."""

    def errors(self) -> list[Error]:
        """The results that are an `Error`."""

    def append(self, result: Ok[Any] | Error) -> None:
        """Add a result to a list of one's own; TypeError for an event's results."""

    def index(self, result: object, start: int = 0, stop: int | None = None) -> int:
        """The position of a result; ValueError when it is not there."""

    def count(self, result: object) -> int:
        """How often a result is there."""

    @overload
    def __getitem__(self, at: SupportsIndex | str, /) -> Ok[Any] | Error: ...
    @overload
    def __getitem__(self, at: slice, /) -> list[Ok[Any] | Error]: ...
    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Ok[Any] | Error]: ...
    def __reversed__(self) -> Iterator[Ok[Any] | Error]: ...
    def __contains__(self, result: object, /) -> bool: ...
    def __eq__(self, other: object, /) -> bool: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

def result_of(value: object) -> Ok[Any] | Error:
    """A handler's return value as Ok or Error, as a consumer makes it."""

def failure_of(exc: BaseException) -> Error[BaseException]:
    """An exception as the Error that a consumer makes of it."""

def tried(error: Error, attempts: int) -> Error:
    """The same failure, of so many runs."""
