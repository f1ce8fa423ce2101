"""What callgrind tells, read."""

from __future__ import annotations

import pytest

from benchmarks.instructions.callgrind import counts_in, readable

TOLD = """\
--------------------------------------------------------------------------------
Ir
--------------------------------------------------------------------------------
1,030 (100.0%)  PROGRAM TOTALS

--------------------------------------------------------------------------------
Ir                   file:function
--------------------------------------------------------------------------------
  600 (58.25%)  ???:__pyx_f_14collectorqueue_7_native_4core_4Core_settle [/a/core.so]
  300 (29.13%)  ./Objects/dictobject.c:_PyDict_GetItem'2 [/usr/lib/libpython3.13.so.1.0]
  100 ( 9.71%)  ???:_PyDict_GetItem [/usr/lib/libpython3.13.so.1.0]
   30 ( 2.91%)  ???:0x0000000000001000 [/usr/lib/ld.so]
"""


def test_a_function_has_its_own_and_its_recursive_calls_together() -> None:
    assert counts_in(TOLD) == {
        "core.Core.settle": 600,
        "_PyDict_GetItem": 400,
        "0x0000000000001000": 30,
    }


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("__pyx_f_14collectorqueue_7_native_4core_4Core_settle", "core.Core.settle"),
        ("__pyx_pw_14collectorqueue_7_native_5event_5Event_3wait", "event.Event.wait"),
        ("__pyx_f_14collectorqueue_7_native_5waits_wake_all", "waits.wake_all"),
        ("__pyx_tp_new_14collectorqueue_7_native_5event_Event", "event.Event"),
        ("__Pyx_PyObject_Call", "__Pyx_PyObject_Call"),
        ("malloc", "malloc"),
    ],
)
def test_a_name_that_cython_made_is_made_readable(name: str, said: str) -> None:
    assert readable(name) == said
