"""What is planted at the study's calibration, and how it is found again.

`python -m benchmarks.recovery` writes `recovery.md`: how near fitted axes come to planted ones, and
how many of the 95 % intervals that a report prints hold the truth, over 2,000 simulated cohorts
each.  Most take seconds to minutes; onsets and latencies take an hour of one core.  `--short` tries
it, `--only NAME` makes one table.

Intervals of other modules are measured where those are: the intensity gap in `gap.md`, differences
between models in `rival_models.md`, items decoded across blocks in `imagined_decoding.md`.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache

import numpy as np
import pandas as pd
import scipy.stats
from numpy.typing import NDArray

from analysis.axis import axis_weights, fit_axes
from analysis.decoding import decode_categories
from analysis.imagined.blocks import without_trends
from analysis.imagined.decoders import template_decoder
from analysis.imagined.decoding import accuracy_interval
from analysis.imagined.sliding import population_course, sliding_windows, time_course
from analysis.population import Share, shares
from analysis.resampling import interval, median
from analysis.synthetic.neurons import (
    DRIFT_SD,
    LATENCY_RANGE_S,
    LATENCY_S,
    LATENCY_SD_S,
    plant_units,
)
from analysis.viewing.identification import identify
from analysis.viewing.latency import latencies
from analysis.viewing.ridge_axis import ridge_axes
from benchmarks.calibration import choose, gaussian_space
from benchmarks.deposit import PAIRS
from benchmarks.responses import answering, stream
from benchmarks.rival_models import Viewed, viewed, world
from benchmarks.table import finish, machine, table

Floats = NDArray[np.float64]
Held = tuple[float, float, float]  # truth and interval of one cohort
Row = dict[str, str]

N_COHORTS, AT_ONCE = 2000, 100
VIEW_S, N_VIEWS = 0.267, 4


def told(words: Row, found: Sequence[Held]) -> Row:
    """A row on how many intervals hold the truth; those that are not there are left out."""
    truth, low, high = np.array([held for held in found if np.isfinite(held).all()]).T
    held = (low <= truth) & (truth <= high)
    return words | {
        "truth": f"{truth.mean():.3f}",
        "median width": f"{np.median(high - low):.3f}",
        "intervals": f"{len(truth):,}",
        "hold it": f"{held.mean():.3f}",
        "it lies below": f"{(truth < low).mean():.3f}",
        "above": f"{(truth > high).mean():.3f}",
    }


def in_parts(work: Callable[[int, int], list[Held]], n: int, workers: int) -> list[Held]:
    """What `work` finds in cohorts of these numbers, side by side."""
    starts = range(0, n, AT_ONCE)
    with ProcessPoolExecutor(workers) as pool:
        parts = pool.map(work, starts, [min(AT_ONCE, n - start) for start in starts])
        return [held for part in parts for held in part]


# Axes --------------------------------------------------------------------------------------------

RATES_HZ = (0.5, 1.0, 2.4, 5.0, 10.0)


def axes(n: int, workers: int) -> Iterator[Row]:
    """Median cosine with the planted axis, by spike-triggered average and by ridge."""
    rng = np.random.default_rng(1)
    space = gaussian_space(rng)
    planted = plant_units(space, max(50, n // 5), 1)
    tuned = planted.units.index[planted.units["axis_tuned"]]
    view = planted.view_hz[tuned] / planted.view_hz[tuned].mean()
    for pictures in (100, 200, 500):
        shown = space.iloc[rng.permutation(len(space))[:pictures]]
        length = np.linalg.norm(shown.to_numpy(), axis=0)[:, None]
        for trials in (1, 2, 4, 8):
            row = {"pictures": str(pictures), "trials of each": str(trials)}
            for hz in RATES_HZ:
                time_s = trials * VIEW_S
                counts = rng.poisson(hz * time_s * view.loc[shown.index].to_numpy())
                rates = pd.DataFrame(counts / time_s, shown.index, tuned)
                rates = rates.loc[:, np.ptp(counts, axis=0) > 0]
                cosines = [
                    _cosine(weights.to_numpy() * length, planted.axes.loc[rates.columns])
                    for weights in (axis_weights(rates, shown), ridge_axes(rates, shown).weights)
                ]
                row[f"{hz:g} Hz"] = " / ".join(f"{c:.2f}" for c in cosines)
            yield row


def _cosine(fitted: Floats, axes: pd.DataFrame) -> float:
    return float(np.nanmedian((fitted / np.linalg.norm(fitted, axis=0) * axes.to_numpy().T).sum(0)))


# Units of patients -------------------------------------------------------------------------------

SIZES = {
    "16 patients, as in the study": (86, 67, 39, 36, 31, 20, 19, 15, 15, 9, 9, 8, 6, 4, 2, 1),
    "8 patients, alike": (20,) * 8,
    "8 patients, unlike": (67, 39, 31, 19, 15, 9, 6, 2),
    "5 patients, alike": (20,) * 5,
    "5 patients, unlike": (67, 36, 19, 15, 8),
}
SINGLE = {f"one patient, {n} units": (n,) for n in (20, 80)}
OF_PATIENT = 0.1  # of the variance of how well units are tuned
N_POOL = 8000


@cache
def pool() -> pd.DataFrame:
    """Left-out r2 and p of planted units, least r2 first, and whether they have an axis."""
    rng = np.random.default_rng(2)
    space = gaussian_space(rng)
    planted = plant_units(space, N_POOL, 2)
    counts = rng.poisson(planted.view_hz * N_VIEWS * VIEW_S)
    fit = fit_axes(pd.DataFrame(counts, space.index, planted.units.index), space, 1000)
    known = {"r2": fit.r2, "p": fit.p, "tuned": planted.units["axis_tuned"]}
    return pd.DataFrame(known).dropna().sort_values("r2", ignore_index=True)


def drawn(sizes: Sequence[int], rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series]:
    """Units of a cohort and their patients; over cohorts all units of the pool come as often."""
    patient = np.repeat(np.arange(len(sizes)), sizes)
    shift = rng.standard_normal(len(sizes))[patient] if len(sizes) > 1 else 0.0
    own = rng.standard_normal(len(patient))
    spread = OF_PATIENT if len(sizes) > 1 else 0.0
    place = scipy.stats.norm.cdf(np.sqrt(spread) * shift + np.sqrt(1 - spread) * own)
    units = pool().iloc[(place * len(pool())).astype(int)].reset_index(drop=True)
    return units, pd.Series(patient)


def medians(n: int, workers: int) -> Iterator[Row]:
    """Median left-out r2 of units."""
    truth = float(pool()["r2"].median())
    for name, sizes in (SIZES | SINGLE).items():
        found = []
        for seed in range(n):
            units, patients = drawn(sizes, np.random.default_rng(seed))
            known = interval(units["r2"], patients, median, seed, n_resamples=999)
            found.append((truth, known.low, known.high))
        yield told({"units of": name}, found)


def shares_of_units(n: int, workers: int) -> Iterator[Row]:
    """Share of units with an axis, read in four ways."""
    known = pool()
    power = float((known["p"][known["tuned"]] <= 0.05).mean())
    for name, sizes in (SIZES | SINGLE).items():
        cohorts = [_shares(sizes, seed, power) for seed in range(n)]
        half = float((known["p"] <= 0.5).mean())
        detected = float(np.mean([of.detected.value for of, _ in cohorts]))
        readings = {
            "detected, q <= 0.05": [
                (detected, c.detected.low, c.detected.high) for c, _ in cohorts
            ],
            "corrected, power known": [
                (float(known["tuned"].mean()), c.corrected.low, c.corrected.high)
                for _, c in cohorts
            ],
            "corrected, lower bound": [
                ((half - 0.5) / 0.5, c.corrected.low, c.corrected.high) for c, _ in cohorts
            ],
        }
        for reading, found in readings.items():
            yield told({"units of": name, "share": reading}, found)


def _shares(sizes: Sequence[int], seed: int, power: float) -> tuple[Share, Share]:
    units, patients = drawn(sizes, np.random.default_rng(seed))
    p = units[["p"]].rename(columns={"p": "axis_tuned"})
    (bound,), (known,) = (shares(p, patients, of) for of in (None, {"axis_tuned": power}))
    return bound, known


# Decoding ----------------------------------------------------------------------------------------


def decoded(n: int, workers: int) -> Iterator[Row]:
    """Accuracy of decoding: 20 units shown other pictures each time; 20 units that imagine anew."""
    for pictures in (200, 500):
        for name, read in (("category", _categories), ("picture against one other", _identified)):
            same = world(30)
            found = [read(viewed(same, "axis", pictures, seed), seed) for seed in range(n)]
            truth = float(np.mean([value for value, *_ in found]))
            yield told(
                {"read": name, "from": f"{pictures} pictures, 20 units"},
                [(truth, low, high) for _, low, high in found],
            )
    for gain in (0.0, 0.107, 0.3):
        yield told(
            {"read": "imagined item, by viewing", "from": f"64 trials, 20 units, gain {gain:g}"},
            [_imagined(gain, seed) for seed in range(n)],
        )


def _categories(of: Viewed, seed: int) -> Held:
    found = decode_categories(of.rates, of.categories)
    return found.accuracy, found.low, found.high


def _identified(of: Viewed, seed: int) -> Held:
    found = identify(of.rates, of.space, most_distractors=1, n_shuffles=1, seed=seed)
    return found.accuracy, found.low, found.high


def _imagined(gain: float, seed: int, n_more: int = 200) -> Held:
    """Interval of one session, and the accuracy of many blocks like its own."""
    rng = np.random.default_rng(seed)
    planted = plant_units(gaussian_space(rng), 20, seed)
    chosen = planted.view_hz.loc[choose(planted, rng)].to_numpy()
    counts = rng.poisson(np.tile(chosen, (N_VIEWS, 1)) * VIEW_S)
    views = pd.DataFrame(counts / VIEW_S, np.tile(np.arange(8), N_VIEWS), planted.units.index)
    weights = template_decoder(views, pd.Index(np.arange(8))).weights[range(8)].to_numpy()
    base = planted.units["baseline_hz"].to_numpy()
    item = np.tile(np.concatenate([np.tile(pair, 4) for pair in PAIRS]), 1 + n_more)
    block = np.repeat(np.arange(len(item) // 8), 8)
    level = np.exp(DRIFT_SD * rng.standard_normal((block[-1] + 1, 20)) - DRIFT_SD**2 / 2)[block]
    hz = np.maximum(0, base + gain * (chosen[item] - base)) * level
    settled = without_trends(rng.poisson(hz * 2.0) / 2.0, item, block)
    evidence, rows = settled @ weights, np.arange(len(item))
    other = np.where(np.arange(len(item)) % 2 == 0, np.roll(item, -1), np.roll(item, 1))
    apart = evidence[rows, item] - evidence[rows, other]
    correct = pd.Series((1 + np.sign(apart)) / 2)
    here = slice(0, 64)
    return float(correct[64:].mean()), *accuracy_interval(correct[here], pd.Series(block)[here])


# Onsets ------------------------------------------------------------------------------------------

COURSE_WINDOWS = sliding_windows((-1.0, 5.0), 0.5, 0.1)


def onsets(n: int, workers: int) -> Iterator[Row]:
    """Onset of the code in imagery, of sessions in which a code was detected."""
    for gain, units, length_s in ((1.0, 60, 5.0), (2.0, 60, 5.0), (2.0, 60, 1.5), (4.0, 30, 5.0)):
        found = in_parts(_Onsets(gain, units, length_s), n, workers)
        detected = np.isfinite([low for _, low, _ in found]).mean()
        words = {
            "units": str(units),
            "gain, times the study's": f"{gain:g}",
            "code lasts": "to the end" if length_s > 4 else f"{length_s:g} s",
            "detected": f"{detected:.2f}",
        }
        yield told(words, found)


class _Onsets:
    """Sessions with one gain, each with an onset of its own."""

    def __init__(self, gain: float, units: int, length_s: float) -> None:
        self.gain, self.units, self.length_s = gain, units, length_s

    def __call__(self, first: int, n: int) -> list[Held]:
        return [self.one(seed) for seed in range(first, first + n)]

    def one(self, seed: int) -> Held:
        rng = np.random.default_rng(seed)
        onset_s = rng.uniform(0.2, 1.2)
        session = imagining(self.units, self.gain, onset_s, onset_s + self.length_s, seed)
        found = population_course([time_course(*session, COURSE_WINDOWS)], seed)
        return onset_s, found.onset_low_s, found.onset_high_s


def imagining(
    n_units: int, gain: float, onset_s: float, end_s: float, seed: int
) -> tuple[dict[str, Floats], pd.DataFrame, pd.DataFrame]:
    """Spikes of planted units around cues 8 s apart, the cues, and rates to the items in viewing.

    Units take up the items from `onset_s` to `end_s` after the cue, at so many times their gain.
    """
    rng = np.random.default_rng(seed)
    planted = plant_units(gaussian_space(rng), n_units, seed)
    chosen = planted.view_hz.loc[choose(planted, rng)].to_numpy()
    base = planted.units["baseline_hz"].to_numpy()
    gains = gain * planted.units["imagery_gain"].to_numpy()
    item = np.concatenate([np.tile(pair[:: rng.choice((1, -1))], 4) for pair in PAIRS])
    block, cue_s = np.repeat(np.arange(8), 8), 10 + 8.0 * np.arange(64)
    level = np.exp(DRIFT_SD * rng.standard_normal((8, n_units)) - DRIFT_SD**2 / 2)[block]
    imagined = np.maximum(0, base + gains * (chosen[item] - base)) * level
    end_s = min(end_s, 5.0)
    steps = ((-1.0, onset_s, base * level), (onset_s, end_s, imagined), (end_s, 5.0, base * level))
    trains = {}
    for n, unit in enumerate(planted.units.index):
        parts = []
        for start_s, stop_s, hz in steps:
            fired = np.repeat(cue_s, rng.poisson(hz[:, n] * (stop_s - start_s)))
            parts.append(fired + rng.uniform(start_s, max(stop_s, start_s + 1e-9), len(fired)))
        trains[unit] = np.sort(np.concatenate(parts))
    cues = pd.DataFrame({"item": item, "block": block, "onset_s": cue_s})
    return trains, cues, pd.DataFrame(chosen, columns=planted.units.index)


# Latencies ---------------------------------------------------------------------------------------


def response_latencies(n: int, workers: int) -> Iterator[Row]:
    """Start of the response of units to 500 pictures seen four times, where one was found."""
    yield told({"units": "as in the study"}, in_parts(_latencies, n, workers))


def _latencies(first: int, n: int) -> list[Held]:
    found = []
    for seed in range(first, first + n):
        rng = np.random.default_rng(seed)
        shown = stream(rng)
        at_s = float(np.clip(rng.normal(LATENCY_S, LATENCY_SD_S), *LATENCY_RANGE_S))
        one = latencies({0: answering(shown, at_s, rng)}, shown.onsets_s, shown.names, seed=seed)
        found.append((at_s, float(one["low_s"].iloc[0]), float(one["high_s"].iloc[0])))
    return found


# The page ----------------------------------------------------------------------------------------

SECTIONS: dict[str, tuple[str, str, Callable[[int, int], Iterator[Row]]]] = {
    "axes": (
        "Axes",
        "Median cosine of the fitted with the planted axis, 50 dimensions, by spike-triggered"
        " average / by ridge. Units care for all dimensions alike; columns: their mean rate.",
        axes,
    ),
    "medians": (
        "Median left-out r2",
        f"Units are drawn from {N_POOL:,} planted ones, seen four times with 500 pictures;"
        f" {OF_PATIENT:g} of the variance of their tuning is the patient's.",
        medians,
    ),
    "shares": (
        "Shares of units with an axis",
        "*Detected*: what cohorts of this make find on average. *Power known*: the planted share."
        " *Lower bound*: what is corrected for without power. Counts are whole: of few units, an"
        " exact interval holds more than it must.",
        shares_of_units,
    ),
    "decoding": (
        "Accuracy of decoding",
        "Of pictures: the mean over data sets. Of imagined items: 200 more sessions of the same"
        " units, seen alike.",
        decoded,
    ),
    "onsets": (
        "Onset of the code in imagery",
        "Planted anew in each session, 0.2 to 1.2 s after the cue; windows of 0.5 s every 0.1 s.",
        onsets,
    ),
    "latencies": ("Latency", "", response_latencies),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="100 cohorts, only to try the script")
    parser.add_argument("--only", choices=list(SECTIONS), help="one table, printed only")
    parser.add_argument("--cohorts", type=int, default=N_COHORTS)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    n = AT_ONCE if asked.short else asked.cohorts
    sections = {asked.only: SECTIONS[asked.only]} if asked.only else SECTIONS
    parts = [
        f"## {title}\n\n{words}\n\n{table(list(rows(n, asked.workers)))}"
        for title, words, rows in sections.values()
    ]
    text = (
        "# What is planted, found again\n\n"
        f"Made by `python -m benchmarks.recovery`. {n:,} cohorts in each row, at the study's"
        " calibration (`benchmarks.calibration`). Intervals are of 95 %; the bar is 93 to 97."
        " The intensity gap is in `gap.md`, differences between models in `rival_models.md`.\n\n"
        + "\n".join(parts)
        + f"\n{machine()}\n"
    )
    finish(text, __file__, short=n < N_COHORTS or asked.only is not None)


if __name__ == "__main__":
    main()
