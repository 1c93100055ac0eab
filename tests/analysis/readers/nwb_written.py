"""NWB files as pynwb, which the standard maintains, writes them; and what only h5py can write."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Fill = Callable[[Any], None]
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def write(path: Path, *fills: Fill) -> Path:
    """A file with what each of the functions puts into it."""
    from pynwb import NWBHDF5IO, NWBFile

    file = NWBFile(session_description="made up", identifier="1", session_start_time=START)
    for fill in fills:
        fill(file)
    with NWBHDF5IO(str(path), "w") as stream:
        stream.write(file)
    return path


def events_table(name: str, time_s: Sequence[float], **columns: Sequence[Any]) -> Fill:
    def fill(file: Any) -> None:
        from pynwb.event import EventsTable

        table = EventsTable(name=name, description="lines", source_description="board 0")
        own = {c: v for c, v in columns.items() if c not in ("duration", "annotation")}
        for column in own:
            table.add_column(column, "as it came")
        for row, time in enumerate(time_s):
            table.add_event(timestamp=time, **{c: v[row] for c, v in columns.items()})
        file.add_events_table(table)

    return fill


def series(name: str, data: Any, **when: Any) -> Fill:
    def fill(file: Any) -> None:
        from pynwb import TimeSeries

        file.add_acquisition(TimeSeries(name=name, data=data, unit="n/a", **when))

    return fill


def annotations(name: str, texts: Sequence[str], time_s: Sequence[float]) -> Fill:
    def fill(file: Any) -> None:
        from pynwb.misc import AnnotationSeries

        with pytest.warns(UserWarning, match="AnnotationSeries is deprecated"):
            made = AnnotationSeries(name=name, data=list(texts), timestamps=list(time_s))
        file.add_acquisition(made)

    return fill


def electrodes(places: Sequence[tuple[str, float]]) -> Fill:
    """A wire for each area and number of a channel."""

    def fill(file: Any) -> None:
        device = file.create_device("box")
        group = file.create_electrode_group("wires", "micro wires", "brain", device)
        file.add_electrode_column("origChannel", "number of the channel")
        for area, channel in places:
            file.add_electrode(group=group, location=area, origChannel=channel)

    return fill


def units(rows: Sequence[dict[str, Any]], *columns: str, **more: Any) -> Fill:
    def fill(file: Any) -> None:
        if more:
            from pynwb.misc import Units

            file.units = Units(name="units", description="sorted", **more)
        for column in columns:
            file.add_unit_column(column, "as the sorter left it")
        for row in rows:
            file.add_unit(**row)

    return fill


def labelled(path: Path, kind: str, name: str, data: Any, labels: Sequence[str] = ()) -> Path:
    """Adds events as the extension ndx-events 0.2 writes them, a second apart."""
    with h5py.File(path, "a") as file:
        group = file["acquisition"].create_group(name)
        group.attrs.update({"neurodata_type": kind, "namespace": "ndx-events"})
        stored = group.create_dataset("data", data=data)
        if labels:
            stored.attrs["labels"] = np.array(labels, h5py.string_dtype())
        group.create_dataset("timestamps", data=np.arange(len(data), dtype=float))
    return path


def change(path: Path, place: str, values: Any) -> Path:
    """Puts other values into a dataset."""
    with h5py.File(path, "a") as file:
        attributes = dict(file[place].attrs)
        del file[place]
        file[place] = values
        file[place].attrs.update(attributes)
    return path
