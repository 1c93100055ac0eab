"""What a recording holds once it is read: events and units, on the recording's own clock.

Events are a table in the order of the file (`time_s`, `code`, `port`, and `run` where the file says
it); codes are unsigned, returns to 0 are kept, and ports stay apart.  Units are `Units`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

SINGLE, MULTI = "single", "multi"
QUALITY = ("isolation_distance", "snr")
_COLUMNS: Mapping[str, Any] = {
    "channel": "Int64",
    "cell": "int64",
    "cluster": "Int64",
    "kind": str,
    "area": str,
}


@dataclass(frozen=True, slots=True, eq=False)
class Waveforms:
    """The shape of a unit's spikes.

    Attributes
    ----------
    values : (n, samples), of several wires (n, wires, samples): a row per spike in the order of its
        times, or a single row, their mean
    rate_hz : samples a second, NaN where the file does not tell
    unit : `uV`, or '' where the file does not tell
    """

    values: NDArray[Any]
    rate_hz: float = np.nan
    unit: str = ""


def _not_kept(label: str) -> Waveforms | None:
    return None


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The sorted units of a recording.

    Attributes
    ----------
    table : one row per unit, by label (`A17_1`: cell 1 of channel 17): `channel` (missing where
        wires have names and no numbers), `cell`, `cluster` (the sorter's own number; missing where
        a cell was made of several), `kind` (`single`, `multi`, '' where unknown), `area` ('' where
        unknown), `isolation_distance`, `snr` and what else the sorter measured (NaN where unknown)
    spikes_s : ascending spike times in s on the recording's clock, in the order of the table
    read_waveforms : the waveforms of one unit by its label, None where the sorter left none; they
        are read when asked for, because those of a whole session need more than memory
    """

    table: pd.DataFrame
    spikes_s: tuple[NDArray[np.float64], ...]
    read_waveforms: Callable[[str], Waveforms | None] = _not_kept

    def spikes_of(self, label: str) -> NDArray[np.float64]:
        """Spike times of one unit, in s."""
        return self.spikes_s[self.table.index.to_list().index(label)]


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """One unit as a reader finds it; see `Units` for what the fields mean.

    Attributes
    ----------
    spikes_s : in any order, (n,)
    quality : the sorter's measures by name
    """

    label: str
    cell: int
    spikes_s: ArrayLike
    channel: int | None = None
    cluster: int | None = None
    kind: str = ""
    area: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)


def collect_units(
    found: Iterable[Unit], read_waveforms: Callable[[str], Waveforms | None] = _not_kept
) -> Units:
    """Units of a recording, in the order in which they were found.

    Raises
    ------
    ValueError
        If two have the same label: a reader must say so in its own words.
    """
    units = list(found)
    labels = pd.Index([unit.label for unit in units], dtype=str, name="unit")
    if labels.has_duplicates:
        raise ValueError(f"two units are called {labels[labels.duplicated()][0]}")
    rows = [(u.channel, u.cell, u.cluster, u.kind, u.area) for u in units]
    table = pd.DataFrame(rows, columns=list(_COLUMNS), index=labels).astype(dict(_COLUMNS))
    measures = dict.fromkeys([*QUALITY, *(name for unit in units for name in unit.quality)])
    for name in measures:
        table[name] = np.array([unit.quality.get(name, np.nan) for unit in units], float)
    spikes_s = tuple(np.sort(np.asarray(unit.spikes_s, dtype=np.float64)) for unit in units)
    return Units(table, spikes_s, read_waveforms)


def unit_label(channel: int, cell: int) -> str:
    """Name of a unit."""
    return f"A{channel}_{cell}"
