"""MATLAB files of version 7.3 as MATLAB writes them: HDF5 behind a block of 512 bytes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

USER_BYTES = 512


def write_v73(path: Path, variables: Mapping[str, Any], **how: Any) -> Path:
    """Write variables: arrays of numbers, texts, lists for cells, dicts for structures, and lists
    of dicts within a tuple for arrays of structures."""
    with h5py.File(path, "w", userblock_size=USER_BYTES) as file:
        for name, value in variables.items():
            _write(file, file, name, value, how)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    return path


def _write(file: Any, group: Any, name: str, value: Any, how: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        made = group.create_group(name)
        for field, content in value.items():
            _write(file, made, field, content, how)
        _list_fields(made, list(value))
        return _named(made, "struct")
    if isinstance(value, tuple) and value:  # of dicts
        made = group.create_group(name)
        for field in value[0]:
            _references(file, made, field, [row[field] for row in value], how)
        _list_fields(made, list(value[0]))
        return _named(made, "struct")
    if isinstance(value, list) and value:
        return _named(_references(file, group, name, value, how), "cell")
    return _array(group, name, value, how)


def _references(file: Any, group: Any, name: str, values: list[Any], how: dict[str, Any]) -> Any:
    store = file.require_group("#refs#")
    made = group.create_dataset(name, (len(values), 1), h5py.ref_dtype)
    for n, value in enumerate(values):
        made[n, 0] = _write(file, store, f"v{len(store)}", value, how).ref
    return made


def _list_fields(made: Any, fields: list[str]) -> None:
    letters = h5py.vlen_dtype(np.dtype("S1"))
    names = np.empty(len(fields), object)
    for n, field in enumerate(fields):
        names[n] = np.array([letter.encode() for letter in field], "S1")
    made.attrs.create("MATLAB_fields", names, dtype=letters)


def _array(group: Any, name: str, value: Any, how: dict[str, Any]) -> Any:
    array = np.atleast_2d([ord(letter) for letter in value] if isinstance(value, str) else value)
    kind = _kind(value, array)
    if array.size == 0:
        dims = array.shape if isinstance(value, np.ndarray) else (0, 0)
        made = group.create_dataset(name, data=np.array(dims, np.uint64))
        made.attrs["MATLAB_empty"] = np.uint8(1)
        return _named(made, kind)
    if kind == "char":
        array = array.astype(np.uint16)
    if kind == "logical":
        array = array.astype(np.uint8)
    if array.dtype.kind == "c":
        parts = np.empty(array.shape, [("real", "f8"), ("imag", "f8")])
        parts["real"], parts["imag"] = array.real, array.imag
        array = parts
    return _named(group.create_dataset(name, data=array.T, **how), kind)


def _kind(value: Any, array: np.ndarray) -> str:
    """MATLAB's class of a value."""
    of_python = {str: "char", list: "cell", tuple: "struct"}.get(type(value))
    of_numpy = {"float64": "double", "complex128": "double", "float32": "single", "bool": "logical"}
    return of_python or of_numpy.get(array.dtype.name, array.dtype.name)


def _named(made: Any, kind: str) -> Any:
    made.attrs["MATLAB_class"] = np.bytes_(kind)
    return made
