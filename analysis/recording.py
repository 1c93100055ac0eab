"""What a recording holds once it is read: events and units, on the recording's own clock.

Events are a table in the order of the file (`time_s`, `code`, `port`, and `run` where the file says
it); codes are unsigned.  Units are `Units`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """The sorted units of a recording.

    Attributes
    ----------
    table : one row per unit, by label (`A17_1`: cell 1 of channel 17): `channel`, `cell`,
        `cluster` (the sorter's own number; missing where a cell was made of several), `area`
        ('' where unknown), `isolation_distance`, `snr` (NaN where unknown)
    spikes_s : ascending spike times in s on the recording's clock, in the order of the table
    """

    table: pd.DataFrame
    spikes_s: tuple[NDArray[np.float64], ...]

    def spikes_of(self, label: str) -> NDArray[np.float64]:
        """Spike times of one unit, in s."""
        return self.spikes_s[self.table.index.to_list().index(label)]


def unit_label(channel: int, cell: int) -> str:
    """Name of a unit."""
    return f"A{channel}_{cell}"
