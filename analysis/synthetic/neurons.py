"""Neurons of ventral temporal cortex whose axes are known, and what they fire.

They are drawn to resemble the population of Wadia et al. 2026 (doi:10.1126/science.adt8343; numbers
from its deposit, doi:10.17605/OSF.IO/G9XH6): rates, latencies, sparseness, the share of units with
an axis, and the share of these that take up the same axis, weaker, in imagery.
`benchmarks/calibration.py` lays the two side by side.

The rate of a unit to a picture grows along its axis: a linear stage, rectified and squared (Heeger
1992, doi:10.1017/S095252380001124X), which fits the spread of sparseness and best rates better than
a straight ramp and is nearly one over most of its range:

    rate = baseline * max(0, 1 + contrast * z) ** 2

where `z` is the projection on the axis, with mean 0 and SD 1 over the space.  A unit without an
axis has the same curve over a random `z` of its own.  When a picture is imagined, a reactivated
unit departs from its baseline as in viewing, times its imagery gain; other units stay at their
baseline.  From block to block the whole rate of a unit drifts.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.synthetic.chance import Use, generator
from task.contract.errors import AnalysisError

Floats = NDArray[np.float64]

SHARE_AXIS = 0.8  # of visually responsive units
SHARE_REACTIVATED = 0.4  # of units with an axis
SHARE_LEFT = 0.53
LATENCY_S, LATENCY_SD_S, LATENCY_RANGE_S = 0.1594, 0.0241, (0.083, 0.257)
MEAN_HZ, MEAN_LOG_SD = 2.5, 0.8
LEAST_HZ = 0.5  # units below this would not have been called responsive
# How strongly a unit tells pictures apart; its spread gives the spread of the sparseness.
CONTRAST, CONTRAST_LOG_SD = 0.55, 0.65
# The slope that is measured (0.107) is flatter than the gain that is planted, because the rates to
# viewed pictures, from which it is measured, are themselves uncertain.
IMAGERY_GAIN, IMAGERY_GAIN_LOG_SD = 0.155, 0.7
# Scatter of a unit's log rate over blocks, and how much of it the next block keeps.
DRIFT_SD, DRIFT_KEPT = 0.35, 0.7
REFRACTORY_S = 0.002

WIRES = 8  # microwires of an electrode
CELLS_PER_WIRE = 3


@dataclass(frozen=True, slots=True)
class Population:
    """Units and the truth about them.

    Attributes
    ----------
    units : one row per unit, by name, in the order of channel and cell: `channel`, `cell`,
        `cluster`, `area`, `axis_tuned`, `reactivated`, `latency_s`, `mean_hz` (over all pictures),
        `baseline_hz` (also between pictures), `gain_hz` (slope at the baseline, per SD of the
        projection), `imagery_gain` (0 unless reactivated), `drift_sd` (of the log rate, over
        blocks)
    axes : units x dimensions; length 1, in SD of each dimension; NaN where there is no axis
    view_hz : pictures x units; the rate while the picture is seen
    """

    units: pd.DataFrame
    axes: pd.DataFrame
    view_hz: pd.DataFrame


def plant_units(space: pd.DataFrame, n_units: int, seed: int) -> Population:
    """Draw units with axes in an object space.

    Parameters
    ----------
    space : pictures (index: their ids) x dimensions
    n_units : how many
    seed : the same space, number and seed give the same units

    Raises
    ------
    AnalysisError
        If every picture has the same coordinate in some dimension: no axis can be laid through it.
    """
    rng = generator(seed, Use.UNITS)
    coordinates = space.to_numpy(float)
    spread = coordinates.std(axis=0)
    if flat := list(space.columns[~(spread > 0)]):
        raise AnalysisError(
            f"object space: all pictures have the same coordinate in {', '.join(map(str, flat))};"
            " leave that dimension out"
        )
    units = _wires(n_units, rng).assign(**_properties(n_units, rng))
    tuned = units["axis_tuned"].to_numpy()
    axes = rng.standard_normal((n_units, space.shape[1]))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    projections = (coordinates - coordinates.mean(axis=0)) / spread @ axes.T
    z = _standardised(np.where(tuned, projections, rng.standard_normal(projections.shape)))
    contrast = _log_normal(CONTRAST, CONTRAST_LOG_SD, n_units, rng)
    relative = np.maximum(0.0, 1 + contrast * z) ** 2
    baseline = units["mean_hz"].to_numpy() / relative.mean(axis=0)
    axes[~tuned] = np.nan
    return Population(
        units.assign(baseline_hz=baseline, gain_hz=2 * baseline * contrast),
        pd.DataFrame(axes, index=units.index, columns=space.columns),
        pd.DataFrame(baseline * relative, index=space.index, columns=units.index),
    )


def spikes(
    population: Population, stimuli: pd.DataFrame, duration_s: float, seed: int
) -> list[Floats]:
    """What the units fire while a brain meets these stimuli.

    Spikes are drawn from inhomogeneous Poisson processes whose rates change in steps; a spike that
    follows another within the refractory period is left out.

    Parameters
    ----------
    population : the units
    stimuli : one row per stimulus: `start_s`, `stop_s`, `kind` (`view`, `encode`, `imagine`),
        `item` (a picture of the population's space), `block` (ascending).  Seen pictures drive a
        unit from its latency after their start until its latency after their stop, imagined ones
        from start to stop.
    duration_s : spikes are drawn in [0, duration_s)
    seed : the same population, stimuli and seed give the same spikes

    Returns
    -------
    Spike times in seconds on the clock of the stimuli, ascending, one array per unit.
    """
    rng = generator(seed, Use.SPIKES)
    units = population.units
    baseline, latency, gain, drift = (
        units[c].to_numpy(float) for c in ("baseline_hz", "latency_s", "imagery_gain", "drift_sd")
    )
    start, stop = (stimuli[c].to_numpy(float) for c in ("start_s", "stop_s"))
    imagined = (stimuli["kind"] == "imagine").to_numpy()
    block_start = stimuli.groupby("block")["start_s"].min().to_numpy(float)
    seen = population.view_hz.loc[stimuli["item"], units.index].to_numpy(float)
    drive = (seen - baseline) * np.where(imagined[:, None], gain, 1.0)
    levels = _drift(drift, len(block_start), rng)
    trains = []
    for unit in range(len(units)):
        delay = np.where(imagined, 0.0, latency[unit])
        steps_s = np.concatenate([start + delay, stop + delay])
        steps_hz = np.concatenate([drive[:, unit], -drive[:, unit]])
        changes_s, rates = _rate(baseline[unit], steps_s, steps_hz, block_start, levels[:, unit])
        trains.append(_fire(changes_s.clip(0, duration_s), rates, duration_s, rng))
    return trains


def _rate(
    baseline_hz: float, steps_s: Floats, steps_hz: Floats, block_start_s: Floats, levels: Floats
) -> tuple[Floats, Floats]:
    """When the rate of one unit changes, and to what; the first rate holds from the beginning."""
    times = np.concatenate([steps_s, block_start_s])
    order = np.argsort(times, kind="stable")
    block = np.cumsum(order >= len(steps_s))
    drive = np.cumsum(np.concatenate([steps_hz, np.zeros(len(block_start_s))])[order])
    rates = np.maximum(0.0, baseline_hz + drive) * levels[block]
    return times[order], np.concatenate([[baseline_hz * levels[0]], rates])


def _fire(
    changes_s: Floats, rates_hz: Floats, duration_s: float, rng: np.random.Generator
) -> Floats:
    """Spikes of one unit from zero to `duration_s`, as its rate changes.

    Unit-rate events on the axis of expected counts, mapped back to time.
    """
    edges = np.concatenate([[0.0], changes_s, [duration_s]])
    expected = np.concatenate([[0.0], np.cumsum(rates_hz * np.diff(edges))])
    counts = np.sort(rng.uniform(0, expected[-1], rng.poisson(expected[-1])))
    times = np.interp(counts, expected, edges)
    return np.asarray(times[np.diff(times, prepend=-np.inf) >= REFRACTORY_S])


def _drift(drift_sd: Floats, n_blocks: int, rng: np.random.Generator) -> Floats:
    """Level of every unit before the first block and in each block, 1 on average."""
    level = np.empty((n_blocks + 1, len(drift_sd)))
    level[0] = rng.standard_normal(len(drift_sd))
    for block in range(n_blocks):
        fresh = rng.standard_normal(len(drift_sd))
        level[block + 1] = DRIFT_KEPT * level[block] + np.sqrt(1 - DRIFT_KEPT**2) * fresh
    return np.asarray(np.exp(drift_sd * level - drift_sd**2 / 2))


def _standardised(z: Floats) -> Floats:
    """Mean 0, SD 1 in every column."""
    return np.asarray((z - z.mean(axis=0)) / z.std(axis=0))


def _wires(n_units: int, rng: np.random.Generator) -> pd.DataFrame:
    """On which wire each unit was found, and the name it gets from that."""
    per_side = WIRES * -(-n_units // (WIRES * CELLS_PER_WIRE))
    left = rng.random(n_units) < SHARE_LEFT
    channel = np.sort(rng.integers(1, per_side + 1, n_units) + per_side * left)
    cell = 1 + np.arange(n_units) - np.searchsorted(channel, channel)
    names = pd.Index([f"A{a}_{c}" for a, c in zip(channel, cell, strict=True)], name="unit")
    columns = {
        "channel": channel,
        "cell": cell,
        "cluster": 1000 + rng.choice(9000 + n_units, n_units, replace=False),
        "area": np.where(channel > per_side, "LVTC", "RVTC"),
    }
    return pd.DataFrame(columns, index=names)


def _properties(n_units: int, rng: np.random.Generator) -> dict[str, NDArray[np.generic]]:
    """What has nothing to do with pictures, by column."""
    shuffled = rng.permutation(n_units)
    n_axis = round(SHARE_AXIS * n_units)
    reactivated = shuffled < round(SHARE_REACTIVATED * n_axis)
    gain = _log_normal(IMAGERY_GAIN, IMAGERY_GAIN_LOG_SD, n_units, rng)
    return {
        "axis_tuned": shuffled < n_axis,
        "reactivated": reactivated,
        "latency_s": rng.normal(LATENCY_S, LATENCY_SD_S, n_units).clip(*LATENCY_RANGE_S),
        "mean_hz": _log_normal(MEAN_HZ, MEAN_LOG_SD, n_units, rng).clip(LEAST_HZ),
        "imagery_gain": gain * reactivated,
        "drift_sd": np.full(n_units, DRIFT_SD),
    }


def _log_normal(median: float, log_sd: float, n: int, rng: np.random.Generator) -> Floats:
    return median * np.exp(log_sd * rng.standard_normal(n))
