"""What a .pxd promises of each class: its fields, and so its size in memory."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.house.checkout import cython_files, module_name
from tests.house.imports import without_strings

POINTER = ctypes.c_void_p
C_TYPES: dict[str, type] = {
    "bint": ctypes.c_int,
    "char": ctypes.c_char,
    "double": ctypes.c_double,
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "long long": ctypes.c_longlong,
    "Py_ssize_t": ctypes.c_ssize_t,
    "short": ctypes.c_short,
    "uint16_t": ctypes.c_uint16,
    "uint32_t": ctypes.c_uint32,
    "uint64_t": ctypes.c_uint64,
    "unsigned long": ctypes.c_ulong,
}
STRUCT = re.compile(r"^cdef struct (?P<name>\w+):")
CLASS = re.compile(r"^cdef class (?P<name>\w+)(?:\((?P<base>\w+)\))?:")
FIELD = re.compile(
    r"^    cdef (?:readonly |public )?"
    r"(?P<type>(?:unsigned |long )*\w+)\b(?P<names>[^(]*)$"
)
STRUCT_FIELD = re.compile(r"^    (?P<type>(?:unsigned )?\w+)\b(?P<names>[^(]*)$")
METHOD = re.compile(r"^    cp?def [^=\n]*\(")
CONSTANT = re.compile(r"^    (?P<name>[A-Z]\w*) = (?P<value>\d+)", re.MULTILINE)


@dataclass(slots=True)
class DataSheet:
    module: str
    name: str
    base: str | None
    has_methods: bool = False
    fields: list[tuple[type, int]] = field(default_factory=list)

    def size(self, sheets: dict[str, DataSheet]) -> int:
        """The bytes of one object as C lays it out: base, method table, fields."""
        base = sheets[self.base] if self.base else None
        inherited = base.size(sheets) if base else object.__basicsize__
        parts: list[type] = [POINTER] * (inherited // ctypes.sizeof(POINTER))
        if self.has_methods and not (base and base.has_table(sheets)):
            parts.append(POINTER)
        for kind, count in self.fields:
            parts += [kind] * count
        layout = [(f"at{number}", kind) for number, kind in enumerate(parts)]
        return ctypes.sizeof(type("Layout", (ctypes.Structure,), {"_fields_": layout}))

    def has_table(self, sheets: dict[str, DataSheet]) -> bool:
        inherited = self.base is not None and sheets[self.base].has_table(sheets)
        return self.has_methods or inherited


def data_sheets(file: Path) -> list[DataSheet]:
    text = without_strings(file.read_text(encoding="utf-8"))
    constants = {each["name"]: int(each["value"]) for each in CONSTANT.finditer(text)}
    sheets: list[DataSheet] = []
    inside = False
    for raw in text.splitlines():
        line = raw.split("#")[0].rstrip()
        if match := CLASS.match(line):
            sheets.append(DataSheet(module_name(file), match["name"], match["base"]))
            inside = True
        elif line and not line.startswith(" "):
            inside = False  # a function's variables look like fields
        elif not inside:
            continue
        elif METHOD.match(line):
            sheets[-1].has_methods = True
        elif match := FIELD.match(line):
            for declared in match["names"].split(","):
                sheets[-1].fields.append(_laid_out(match["type"], declared, constants))
    return sheets


@cache
def structs() -> dict[str, type]:
    """The plain C structures that classes hold whole."""
    declared: dict[str, list[tuple[str, str]]] = {}
    for file in cython_files():
        if file.suffix == ".pxd":
            declared |= _structs_of(without_strings(file.read_text(encoding="utf-8")))
    found: dict[str, type] = {}

    def build(name: str) -> type:
        if name not in found:
            inner = [(each, type_of(kind, each)) for kind, each in declared[name]]
            found[name] = type(name, (ctypes.Structure,), {"_fields_": inner})
        return found[name]

    def type_of(kind: str, name: str) -> type:
        if "*" not in name and kind in declared:
            return build(kind)
        return _plain(kind, name) or POINTER

    for name in declared:
        build(name)
    return found


def _structs_of(text: str) -> dict[str, list[tuple[str, str]]]:
    fields: dict[str, list[tuple[str, str]]] = {}
    inside = ""
    for raw in text.splitlines():
        line = raw.split("#")[0].rstrip()
        if match := STRUCT.match(line):
            inside = match["name"]
            fields[inside] = []
        elif line and not line.startswith(" "):
            inside = ""
        elif inside and (match := STRUCT_FIELD.match(line)):
            names = match["names"].split(",")
            fields[inside] += [(match["type"], each.strip()) for each in names]
    return fields


def _plain(kind: str, declared: str) -> type | None:
    """A plain C type; None for pointers and for objects, which are pointers too."""
    return None if "*" in declared else C_TYPES.get(kind)


def _laid_out(kind: str, declared: str, constants: dict[str, int]) -> tuple[type, int]:
    """`uint64_t`, `*pages[OCTAVES]` -> a pointer, 60 times."""
    count = 1
    if array := re.search(r"\[(\w+)\]", declared):
        size = array[1]
        count = int(size) if size.isdigit() else constants[size]
    # Whatever is neither plain nor a structure is an object or a pointer to one.
    held = None if "*" in declared else structs().get(kind)
    return (_plain(kind, declared) or held or POINTER), count
