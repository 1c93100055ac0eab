"""Events of an NWB 2 file, in every form in which codes have been kept.

`EventsTable` (in the standard since 2.10, and before in the extension ndx-events 0.4) has a row per
event: `timestamp`, and columns of which one may be a code.  `AnnotationSeries` has texts, which may
be codes (`20`, `0x14`) or notes.  A `TimeSeries` may be words (`nwb_series`); another one, called
`experiment_ids`, may give the run of each.  ndx-events 0.2 has `TTLs` (values), `LabeledEvents`
(positions in a list of labels), `Events` (times alone) and `AnnotatedEventsTable` (a row for each
label).  A port is the name of the table or series, and of the column where several are codes.

Nothing in a file says which of these is what the stimulus computer sent.  What its name calls
codes, and texts that are codes, come first; where there is nothing of the kind, whatever may be
codes, and tables that only have times (one kind of event each: code 1); where there is neither, the
edges of signals with two levels (1 up, 0 down).  Notes and tables of trials are no codes.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.readers import hdf5, nwb_file, nwb_series
from analysis.readers.nwb_file import Typed
from task.contract.errors import AbsentError, RecordingError

_SAYS_CODES = frozenset(
    [
        *("code", "codes", "ttl", "ttls", "word", "words", "marker", "markers", "strobe"),
        *("trigger", "triggers", "pulse", "pulses", "event", "events", "digital"),
    ]
)
_SAYS_LINES = _SAYS_CODES - {"event", "events"}
_SAYS_COLUMN = _SAYS_CODES | {"value", "values", "label", "labels", "annotation"}
_RUNS = frozenset(["experimentids", "experimentid"])
_NUMBER = re.compile(r"\s*(?:0[xX](?P<hex>[0-9a-fA-F]{1,8})|(?P<whole>\d{1,10})(?:\.0*)?)\s*")
_WORD, _LEAST_SIGNED = 0xFFFF, -0x8000
_GREATEST = 2**32 - 1

_Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Port:
    """Codes from one place.

    Attributes
    ----------
    path : where they lie, from the root
    column : of a table that has several
    rows : which rows of their table or series they are, and how many it has
    said : whether their name, or they themselves, say that they are codes
    """

    path: str
    time_s: NDArray[np.float64]
    code: _Whole
    rows: _Whole
    of: int
    said: bool
    column: str = ""


def read_events(path: Path) -> pd.DataFrame:
    """Events, port after port, those of a port in the order of the file.

    Returns
    -------
    DataFrame with `time_s`, `code`, `port`, and `run` (0 where not known) where the file tells

    Raises
    ------
    RecordingError
        If the file is damaged, is no NWB 2 file, or holds no events.
    """
    with nwb_file.opened(path) as file:
        groups = list(nwb_file.typed(file))
        _refuse_elsewhere(groups)
        found = [port for typed in groups for port in _ports(typed) if len(port.code)]
        ports = [port for port in found if port.said] or found or list(_edges(groups))
        if not ports:
            raise AbsentError(
                f"{path}: holds no events: no table of events, no series of codes with times, no"
                f" signal of two levels{_notes(groups)}"
            )
        runs = _runs(groups, ports)
    names = _names(ports)
    table = pd.DataFrame(
        {
            "time_s": np.concatenate([port.time_s for port in ports]),
            "code": np.concatenate([port.code for port in ports]),
            "port": np.repeat(np.array(names, object), [len(port.code) for port in ports]),
        }
    )
    return table if runs is None else table.assign(run=np.concatenate(runs))


def _names(ports: Sequence[_Port]) -> list[str]:
    places = {port.path: port.path.rpartition("/")[2] for port in ports}
    short = list(places.values())
    return [
        (port.path if short.count(places[port.path]) > 1 else places[port.path])
        + (f".{port.column}" if port.column else "")
        for port in ports
    ]


def _notes(groups: Sequence[Typed]) -> str:
    named = [typed.name for typed in groups if typed.kind == "AnnotationSeries"]
    return f"; the texts of {', '.join(named)} are no codes" if named else ""


def _refuse_elsewhere(groups: Sequence[Typed]) -> None:
    """Refuse events that lie in another file."""
    for typed in groups:
        for name in hdf5.leading_out(typed.group):
            if _says_codes(name, _SAYS_CODES):
                hdf5.child(typed.group, name)  # says where it leads


def _says_codes(name: str, known: frozenset[str]) -> bool:
    return not known.isdisjoint(nwb_file.words_in(name))


def _ports(typed: Typed) -> Iterator[_Port]:
    form = _FORMS.get(typed.kind)
    return form(typed) if form else iter(())


# Forms -------------------------------------------------------------------------------------------


def _table(typed: Typed) -> Iterator[_Port]:
    """A table of events: a port for each of its columns of codes."""
    time_s = _times_s(typed, "timestamp")
    found = {}
    for name in nwb_file.column_names(typed.group):
        if name in ("timestamp", "duration"):
            continue
        said = _says_codes(name, _SAYS_COLUMN)
        column = nwb_file.plain_column(typed.group, name)
        codes = None if column is None else _codes(f"{hdf5.where(typed.group)}/{name}", column)
        if codes and (said or len(codes[0]) == len(time_s)):
            found[name] = (said, codes)
    if len(nwb_file.row_ids(typed.group)) != len(time_s):
        raise RecordingError(f"{hdf5.where(typed.group)} has other numbers of times and of rows")
    any_said = any(said for said, _ in found.values())
    chosen = {name: codes for name, (said, codes) in found.items() if said or not any_said}
    any_said |= _says_codes(typed.name, _SAYS_LINES)
    for name, (rows, code) in chosen.items():
        column_name = name if len(chosen) > 1 else ""
        yield _Port(typed.path, time_s[rows], code, rows, len(time_s), any_said, column_name)
    if not chosen:
        yield _times_only(typed, time_s, any_said)


def _times_only(typed: Typed, time_s: NDArray[np.float64], said: bool) -> _Port:
    """Events of one kind."""
    rows = np.arange(len(time_s))
    return _Port(typed.path, time_s, np.ones(len(time_s), np.int64), rows, len(time_s), said)


def _times(typed: Typed) -> Iterator[_Port]:
    said = _says_codes(typed.name, _SAYS_LINES)
    yield _times_only(typed, _times_s(typed, "timestamps"), said)


def _annotations(typed: Typed) -> Iterator[_Port]:
    """Texts with times; those that are no numbers are notes."""
    data = _data(typed)
    column = hdf5.values(data).ravel() if hdf5.is_number(data) else hdf5.texts(data)
    yield from _pairs(typed, column, said=True)


def _series(typed: Typed) -> Iterator[_Port]:
    """Words with times."""
    if "".join(nwb_file.words_in(typed.name)) in _RUNS:
        return
    series = nwb_series.series_of(typed)
    if series and nwb_series.is_words(series):
        said = _says_codes(typed.name, _SAYS_CODES)
        yield from _pairs(typed, hdf5.values(series.data).ravel(), said)


def _labelled(typed: Typed) -> Iterator[_Port]:
    """Values, or positions in a list of labels, which may be codes."""
    data = _data(typed)
    values = hdf5.values(data).ravel()
    labels = hdf5.texts_of(data, "labels") or hdf5.texts_of(typed.group, "labels")
    if typed.kind == "LabeledEvents" and labels and values.dtype.kind in "iu" and len(values):
        if values.min() < 0 or values.max() >= len(labels):
            raise RecordingError(f"{hdf5.where(data)} names labels that are not there")
        named = _codes(hdf5.where(data), [labels[int(value)] for value in np.unique(values)])
        if named and len(named[0]) == len(np.unique(values)):
            values = named[1][np.unique(values, return_inverse=True)[1]]
    yield from _pairs(typed, values, said=True)


def _by_label(typed: Typed) -> Iterator[_Port]:
    """A row for each label, with the times of its events: in the order of their times."""
    labels = nwb_file.plain_column(typed.group, "label")
    data = hdf5.dataset(typed.group, "event_times")
    codes = None if labels is None else _codes(hdf5.where(typed.group, "label"), labels)
    if data is None or codes is None:
        return
    time_s = nwb_file.times_s(data)
    ends = nwb_file.ends_of(typed.group, "event_times", len(time_s))
    if ends is None or labels is None or len(ends) != len(labels):
        raise RecordingError(f"{hdf5.where(data)}: does not say which times are of which label")
    code_of = np.full(len(labels), -1)
    code_of[codes[0]] = codes[1]
    code = np.repeat(code_of, np.diff(ends, prepend=0))
    rows = np.argsort(time_s, kind="stable")
    rows = rows[code[rows] >= 0]
    yield _Port(typed.path, time_s[rows], code[rows], rows, len(time_s), True)


def _edges(groups: Sequence[Typed]) -> Iterator[_Port]:
    """Edges of signals with two levels."""
    for typed in groups:
        series = nwb_series.series_of(typed)
        found = series and nwb_series.is_signal(series) and nwb_series.edges(series)
        if found and len(found[0]):
            rows = np.arange(len(found[0]))
            yield _Port(typed.path, *found, rows, len(rows), False)


_FORMS: Mapping[str, Callable[[Typed], Iterator[_Port]]] = {
    "EventsTable": _table,
    "AnnotationSeries": _annotations,
    "TimeSeries": _series,
    "TTLs": _labelled,
    "LabeledEvents": _labelled,
    "Events": _times,
    "AnnotatedEventsTable": _by_label,
}


# Parts of forms ----------------------------------------------------------------------------------


def _data(typed: Typed) -> h5py.Dataset:
    data = hdf5.dataset(typed.group, "data")
    if data is None:
        raise RecordingError(f"{hdf5.where(typed.group)} holds no data")
    return data


def _times_s(typed: Typed, name: str) -> NDArray[np.float64]:
    data = hdf5.dataset(typed.group, name)
    if data is None:
        raise RecordingError(f"{hdf5.where(typed.group)} has events, but no {name}")
    return nwb_file.times_s(data)


def _pairs(typed: Typed, column: NDArray[Any] | list[str], said: bool) -> Iterator[_Port]:
    """Codes with the times of a series."""
    if not len(column):
        return
    codes = _codes(hdf5.where(typed.group), column)
    if codes is None:
        return
    time_s = _times_s(typed, "timestamps")
    if len(time_s) != len(column):
        raise RecordingError(
            f"{hdf5.where(typed.group)} has {len(column)} values, but {len(time_s)} times"
        )
    rows, code = codes
    yield _Port(typed.path, time_s[rows], code, rows, len(column), said)


def _codes(where: str, column: NDArray[Any] | list[str]) -> tuple[_Whole, _Whole] | None:
    """Which rows are codes, and the codes; None where none is."""
    if isinstance(column, list):
        return _codes_in_texts(where, column)
    if not len(column):
        return None
    if column.dtype.kind == "f":
        known = np.isfinite(column)
        if not known.any() or (column[known] != np.floor(column[known])).any():
            return None
        if not known.all():
            raise RecordingError(f"{where}: row {int(np.argmin(known)) + 1} has no code")
    _refuse_range(where, column)
    code = column.astype(np.int64)
    mask = 0xFF if column.dtype == np.int8 else _WORD
    code = np.where(code < 0, code & mask, code)
    return np.arange(len(code)), code


def _codes_in_texts(where: str, column: list[str]) -> tuple[_Whole, _Whole] | None:
    matches = [_NUMBER.fullmatch(text) for text in column]
    rows = [row for row, match in enumerate(matches) if match]
    if not rows:
        return None
    codes = [int(m["hex"], 16) if m["hex"] else int(m["whole"]) for m in matches if m]
    code = np.array(codes, np.int64)
    _refuse_range(where, code)
    return np.array(rows, np.int64), code


def _refuse_range(where: str, codes: NDArray[Any]) -> None:
    """Refuse what is no word; those of 16 lines may have been taken for signed."""
    wrong = (codes < _LEAST_SIGNED) | (codes > _GREATEST)
    if wrong.any():
        row = int(wrong.argmax())
        raise RecordingError(
            f"{where}: {codes[row]} (in place {row + 1}) is no word of 16 or 32 lines"
        )


def _runs(groups: Sequence[Typed], ports: Sequence[_Port]) -> list[_Whole] | None:
    """The run of each event, by port; None where the file does not tell."""
    told = [t for t in groups if "".join(nwb_file.words_in(t.name)) in _RUNS]
    told = [typed for typed in told if hdf5.dataset(typed.group, "data") is not None]
    if not told or not any(port.said for port in ports):
        return None
    runs = [np.zeros(len(port.code), np.int64) for port in ports]
    for typed in told:
        found = _codes(hdf5.where(typed.group), hdf5.values(_data(typed)).ravel())
        if found is None:
            continue
        ids = found[1]
        stamps = hdf5.dataset(typed.group, "timestamps")
        time_s = None if stamps is None else nwb_file.times_s(stamps)
        theirs = [at for at, port in enumerate(ports) if _fits(port, len(ids), time_s)]
        if not theirs:
            raise RecordingError(
                f"{hdf5.where(typed.group)} has the runs of {len(ids)} events, but no series of"
                " codes has as many at the same times"
            )
        for at in theirs:
            runs[at] = ids[ports[at].rows]
    return runs


def _fits(port: _Port, count: int, time_s: NDArray[np.float64] | None) -> bool:
    if port.of != count:
        return False
    return time_s is None or (
        len(time_s) == count and bool((time_s[port.rows] == port.time_s).all())
    )
