"""What a picture is besides what it shows: its luminance, contrast and spatial frequencies.

Whatever of these differs between groups, a decoder of groups may go by. Pure: arrays in, numbers
out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import kruskal

FINE_CYCLES = 16  # per picture


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a picture: its column, what it is called, and what it is."""

    name: str
    title: str
    meaning: str
    form: str


MEASURES = (
    Measure("luminance", "mean grey level", "mean of all pixels, 0 black to 255 white", "%.0f"),
    Measure(
        "contrast",
        "contrast (SD)",
        "standard deviation of all pixels, in grey levels: RMS contrast",
        "%.0f",
    ),
    Measure(
        "slope",
        "spectral slope",
        "slope of log amplitude on log spatial frequency, all orientations together, from 1 cycle"
        " per picture to the finest; the more negative, the coarser",
        "%.2f",
    ),
    Measure(
        "fine",
        "fine detail",
        f"share of the contrast energy in spatial frequencies above {FINE_CYCLES} cycles per"
        " picture",
        "%.3f",
    ),
)


@dataclass(frozen=True, slots=True)
class Difference:
    """How much of a measure groups explain.

    Attributes
    ----------
    h, p : of the test of Kruskal and Wallis
    epsilon2 : share of the variance of ranks between groups, H / (n - 1)
    """

    h: float
    p: float
    epsilon2: float


def measured(grey: NDArray[np.uint8]) -> dict[str, float]:
    """The measures of a picture.

    Parameters
    ----------
    grey : rows x columns, grey levels

    Returns
    -------
    by name of the measure; slope and fine detail of a picture without contrast are nan and 0
    """
    values = grey.astype(float)
    mean, sd = float(values.mean()), float(values.std())
    slope, fine = _spectral(values - mean)
    return {"luminance": mean, "contrast": sd, "slope": slope, "fine": fine}


def _spectral(centred: NDArray[np.float64]) -> tuple[float, float]:
    rows, columns = centred.shape
    amplitude = np.abs(np.fft.fft2(centred))
    cycles = np.hypot(
        np.fft.fftfreq(rows)[:, None] * rows, np.fft.fftfreq(columns)[None, :] * columns
    )
    energy = amplitude**2
    if not energy.sum():
        return float("nan"), 0.0
    fine = float(energy[cycles > FINE_CYCLES].sum() / energy.sum())
    ring = np.rint(cycles).astype(int).ravel()
    finest = min(rows, columns) // 2
    mean = np.bincount(ring, amplitude.ravel())[1 : finest + 1] / np.bincount(ring)[1 : finest + 1]
    seen = mean > 1e-9 * mean.max()
    frequency = np.arange(1, finest + 1)[seen]
    if len(frequency) < 2:
        return float("nan"), fine
    return float(np.polyfit(np.log(frequency), np.log(mean[seen]), 1)[0]), fine


def by_group(table: pd.DataFrame, groups: Sequence[str]) -> Mapping[str, Difference | None]:
    """How far groups differ in each measure; None where there is nothing to compare.

    Kruskal & Wallis 1952, doi:10.1080/01621459.1952.10483441; effect size after Tomczak & Tomczak
    2014: epsilon squared = H / (n - 1), H corrected for ties.

    Parameters
    ----------
    table : pictures x measures
    groups : of each picture
    """
    return {name: _difference(table[name], np.asarray(groups)) for name in table.columns}


def _difference(values: "pd.Series[float]", groups: NDArray[np.str_]) -> Difference | None:
    there = values.notna().to_numpy()
    kept, of = values.to_numpy()[there], groups[there]
    samples = [kept[of == group] for group in dict.fromkeys(of)]
    if len(samples) < 2 or len(set(kept)) < 2:
        return None
    found = kruskal(*samples)
    h = float(found.statistic)
    return Difference(h, float(found.pvalue), h / (len(kept) - 1))
