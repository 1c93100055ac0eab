"""What a recording holds, in sentences and as a document: events by port, units, analog channels.

For the question that comes before every analysis: is it all there, and which port carries what?
A file that is damaged is a red row; the others are still read.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.lights import Row, counted, green, red, yellow
from analysis.readers.places import Recording, channels_of, open_recording
from task.contract.errors import AbsentError, RecordingError

SCHEMA = 1
SHOWN = 8  # codes of a port, channels, units that a sentence names; the document has all


def report_recording(path: Path) -> tuple[tuple[Row, ...], dict[str, Any]]:
    """Read what a recording holds.

    Parameters
    ----------
    path : its folder, or a file of it

    Returns
    -------
    rows of the summary, and all of it as JSON values

    Raises
    ------
    RecordingError
        If there is no such file or folder.
    """
    recording = open_recording(path)
    document: dict[str, Any] = {"schema": SCHEMA, "recording": path.name}
    rows: list[Row] = [
        *_events(recording, document),
        *_units(recording, document),
        *_analog(recording, document),
        *(green("chosen", said) for said in recording.said),
    ]
    if path.is_file() and not any((recording.events, recording.units, recording.analog)):
        what = "nothing that can be read by itself; of a sorter's files name the folder"
        rows = [yellow("file", what)]
    document["rows"] = [{"light": r.light.value, "what": r.what, "said": r.said} for r in rows]
    return tuple(rows), document


def _events(recording: Recording, document: dict[str, Any]) -> Iterator[Row]:
    document["events"] = []
    if not recording.events:
        yield yellow("events", "none that can be read here")
        return
    try:
        events = recording.read_events()
    except AbsentError as error:
        yield yellow("events", str(error))
        return
    except RecordingError as error:
        yield red("events", str(error))
        return
    if events.empty:
        names = ", ".join(found.path.name for found in recording.events)
        yield yellow("events", f"{names}: no change of the lines")
    keys = [name for name in ("file", "clock", "port") if name in events]
    for key, part in events.groupby(keys, sort=False):
        named = dict(zip(keys, key, strict=True))
        words = part[part["code"] != 0]
        codes = words["code"].value_counts(sort=False).sort_index()
        numbers = {
            **{name: _plain(value) for name, value in named.items()},
            "events": len(part),
            "words": len(words),
            "first_s": float(part["time_s"].min()),
            "last_s": float(part["time_s"].max()),
            "codes": {str(code): int(n) for code, n in codes.items()},
        }
        document["events"].append(numbers)
        yield green("events", _port_said(numbers))


def _port_said(numbers: dict[str, Any]) -> str:
    where = ", ".join(str(numbers[k]) for k in ("file", "port") if numbers.get(k))
    if "clock" in numbers:
        where += f" (clock {numbers['clock']})"
    codes = list(numbers["codes"].items())
    listed = ", ".join(f"{code} ({n}x)" for code, n in codes[:SHOWN])
    more = f" … {len(codes)} codes" if len(codes) > SHOWN else ""
    span = f"{numbers['first_s']:.3f} to {numbers['last_s']:.3f} s"
    said = f"{counted(numbers['words'], 'word')} from {span}: {listed or 'rests only'}{more}"
    return f"{where}: {said}" if where else said


def _units(recording: Recording, document: dict[str, Any]) -> Iterator[Row]:
    document["units"] = []
    if not recording.units:
        yield yellow("units", "none that can be read here")
        return
    try:
        units = recording.read_units()
    except AbsentError as error:
        yield yellow("units", str(error))
        return
    except RecordingError as error:
        yield red("units", str(error))
        return
    spikes = [len(times) for times in units.spikes_s]
    table = units.table.assign(spikes=spikes).reset_index()
    document["units"] = [
        {name: _plain(value) for name, value in row.items()} for row in table.to_dict("records")
    ]
    kinds = table["kind"].replace("", "not said").value_counts()
    areas = sorted(set(table["area"]) - {""})
    said = f"{counted(len(table), 'unit')}, {counted(sum(spikes), 'spike')}"
    if len(table):
        said += f"; {', '.join(f'{n} {kind}' for kind, n in kinds.items())}"
    if areas:
        said += f"; areas {', '.join(areas[:SHOWN])}"
    yield (green if len(table) else yellow)("units", said)


def _analog(recording: Recording, document: dict[str, Any]) -> Iterator[Row]:
    document["analog"] = []
    names: list[str] = []
    for found in recording.analog:
        try:
            channels = channels_of(found)
        except RecordingError as error:
            yield red("analog", str(error))
            continue
        if channels:
            document["analog"].append({"file": found.path.name, "channels": list(channels)})
            names += channels
    if names:
        more = f" … {len(names)} in all" if len(names) > SHOWN else ""
        files = counted(len(document["analog"]), "file")
        yield green("analog", f"{files}: {', '.join(names[:SHOWN])}{more}")
    else:
        yield green("analog", "no channels")


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value
