"""Context: what all runs of one collector share, by attribute and by item."""

from __future__ import annotations

import pytest

from collectorqueue import Context


def test_attributes_and_items_are_the_same_things() -> None:
    ctx = Context()
    ctx.database = "db"
    ctx["cache"] = "c"
    assert ctx["database"] == "db"
    assert ctx.cache == "c"
    del ctx.database
    del ctx["cache"]
    assert len(ctx) == 0


def test_it_starts_with_a_copy_of_what_it_is_given() -> None:
    given = {"a": 1}
    ctx = Context(given)
    ctx.b = 2
    assert given == {"a": 1}
    assert list(ctx) == ["a", "b"]
    assert len(ctx) == 2
    assert "a" in ctx
    assert "c" not in ctx
    assert repr(ctx) == "Context({'a': 1, 'b': 2})"


def test_a_missing_attribute_says_what_there_is() -> None:
    with pytest.raises(AttributeError) as caught:
        Context({"a": 1, "b": 2}).c  # noqa: B018
    assert str(caught.value) == "the context has no 'c'; it has 'a', 'b'"
    with pytest.raises(AttributeError) as caught:
        Context().c  # noqa: B018
    assert str(caught.value) == "the context has no 'c'; it has nothing"
    with pytest.raises(AttributeError) as caught:
        del Context().c
    assert str(caught.value) == "the context has no 'c'"


def test_a_missing_item_is_a_key_error() -> None:
    ctx = Context()
    with pytest.raises(KeyError):
        ctx["c"]
    with pytest.raises(KeyError):
        del ctx["c"]


def test_getattr_with_a_default_and_hasattr_work() -> None:
    ctx = Context({"a": 1})
    assert getattr(ctx, "b", 7) == 7
    assert hasattr(ctx, "a")
    assert not hasattr(ctx, "b")


def test_names_of_its_own_machinery_are_not_lost_as_items() -> None:
    ctx = Context()
    ctx["_data"] = 1
    assert ctx["_data"] == 1
    ctx["a"] = 2
    assert ctx.a == 2


def test_a_context_can_be_copied() -> None:
    import copy

    ctx = Context({"a": [1]})
    other = copy.copy(ctx)
    assert other["a"] == [1]
    deep = copy.deepcopy(ctx)
    deep["a"].append(2)
    assert ctx["a"] == [1]
