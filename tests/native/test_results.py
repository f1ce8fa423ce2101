"""Ok, Error and ResultList: values, without a queue."""

from __future__ import annotations

import copy
import gc
import pickle
import traceback
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from collectorqueue import CollectorEvent, Error, Ok, Payload, Result, ResultList
from collectorqueue._native.results import failure_of, result_of
from collectorqueue.errors import CollectorFailed
from tests.liars import LIARS


def failing(exc: BaseException) -> Error:
    """What a consumer makes of a raised exception."""
    try:
        raise exc
    except BaseException as caught:
        return failure_of(caught)


def described(result: Result) -> str:
    match result:
        case Ok(value):
            return f"ok {value}"
        case Error(err):
            return f"error {err}"
        case _:
            return "neither"


# -- Ok and Error -----------------------------------------------------------------


def test_an_ok_holds_a_value() -> None:
    result = Ok(42)
    assert result.value == 42
    assert result.unwrap() == 42
    assert result.ok() is True
    assert result.error() is False
    assert repr(result) == "Ok(42)"
    assert Ok().value is None


def test_an_error_holds_an_exception_or_a_text() -> None:
    exc = ValueError("bad")
    result = Error(exc, {"line": 3})
    assert result.err is exc
    assert result.details == {"line": 3}
    assert result.value is None
    assert result.ok() is False
    assert result.error() is True
    assert result.traceback == ""
    assert repr(result) == "Error(ValueError('bad'), details={'line': 3})"
    assert repr(Error("bad")) == "Error('bad')"


@pytest.mark.parametrize("err", [None, 7, b"bad", ["bad"], int])
def test_an_error_of_anything_else_is_refused(err: Any) -> None:
    with pytest.raises(TypeError) as caught:
        Error(err)
    assert str(caught.value) == f"an Error holds an exception or a str, got {err!r}"


def test_unwrapping_an_error_raises_its_exception() -> None:
    exc = ValueError("bad")
    with pytest.raises(ValueError, match=r"^bad$") as caught:
        Error(exc).unwrap()
    assert caught.value is exc


def test_unwrapping_an_error_of_a_class_raises_one_of_it() -> None:
    with pytest.raises(LookupError):
        Error(LookupError).unwrap()


def test_unwrapping_an_error_of_a_text_raises_collector_failed() -> None:
    with pytest.raises(CollectorFailed) as caught:
        Error("out of paper").unwrap()
    assert str(caught.value) == "out of paper"


def test_unwrapping_a_shared_error_again_and_again_keeps_no_frames() -> None:
    error = Error(ValueError("bad"))
    depths = []
    for _ in range(3):
        try:
            error.unwrap()
        except ValueError as caught:
            depths.append(len(traceback.extract_tb(caught.__traceback__)))
    assert len(set(depths)) == 1


def test_results_match_by_position() -> None:
    assert described(Ok(1)) == "ok 1"
    assert described(Error("bad")) == "error bad"
    assert described(Error(KeyError("k"))) == "error 'k'"


def test_a_match_can_look_into_the_exception() -> None:
    match Error(FileNotFoundError(2, "gone")):
        case Error(FileNotFoundError(errno=2)):
            pass
        case _:
            pytest.fail("it did not match")


def test_results_are_equal_by_what_they_hold() -> None:
    assert Ok([1]) == Ok([1])
    assert Ok(1) != Ok(2)
    assert Ok("bad") != Error("bad")
    assert Error("bad") == Error("bad")
    exc = ValueError("bad")
    assert Error(exc) == Error(exc)
    assert Error(exc) != Error(ValueError("bad"))
    assert Ok(1) != 1


def test_results_hash_by_what_they_hold() -> None:
    assert len({Ok(1), Ok(1), Ok(2), Error("a"), Error("a")}) == 3
    with pytest.raises(TypeError):
        hash(Ok([]))


def test_ok_and_error_subscript_and_make_up_result() -> None:
    assert isinstance(Ok[int], types.GenericAlias)
    assert isinstance(Error[str], types.GenericAlias)
    assert isinstance(Ok(1), Result)
    assert isinstance(Error("bad"), Result)


@pytest.mark.parametrize("name", ["value", "err", "key", "label"])
def test_results_cannot_be_changed(name: str) -> None:
    for result in (Ok(1), Error("bad")):
        with pytest.raises(AttributeError):
            setattr(result, name, 2)


# -- from exceptions --------------------------------------------------------------


def test_a_return_value_becomes_an_ok_and_a_result_stays_itself() -> None:
    ok, error = Ok(1), Error("bad")
    assert result_of(ok) is ok
    assert result_of(error) is error
    assert result_of(7) == Ok(7)
    assert result_of(None) == Ok(None)


def test_an_error_has_the_exception_itself_and_its_text() -> None:
    exc = ValueError("bad")
    error = failing(exc)
    assert error.err is exc
    assert error.traceback.startswith("Traceback (most recent call last):\n")
    assert error.traceback.endswith("ValueError: bad\n")
    assert "in failing" in error.traceback


def test_the_text_tells_of_causes_that_the_exception_lets_go_of() -> None:
    def fail() -> None:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            outer = ValueError("outer")
            outer.add_note("while counting")
            raise outer from inner

    try:
        fail()
    except ValueError as exc:
        error = failure_of(exc)
    assert "KeyError: 'inner'" in error.traceback
    assert "while counting" in error.traceback
    assert "direct cause" in error.traceback
    assert error.err.__traceback__ is None
    assert error.err.__cause__ is None
    assert error.err.__context__ is None


def test_an_error_keeps_no_frame_and_so_no_local_alive() -> None:
    class Big:
        pass

    def fail() -> None:
        big = Big()
        gone.append(weakref.ref(big))
        raise ValueError("bad")

    gone: list[weakref.ref[Big]] = []
    try:
        fail()
    except ValueError as exc:
        error = failure_of(exc)
    assert gone[0]() is None
    assert isinstance(error.err, ValueError)


def test_an_error_keeps_no_frame_of_a_cause_a_context_or_a_group_alive() -> None:
    class Big:
        pass

    gone: list[weakref.ref[Big]] = []

    def fail(with_cause: bool) -> None:
        big = Big()
        gone.append(weakref.ref(big))
        if with_cause:
            try:
                fail(False)
            except KeyError as exc:
                raise ValueError("bad") from exc
        raise KeyError("deep")

    def collect() -> None:
        caught: list[Exception] = []
        for with_cause in (True, False):
            try:
                fail(with_cause)
            except Exception as exc:
                caught.append(exc)
        raise ExceptionGroup("several", [*caught, ExceptionGroup("deep", caught[:1])])

    try:
        collect()
    except ExceptionGroup as exc:
        error = failure_of(exc)
    assert len(gone) == 3
    assert [ref() for ref in gone] == [None] * 3
    assert "several" in error.traceback
    assert "KeyError: 'deep'" in error.traceback


def test_a_returned_error_keeps_no_frame_either() -> None:
    def fail() -> None:
        raise ValueError("bad")

    try:
        fail()
    except ValueError as exc:
        error = result_of(Error(exc, "details"))
    assert error.err.__traceback__ is None
    assert "in fail" in error.traceback
    assert error.details == "details"


def test_the_text_is_bounded_and_says_what_it_leaves_out() -> None:
    error = failing(ValueError("x" * 1_000_000))
    assert len(error.traceback) <= 256 * 1024 + 100
    assert " left out ...\n" in error.traceback
    assert len(error.traceback.encode()) <= 256 * 1024 + 100


def test_the_text_is_bounded_in_bytes() -> None:
    error = failing(ValueError("\N{SNOWMAN}" * 300_000))
    assert len(error.traceback.encode()) <= 256 * 1024


class BadStr(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no str")


class BadRepr(Exception):
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class BadBoth(BadStr, BadRepr):
    pass


class Immovable(Exception):
    """Refuses every assignment."""

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(name)


class StrExits(Exception):
    def __str__(self) -> str:
        raise SystemExit(3)


class OwnBase(BaseException):
    pass


HOSTILE: dict[str, Callable[[], BaseException]] = {
    "BadStr": BadStr,
    "BadRepr": BadRepr,
    "BadBoth": BadBoth,
    "Immovable": Immovable,
    "StrExits": StrExits,
    "OwnBase": lambda: OwnBase("own"),
    **LIARS,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_exception_becomes_an_error_with_a_text(name: str) -> None:
    exc = HOSTILE[name]()
    error = failing(exc)
    same = error.err is exc
    assert same
    assert name in error.traceback
    assert BaseException.__getattribute__(exc, "__traceback__") is None


def shared_group(core: Exception) -> Exception:
    for _ in range(40):
        core = ExceptionGroup("twice", [core, core])
    return core


def test_a_group_that_shares_its_members_is_not_written_for_ever() -> None:
    inside = ValueError("core")
    error = failing(shared_group(inside))
    assert error.traceback == "ExceptionGroup: <with more than 1000 exceptions inside>\n"
    assert inside.__traceback__ is None


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_such_a_group_may_be_the_cause_of_the_cause(link: str) -> None:
    middle, outer = ValueError("middle"), KeyError("outer")
    setattr(middle, link, shared_group(ValueError("core")))
    setattr(outer, link, middle)
    assert failing(outer).traceback == "KeyError: <with more than 1000 exceptions inside>\n"


def test_a_long_chain_of_causes_is_written_though_it_bites_its_tail() -> None:
    chain = [ValueError(f"cause {at}") for at in range(1_500)]
    for cause, effect in zip(chain, [*chain[1:], chain[0]], strict=True):
        effect.__cause__ = cause
    text = failing(chain[-1]).traceback
    assert "cause 0\n" in text
    assert "cause 1499\n" in text


def test_an_interrupt_while_a_traceback_is_written_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    error = failing(ValueError("bad"))
    with monkeypatch.context() as patched:
        patched.setattr("linecache.getline", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = error.traceback
    assert "raise exc" in error.traceback


def test_an_exception_that_refuses_assignment_keeps_no_frames_all_the_same() -> None:
    assert failing(Immovable()).err.__traceback__ is None


def test_a_deeply_nested_group_is_described_and_let_go_of() -> None:
    group: Exception = ValueError("core")
    for depth in range(200):
        group = ExceptionGroup(f"level {depth}", [group])
    error = failing(group)
    assert "level 199" in error.traceback


# -- ResultList -------------------------------------------------------------------


@pytest.fixture
def results() -> ResultList:
    return ResultList([Ok(1), Error("bad"), Ok(3)], ["a", "b", "c"])


def test_a_list_has_its_results_in_order_with_their_keys(results: ResultList) -> None:
    assert results.keys() == ("a", "b", "c")
    assert results.items() == [("a", Ok(1)), ("b", Error("bad")), ("c", Ok(3))]
    assert list(results) == [Ok(1), Error("bad"), Ok(3)]
    assert list(results.iter()) == results.results == list(results)
    assert results.size() == len(results) == 3
    assert results.errors() == [Error("bad")]
    assert results.first() == Ok(1)


def test_a_list_is_looked_up_by_position_by_slice_and_by_key(
    results: ResultList,
) -> None:
    assert results[0] == Ok(1)
    assert results[-1] == Ok(3)
    assert results[1:] == [Error("bad"), Ok(3)]
    assert results["b"] == Error("bad")
    for bad, kind in ((3, IndexError), ("d", KeyError), (None, TypeError)):
        with pytest.raises(kind):
            results[bad]


def test_a_list_is_a_sequence(results: ResultList) -> None:
    assert isinstance(results, Sequence)
    assert Ok(3) in results
    assert Ok(4) not in results
    assert results.index(Ok(3)) == 2
    assert results.count(Ok(1)) == 1
    assert list(reversed(results)) == [Ok(3), Error("bad"), Ok(1)]
    with pytest.raises(ValueError, match="is not in list"):
        results.index(Ok(4))


def test_a_sequences_index_takes_a_start_and_a_stop(results: ResultList) -> None:
    assert results.index(Ok(3), 1) == 2
    with pytest.raises(ValueError, match="is not in list"):
        results.index(Ok(3), 0, 2)


def test_a_list_matches_as_a_sequence(results: ResultList) -> None:
    match results:
        case [Ok(first), Error(_), *rest]:
            assert first == 1
            assert rest == [Ok(3)]
        case _:
            pytest.fail("it did not match")


def test_a_list_is_equal_to_a_list_of_the_same_results(results: ResultList) -> None:
    assert results == [Ok(1), Error("bad"), Ok(3)]
    assert results == ResultList([Ok(1), Error("bad"), Ok(3)])
    assert results != [Ok(1)]
    with pytest.raises(TypeError):
        hash(results)


def test_an_empty_list_is_false_and_its_first_is_an_error() -> None:
    empty = ResultList()
    assert not empty
    first = empty.first()
    assert isinstance(first, Error)
    assert first.err == "result list is empty"
    with pytest.raises(CollectorFailed):
        first.unwrap()


def test_a_list_without_keys_labels_its_results_none() -> None:
    results = ResultList([Ok(1)])
    assert results.keys() == (None,)
    assert results.items() == [(None, Ok(1))]
    assert repr(results) == "ResultList([Ok(1)])"


def test_repr_shows_keys_and_results(results: ResultList) -> None:
    assert repr(results) == "ResultList(a=Ok(1), b=Error('bad'), c=Ok(3))"


def test_a_list_of_ones_own_can_be_added_to() -> None:
    results = ResultList()
    results.append(Ok(1))
    results.append(Error("bad"))
    assert list(results) == [Ok(1), Error("bad")]
    labelled = ResultList([Ok(1)], ["a"])
    labelled.append(Ok(2))
    assert labelled.keys() == ("a", None)


def test_only_results_go_into_a_list() -> None:
    message = "a ResultList holds Ok and Error, got 7"
    with pytest.raises(TypeError) as caught:
        ResultList([Ok(1), 7])
    assert str(caught.value) == message
    with pytest.raises(TypeError) as caught:
        ResultList().append(7)
    assert str(caught.value) == message


def test_a_list_needs_one_key_a_result() -> None:
    with pytest.raises(ValueError, match="needs one key") as caught:
        ResultList([Ok(1)], ["a", "b"])
    assert str(caught.value) == (
        "a ResultList needs one key a result, got 2 keys for 1 results"
    )


def test_the_results_attribute_is_a_copy(results: ResultList) -> None:
    results.results.clear()
    assert len(results) == 3


def test_a_list_does_not_follow_the_list_it_was_made_of() -> None:
    given = [Ok(1)]
    results = ResultList(given)
    given.append(Ok(2))
    assert len(results) == 1


# -- memory and copies ------------------------------------------------------------


def test_the_garbage_collector_sees_cycles_through_results() -> None:
    class Node:
        result: Any

    def in_list(node: Node) -> ResultList:
        return ResultList([Ok(node)])

    for make in (Ok, lambda node: Error("bad", node), in_list):
        node = Node()
        node.result = make(node)
        gone = weakref.ref(node)
        del node
        gc.collect()
        assert gone() is None


def test_results_are_not_pickled_by_accident() -> None:
    for one in (Ok(1), Error("bad"), ResultList([Ok(1)])):
        with pytest.raises(TypeError):
            pickle.dumps(one)
        with pytest.raises(TypeError):
            copy.deepcopy(one)


def test_classes_are_not_meant_for_inheritance() -> None:
    for kind in (Ok, Error, ResultList):
        with pytest.raises(TypeError):
            type("Mine", (kind,), {})


@pytest.mark.parametrize(
    ("method", "other"),
    [
        (Ok.unwrap, Error("text")),
        (Ok.unwrap, None),
        (ResultList.first, []),
        (CollectorEvent.is_done, "x"),
        (CollectorEvent.cancel, None),
        (Payload.with_value, object()),
    ],
)
def test_a_method_of_one_class_refuses_the_objects_of_others(
    method: Any, other: Any
) -> None:
    with pytest.raises(TypeError, match="descriptor"):
        method(other)
