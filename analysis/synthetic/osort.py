"""How OSort leaves the units of a recording: the form in which human recordings are published.

`A<channel>_cells.mat` holds the spikes of a channel (cell, original cluster, time in us, 0, index
among the spikes of the channel), and the quality and mean waveform of its cells; `brainArea.mat`
lists channel, cell, original cluster and area code of all cells.  The codes mean something only
together with a table, so it lies beside them as `areas.csv`.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.io import savemat

from analysis.synthetic.chance import Use, generator

AREA_CODES = {"RVTC": 13, "LVTC": 14}
WAVEFORM_SAMPLES, TROUGH = 256, 95  # 2.56 ms at 100 kHz
# Middle and spread (log) of quality and amplitude in published recordings.
ISOLATION, ISOLATION_LOG_SD = 31.0, 1.2
SNR, SNR_LOG_SD = 1.9, 0.35
AMPLITUDE, AMPLITUDE_LOG_SD = 30.0, 0.4


def write_cells(
    folder: Path, units: pd.DataFrame, trains_s: list[NDArray[np.float64]], seed: int
) -> None:
    """Write the files of a sorted recording.

    Parameters
    ----------
    folder : where
    units : `channel`, `cell`, `cluster`, `area` of every unit, in the order of channel and cell
    trains_s : their spike times in s on the recorder's clock, ascending
    seed : of the waveforms and quality measures, which mean nothing
    """
    rng = generator(seed, Use.WAVEFORMS)
    trains_us = pd.Series([np.round(1e6 * train) for train in trains_s], index=units.index)
    for channel, cells in units.groupby("channel"):
        contents = _channel(cells, [trains_us[unit] for unit in cells.index], rng)
        _save(folder / f"A{channel}_cells.mat", contents)
    codes = units["area"].map(AREA_CODES)
    table = units[["channel", "cell", "cluster"]].assign(code=codes)
    _save(folder / "brainArea.mat", {"brainArea": table.to_numpy(np.uint16)})
    areas = "".join(f"{code},{area}\n" for area, code in AREA_CODES.items())
    partial = folder / "areas.csv.partial"
    partial.write_text(f"code,area\n{areas}", encoding="utf-8")
    partial.replace(folder / "areas.csv")


def _channel(
    cells: pd.DataFrame, trains_us: list[NDArray[np.float64]], rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    lengths = [len(train) for train in trains_us]
    times_us = np.concatenate(trains_us)
    index = np.empty(len(times_us))
    index[np.argsort(times_us, kind="stable")] = 1 + np.arange(len(times_us))
    cell, cluster = (np.repeat(cells[c].to_numpy(), lengths) for c in ("cell", "cluster"))

    def drawn(median: float, log_sd: float) -> NDArray[np.float64]:
        return median * np.exp(log_sd * rng.standard_normal(len(cells)))

    clust = cells["cluster"].to_numpy(np.uint16)
    waveforms = [a * _waveform() for a in drawn(AMPLITUDE, AMPLITUDE_LOG_SD)]
    return {
        "spikes": np.column_stack([cell, cluster, times_us, np.zeros(len(times_us)), index]),
        "IsolDist_SNR": _struct(
            clust=clust, IsolDist=drawn(ISOLATION, ISOLATION_LOG_SD), SNR=drawn(SNR, SNR_LOG_SD)
        ),
        # The published files hold one for each half of their task.
        "meanWaveform_learn": _struct(clust=clust, m_waveform=waveforms),
        "meanWaveform_recog": _struct(clust=clust, m_waveform=waveforms),
    }


def _struct(**fields: Iterable[Any]) -> NDArray[np.generic]:
    """A MATLAB struct array, 1 x n, of 1 x ... matrices."""
    columns = {name: [np.atleast_2d(v) for v in values] for name, values in fields.items()}
    n = len(next(iter(columns.values())))
    array = np.empty((1, n), dtype=[(name, object) for name in columns])
    for name, values in columns.items():
        array[name][0] = values
    return array


def _waveform() -> NDArray[np.float64]:
    """A trough and a slower hump, the trough of depth 1."""
    sample = np.arange(WAVEFORM_SAMPLES)
    hump = 0.35 * np.exp(-(((sample - TROUGH - 40) / 28) ** 2))
    wave = hump - np.exp(-(((sample - TROUGH) / 11) ** 2))
    return np.asarray(wave / -wave.min())


def _save(path: Path, contents: dict[str, NDArray[np.generic]]) -> None:
    partial = path.with_name(f"{path.name}.partial")
    savemat(partial, contents, appendmat=False)
    partial.replace(path)
