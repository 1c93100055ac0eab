"""Where units lie: `brainArea.mat`, rows of channel, cell, original cluster and area code.

The file may list more cells than were sorted, and rows of cell 0 for channels without any.  Codes
mean something only together with a table (`areas.csv`: code,area), which differs between projects.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.readers.matlab import numbers, read_arrays, take_matrix
from task.contract.errors import RecordingError

AREAS_NAME, TABLE_NAME = "brainArea.mat", "areas.csv"


def read_areas(path: Path, names: Mapping[int, str] | None = None) -> dict[tuple[int, int], str]:
    """Area of every cell that is listed, by channel and cell.

    Parameters
    ----------
    path : the file with the areas
    names : area of each code; else taken from the `areas.csv` beside the file, else the codes
        themselves

    Raises
    ------
    RecordingError
        If a file cannot be read, or puts one cell into two areas.
    """
    arrays = read_arrays(path, "brainArea")
    rows = take_matrix(path, arrays, "brainArea", columns=4)
    if rows.size and arrays["brainArea"].shape[1] > rows.shape[1]:
        raise RecordingError(
            f"{path}: 'brainArea' has {arrays['brainArea'].shape[1]} columns, not 4; does it lie on"
            " its side?"
        )
    sound = numbers(rows).all(axis=1)
    if not sound.all():
        first = int(np.argmin(sound))
        raise RecordingError(
            f"{path}: row {first + 1} of 'brainArea' is {rows[first].tolist()}, not the numbers of"
            " a channel, a cell, a cluster and an area"
        )
    known = _names(path.parent / TABLE_NAME) if names is None else names
    areas: dict[tuple[int, int], str] = {}
    for channel, cell, _, code in rows.astype(int).tolist():
        area = known.get(code, str(code))
        if cell and areas.setdefault((channel, cell), area) != area:
            raise RecordingError(
                f"{path}: cell {cell} of channel {channel} lies in both"
                f" {areas[channel, cell]} and {area}"
            )
    return areas


def _names(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
        rows = list(zip(table["code"].astype(int), table["area"].str.strip(), strict=True))
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read: {error.strerror}") from None
    except (KeyError, ValueError, OverflowError):
        raise RecordingError(f"{path}: is no table of whole numbers 'code' and 'area'") from None
    areas: dict[int, str] = {}
    for code, area in rows:
        if not area:
            raise RecordingError(f"{path}: tells no area for code {code}")
        if areas.setdefault(code, area) != area:
            raise RecordingError(f"{path}: code {code} is both {areas[code]} and {area}")
    return areas
