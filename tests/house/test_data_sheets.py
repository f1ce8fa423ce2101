"""The compiled classes are what their .pxd says: an ignored .pxd is a silent one."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.house.checkout import cython_files
from tests.house.data_sheets import DataSheet, data_sheets

OPEN_TO_SUBCLASSES = 1 << 10  # Py_TPFLAGS_BASETYPE

SHEETS = {
    sheet.name: sheet
    for file in cython_files()
    if file.suffix == ".pxd"
    for sheet in data_sheets(file)
}


def test_what_travels_has_a_data_sheet() -> None:
    assert {"Payload", "CollectorEvent"} <= SHEETS.keys()


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS.keys())
def test_a_compiled_class_is_as_large_as_its_data_sheet_says(sheet: DataSheet) -> None:
    """Smaller: the .pxd was not read. Larger: fields that the .pxd does not show."""
    compiled = getattr(import_module(sheet.module), sheet.name)
    assert compiled.__basicsize__ == sheet.size(SHEETS)


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS.keys())
def test_a_compiled_class_has_no_dict(sheet: DataSheet) -> None:
    compiled = getattr(import_module(sheet.module), sheet.name)
    assert compiled.__dictoffset__ == 0


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS.keys())
def test_a_compiled_class_is_final_unless_something_inherits(sheet: DataSheet) -> None:
    import_module("collectorqueue")
    compiled = getattr(import_module(sheet.module), sheet.name)
    assert bool(compiled.__flags__ & OPEN_TO_SUBCLASSES) == bool(
        compiled.__subclasses__()
    )


def test_every_compiled_class_has_a_data_sheet() -> None:
    pyx = [file for file in cython_files() if file.suffix == ".pyx"]
    defined = {
        f"{sheet.module}.{sheet.name}" for file in pyx for sheet in data_sheets(file)
    }
    described = {f"{sheet.module}.{sheet.name}" for sheet in SHEETS.values()}
    assert defined <= described, f"only in a .pyx: {sorted(defined - described)}"
