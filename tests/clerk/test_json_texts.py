"""JSON of strangers never takes the stack from what else runs (T1)."""

import gc
import json
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doorward.clerk.json_texts import DEPTH_MAX, NotAnObject, nests_too_deeply, read_object

values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\,:a\n\u00e9'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[{}]"\\'), inner),
)


def nested(levels: int, within: str = "") -> bytes:
    return f'{{"a":{"[" * levels}{within}{"]" * levels}}}'.encode()


@given(values, st.booleans())
def test_any_object_is_read_as_it_was_written(value, escaped):
    text = json.dumps({"a": value}, ensure_ascii=escaped).encode()

    assert read_object(text) == {"a": value}


@given(values, st.integers(1, DEPTH_MAX))
def test_depth_is_judged_at_its_bound_whatever_stands_beside(value, used):
    beside = json.dumps({"brackets": "[{" * DEPTH_MAX, "value": value})[1:-1]
    at_bound = f'{{{beside},"deep":{"[" * (DEPTH_MAX - 1)}{"]" * (DEPTH_MAX - 1)}}}'.encode()
    beyond = f'{{{beside},"deep":{"[" * DEPTH_MAX}{"]" * DEPTH_MAX}}}'.encode()

    assert not nests_too_deeply(at_bound)
    assert nests_too_deeply(beyond)
    assert nests_too_deeply(b"[" * used + beyond)


def test_many_values_side_by_side_are_not_deep():
    assert read_object(json.dumps({"a": [{"b": []}] * 5000}).encode())["a"][4999] == {"b": []}


@pytest.mark.parametrize("levels", [DEPTH_MAX, 890, 5000, 200_000])
def test_what_nests_too_deeply_is_no_object(levels):
    with pytest.raises(NotAnObject, match="nested too deeply"):
        read_object(nested(levels))


@pytest.mark.parametrize("text", [b"", b"[]", b"1", b'"{}"', b'{"a":1} x', b'{"a":"\xff"}', b"{]"])
def test_what_is_no_json_object_is_named_so(text):
    with pytest.raises(NotAnObject):
        read_object(text)


@pytest.mark.parametrize("levels", [700, 850, 5000])
def test_hostile_text_fails_no_finalizer_of_others(levels, monkeypatch):
    failures = []
    monkeypatch.setattr(sys, "unraisablehook", failures.append)

    for allocated in range(1000):
        collected_while(lambda: refused(nested(levels)), after=1000 - allocated)

    assert [type(one.exc_value) for one in failures] == []


def refused(text: bytes) -> None:
    with pytest.raises(NotAnObject):
        read_object(text)


def collected_while(act: Callable[[], None], after: int) -> None:
    """Let the garbage collector set in once so many more objects were made."""
    gc.collect(0)
    thresholds = gc.get_threshold()
    gc.set_threshold(after, 1, 1)
    try:
        _Cycle()
        act()
    finally:
        gc.set_threshold(*thresholds)
        gc.collect(0)


class _Cycle:
    """Garbage that needs some stack when it is collected."""

    def __init__(self) -> None:
        self.me = self

    def __del__(self) -> None:
        self._descend(5)

    def _descend(self, levels: int) -> None:
        if levels:
            self._descend(levels - 1)
