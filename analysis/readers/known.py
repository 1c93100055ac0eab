"""Every system that can be read: one module each, one row in a table here.

The first row that recognises a file or folder reads it.  A new system is a module with the
functions that its rows name, and these rows.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis.readers import (
    blackrock,
    blackrock_nsx,
    combinato,
    lab_log,
    matlab_events,
    mclust,
    neuralynx,
    neuralynx_csc,
    neuralynx_spikes,
    nwb,
    osort,
    phy,
    session_log,
    spikeinterface_npz,
    tables,
    traces,
    wave_clus,
)
from task.contract.errors import UserError


class Reader(NamedTuple):
    """What reads one kind of file, or of folder.

    Attributes
    ----------
    system : what people call it
    recognises : whether a path is of this kind, by its name and first bytes
    read : reads it
    channels : names of the channels in it, of analog files
    """

    system: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Any]
    channels: Callable[[Path], tuple[str, ...]] | None = None


EVENTS = (
    Reader("Blackrock or Ripple .nev", blackrock.recognises, blackrock.read_events),
    Reader("Neuralynx .nev", neuralynx.recognises, neuralynx.read_events),
    Reader("eventsRaw.mat", matlab_events.recognises, matlab_events.read_events),
    Reader("NWB", nwb.recognises, nwb.read_events),
    Reader("a table of times and codes", tables.recognises, tables.read_events),
)
# What a folder may hold beside the events: of tables only those of times and codes.
EVENTS_OF_FOLDER = (
    *EVENTS[:-1],
    Reader("a table of times and codes", tables.holds_events, tables.read_events),
)
SORTERS = (
    Reader("OSort", osort.recognises, osort.read_units),
    Reader("wave_clus", wave_clus.recognises, wave_clus.read_units),
    Reader("Combinato", combinato.recognises, combinato.read_units),
    Reader("Phy or Kilosort", phy.recognises, phy.read_units),
    Reader("MClust", mclust.recognises, mclust.read_units),
    Reader("SpikeInterface .npz", spikeinterface_npz.recognises, spikeinterface_npz.read_units),
)
# Recorders' own files, which may hold units as well: of a folder only where no sorter left any.
RECORDERS = (
    Reader("NWB", nwb.recognises, nwb.read_units),
    Reader("Blackrock or Ripple .nev", blackrock.recognises, blackrock.read_units),
    Reader("Neuralynx .nse or .ntt", neuralynx_spikes.recognises, neuralynx_spikes.read_units),
)
UNITS = (*SORTERS, *RECORDERS)
ANALOG = (
    Reader(
        "Neuralynx .ncs", neuralynx_csc.recognises, neuralynx_csc.read_trace, neuralynx_csc.channels
    ),
    Reader(
        "Blackrock or Ripple .ns1 to .ns6",
        blackrock_nsx.recognises,
        blackrock_nsx.read_trace,
        blackrock_nsx.channels,
    ),
    Reader("NWB", nwb.recognises, nwb.read_trace, nwb.channels),
    Reader(".csv or .wav", traces.recognises, traces.read_trace, traces.channels),
)
LOGS = (
    Reader("a session folder of this program", session_log.recognises, session_log.read_log),
    Reader("text of time;code;note;", lab_log.recognises, lab_log.read_log),
    Reader("a table with named columns", tables.recognises, tables.read_log),
)


def reader_of(path: Path, readers: Sequence[Reader], refusal: type[UserError]) -> Reader:
    """What reads this file or folder.

    Raises
    ------
    UserError
        Of the given kind, if it cannot be looked at or nothing reads it.
    """
    try:
        if path.is_file() and not path.stat().st_size:
            raise refusal(f"{path}: is empty; copy it again from where it was written")
        path.stat()
        for reader in readers:
            if reader.recognises(path):
                return reader
    except OSError as error:
        raise refusal(f"{path}: cannot be read: {error.strerror}") from None
    raise refusal(f"{path}: is nothing that can be read here; known are {systems(readers)}")


def systems(readers: Sequence[Reader]) -> str:
    """What can be read, in words."""
    return ", ".join(dict.fromkeys(reader.system for reader in readers))
