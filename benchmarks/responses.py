"""Responses to pictures, how fast and how right: `python -m benchmarks.responses`.

Speed of counting beside pynapple (`--pynapple FOLDER`, where
``pip install --target FOLDER pynapple`` put it); bias and coverage of latencies; how often units
that do not respond are called responsive.  Units are drawn at the calibration of the study: 500
pictures four times, 267 ms on and 133 ms off, a mean of 2.4 Hz (log-normal over units), latencies
of 160 +- 24 ms, rates to pictures as in `analysis.synthetic.neurons`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from analysis.decoding import category_selectivity
from analysis.inference import proportion_interval
from analysis.responses import (
    binned_counts,
    boxcar,
    count_spikes,
    half_maximum_latency_s,
    psth,
    response_curves,
    trial_rates,
)
from analysis.synthetic.neurons import (
    CONTRAST,
    CONTRAST_LOG_SD,
    LATENCY_RANGE_S,
    LATENCY_S,
    LATENCY_SD_S,
    MEAN_HZ,
    MEAN_LOG_SD,
)
from analysis.viewing.bursts import burst_latencies
from analysis.viewing.latency import latencies
from analysis.viewing.responsive import published_rule_responsive, responsive_units
from analysis.viewing.tuning import (
    category_selectivity_by_pictures,
    picture_selectivity,
    reliability,
)
from benchmarks.table import finish, machine, table

PICTURES, REPEATS = 500, 4
SOA_S, SHOWN_S = 0.4, 0.267
JITTER_S = 0.012  # of a unit's latency from trial to trial: rates do not jump
CATEGORIES = {"face": 77, "text": 29, "plant": 68, "animal": 92, "object": 234}
LEVELS = (0.001, 0.01, 0.05, 0.1)


class Stream(NamedTuple):
    """Pictures and when they came on."""

    onsets_s: np.ndarray
    picture: np.ndarray
    names: list[str]
    categories: pd.Series
    blocks: np.ndarray


def stream(rng: np.random.Generator, pictures: int = PICTURES, repeats: int = REPEATS) -> Stream:
    picture = np.concatenate([rng.permutation(pictures) for _ in range(repeats)])
    onsets = 1.0 + SOA_S * np.arange(len(picture))
    names = [f"p{n}" for n in range(pictures)]
    drawn = rng.permutation(np.repeat(list(CATEGORIES), list(CATEGORIES.values())))
    groups = pd.Series(drawn[:pictures], names)
    blocks = np.repeat(np.arange(repeats), pictures)
    return Stream(onsets, picture, [names[n] for n in picture], groups, blocks)


def answering(shown: Stream, latency_s: float, rng: np.random.Generator) -> np.ndarray:
    """Spikes of a unit whose rate to each picture lasts as long as the picture, later."""
    contrast = CONTRAST * np.exp(CONTRAST_LOG_SD * rng.standard_normal())
    relative = np.maximum(0, 1 + contrast * rng.standard_normal(len(set(shown.names)))) ** 2
    base_hz = MEAN_HZ * np.exp(MEAN_LOG_SD * rng.standard_normal()) / relative.mean()
    end_s = shown.onsets_s[-1] + 2
    start = shown.onsets_s + latency_s + JITTER_S * rng.standard_normal(len(shown.onsets_s))
    base = rng.uniform(0, end_s, rng.poisson(base_hz * end_s))
    before = np.maximum(np.searchsorted(start, base, side="right") - 1, 0)
    outside = base[(base < start[before]) | (base >= start[before] + SHOWN_S)]
    n = rng.poisson(base_hz * relative[shown.picture] * SHOWN_S)
    return np.sort(
        np.concatenate([outside, np.repeat(start, n) + rng.uniform(0, SHOWN_S, n.sum())])
    )


def silent_to_pictures(
    shown: Stream, rate_hz: float, drift_sd: float, rng: np.random.Generator
) -> np.ndarray:
    """Spikes of a unit whose rate knows nothing of the pictures, but differs between blocks."""
    starts = shown.onsets_s[np.flatnonzero(np.diff(shown.blocks, prepend=-1))] - 1.0
    stops = np.append(starts[1:], shown.onsets_s[-1] + 2)
    rates = rate_hz * np.exp(drift_sd * rng.standard_normal(len(starts)))
    parts = [
        rng.uniform(a, b, rng.poisson(r * (b - a)))
        for a, b, r in zip(starts, stops, rates, strict=True)
    ]
    return np.sort(np.concatenate(parts))


# Speed -------------------------------------------------------------------------------------------


def seconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The shortest of several runs, after one to warm up."""
    work()
    taken = []
    for _ in range(repeats):
        before = time.perf_counter()
        work()
        taken.append(time.perf_counter() - before)
    return min(taken)


def speed(units: int, pynapple: str | None) -> list[dict[str, str]]:
    rng = np.random.default_rng(0)
    shown = stream(rng)
    spikes = {n: answering(shown, LATENCY_S, rng) for n in range(units)}
    window, on = (-0.2, 0.5), shown.onsets_s
    ours: dict[str, tuple[Callable[[], Any], int]] = {
        "mean curve, 10 ms bins": (lambda: psth(spikes, on, window, 0.01), 5),
        "every trial, 10 ms bins": (lambda: binned_counts(spikes, on, window, 0.01), 3),
        "mean, standard error, 26 ms boxcar, 1 ms bins": (
            lambda: response_curves(spikes, on, window, 0.001, boxcar_s=0.026),
            1,
        ),
        "one window of every trial": (
            lambda: count_spikes(list(spikes.values()), on, (0.1, 0.3)),
            5,
        ),
        "`latencies`, best pictures": (lambda: latencies(spikes, on, shown.names), 1),
        "`responsive_units`": (lambda: responsive_units(spikes, on), 1),
        "`reliability`": (
            lambda: reliability(trial_rates(spikes, on, shown.names, (0.16, 0.427))),
            1,
        ),
    }
    took = {what: seconds(work, n) for what, (work, n) in ours.items()}
    theirs = dict(_pynapple(spikes, on, window, pynapple)) if pynapple else {}
    return [
        {
            "": what,
            "imagery, s": f"{time_s:.3f}",
            "pynapple, s": f"{theirs[what]:.2f}" if what in theirs else "",
            "times as fast": f"{theirs[what] / time_s:.1f}" if what in theirs else "",
        }
        for what, time_s in took.items()
    ]


def _pynapple(
    spikes: dict[int, np.ndarray], onsets_s: np.ndarray, window: tuple[float, float], folder: str
) -> Iterator[tuple[str, float]]:
    sys.path.append(folder)
    import pynapple as nap

    span = nap.IntervalSet(0, onsets_s[-1] + 3)
    group = nap.TsGroup(
        {n: nap.Ts(t=train, time_support=span) for n, train in spikes.items()}, time_support=span
    )
    events = nap.Ts(t=onsets_s, time_support=span)

    def correlogram() -> Any:
        return nap.compute_eventcorrelogram(
            group, events, binsize=0.01, windowsize=0.35, norm=False
        )

    def every_trial() -> Any:
        around = nap.compute_perievent(group, events, window=window)
        return {n: around[n].count(0.01) for n in around}

    yield "mean curve, 10 ms bins", seconds(correlogram)
    yield "every trial, 10 ms bins", seconds(every_trial, 1)


# Latency -----------------------------------------------------------------------------------------


def latency(units: int) -> list[dict[str, str]]:
    """Errors of several rules on the same units."""
    rng = np.random.default_rng(1)
    shown = stream(rng)
    truth = np.clip(rng.normal(LATENCY_S, LATENCY_SD_S, units), *LATENCY_RANGE_S)
    spikes = {n: answering(shown, at, rng) for n, at in enumerate(truth)}
    curves = psth(spikes, shown.onsets_s, (-0.1, 0.4), 0.002)
    smooth = boxcar(curves, 0.026)
    best = latencies(spikes, shown.onsets_s, shown.names)
    every = latencies(spikes, shown.onsets_s)
    burst = burst_latencies(spikes, shown.onsets_s, SHOWN_S)
    burst_low = burst["latency_s"] - 1.96 * burst["sem_s"]
    found = {
        "change point, best quarter of the pictures (`latencies`)": _interval(best),
        "change point, all trials": _interval(every),
        "half-maximum, 26 ms boxcar, all trials": (half_maximum_latency_s(smooth), None, None),
        "published: mean of Poisson bursts": (
            burst["latency_s"],
            burst_low,
            2 * burst["latency_s"] - burst_low,
        ),
    }
    rows = [_errors(rule, truth, *columns) for rule, columns in found.items()]
    for row, empty in zip(rows, ("", "", "", f"{burst['degenerate'].mean():.0%}"), strict=True):
        row["trials with an empty baseline"] = empty
        row["share of trials used"] = "100%"
    rows[0]["share of trials used"] = f"{best['share'].mean():.0%}"
    rows[3]["share of trials used"] = f"{burst['share'].median():.1%}"
    return rows


Columns = tuple[pd.Series, pd.Series | None, pd.Series | None]


def _interval(found: pd.DataFrame) -> Columns:
    return found["latency_s"], found["low_s"], found["high_s"]


def _errors(
    rule: str,
    truth: np.ndarray,
    found: pd.Series,
    low: pd.Series | None,
    high: pd.Series | None,
) -> dict[str, str]:
    said = found.notna()
    error_ms = 1000 * (found - truth)[said]
    covered = "no interval"
    if low is not None and high is not None:
        # A latency is told to the bin of 2 ms.
        inside = (low - 0.002 <= truth) & (truth <= high + 0.002)
        width = 1000 * (high - low)[said].median()
        covered = f"{inside[said].mean():.1%}, {width:.0f} ms wide"
    return {
        "": rule,
        "units with a latency": f"{said.mean():.0%}",
        "median error, ms": f"{error_ms.median():+.1f}",
        "mean error, ms": f"{error_ms.mean():+.1f}",
        "median absolute, ms": f"{error_ms.abs().median():.1f}",
        "within 20 ms": f"{(error_ms.abs() <= 20).mean():.0%}",
        "truth in the 95 % interval": covered,
    }


# Responsiveness ----------------------------------------------------------------------------------


def responsiveness(units: int) -> list[dict[str, str]]:
    """How often p is small where there is nothing."""
    rows = []
    designs = {"500 pictures, 4 times": (500, 4), "8 pictures, 8 times": (8, 8)}
    for design, (pictures, repeats) in designs.items():
        for rate_hz in (0.1, 0.5, 2.4, 10.0):
            for drift_sd in (0.0, 1.0):
                rng = np.random.default_rng(2)
                shown = stream(rng, pictures, repeats)
                spikes = {
                    n: silent_to_pictures(shown, rate_hz, drift_sd, rng) for n in range(units)
                }
                groups = [shown.categories[name] for name in shown.names] if pictures > 8 else None
                found = responsive_units(spikes, shown.onsets_s, groups)
                p = found.units["p"].dropna()
                late = latencies(spikes, shown.onsets_s, shown.names, n_resamples=1)["p"].dropna()
                rows.append(
                    {
                        "design": design,
                        "rate, Hz": f"{rate_hz:g}",
                        "drift of blocks, SD": f"{drift_sd:g}",
                        **{f"responsive, p <= {a:g}": f"{(p <= a).mean():.4f}" for a in LEVELS},
                        "latency, p <= 0.05": f"{(late <= 0.05).mean():.3f}",
                        "as it should be": f"{_verdict(p)}, {_verdict(late)}",
                    }
                )
    return rows


def _verdict(p: pd.Series) -> str:
    """Whether P(p <= a) stays below a + 3 SE at every level."""
    over = [a for a in LEVELS if (p <= a).mean() > a + 3 * np.sqrt(a * (1 - a) / len(p))]
    return f"no, at {', '.join(f'{a:g}' for a in over)}" if over else "yes"


def against_the_rule(units: int) -> list[dict[str, str]]:
    """The default test and the study's rule on the same units."""
    rows = []
    for what, drift_sd in (("no response", 0.0), ("no response, blocks drift by 1 SD", 1.0)):
        rng = np.random.default_rng(3)
        shown = stream(rng)
        spikes = {n: silent_to_pictures(shown, MEAN_HZ, drift_sd, rng) for n in range(units)}
        rows.append(_both_rules(what, shown, spikes))
    rng = np.random.default_rng(4)
    shown = stream(rng)
    late = np.clip(rng.normal(LATENCY_S, LATENCY_SD_S, units), *LATENCY_RANGE_S)
    spikes = {n: answering(shown, at, rng) for n, at in enumerate(late)}
    rows.append(_both_rules("units of the study's calibration", shown, spikes))
    return rows


def _both_rules(what: str, shown: Stream, spikes: dict[int, np.ndarray]) -> dict[str, str]:
    rule = published_rule_responsive(spikes, shown.onsets_s, shown.names, shown.categories, SHOWN_S)
    test = responsive_units(spikes, shown.onsets_s).units
    change = latencies(spikes, shown.onsets_s, shown.names, n_resamples=1)
    return {
        "units": what,
        "published rule": _share(rule["responsive"]),
        "burst": f"{rule['burst'].mean():.0%}",
        "rises": f"{rule['rises'].mean():.0%}",
        "falls": f"{rule['falls'].mean():.0%}",
        "fires": f"{rule['fires'].mean():.0%}",
        "picture of 10 SD": f"{rule['picture'].mean():.0%}",
        "`responsive_units`, p <= 0.05": _share(test["p"] <= 0.05),
        "of these upwards": f"{(test['direction'] > 0)[test['p'] <= 0.05].sum()}",
        "`latencies`, p <= 0.05": _share(change["p"] <= 0.05),
    }


def _share(hits: pd.Series) -> str:
    low, high = proportion_interval(int(hits.sum()), len(hits))
    return f"{hits.mean():.1%} ({low:.1%} to {high:.1%})"


# Selectivity -------------------------------------------------------------------------------------


def selectivity(units: int) -> list[dict[str, str]]:
    """False positives of three tests where pictures do not matter, or categories do not."""
    rows = []
    window = (LATENCY_S, LATENCY_S + SHOWN_S)
    for what, drift_sd, picture_sd in (
        ("nothing matters", 0.0, 0.0),
        ("blocks drift by 1 SD", 1.0, 0.0),
        ("pictures matter, categories do not", 0.0, 1.0),
    ):
        for mean_hz in (0.3, MEAN_HZ):
            rng = np.random.default_rng(5)
            shown = stream(rng)
            log_rate = drift_sd * rng.standard_normal((REPEATS, units))[shown.blocks]
            log_rate += picture_sd * rng.standard_normal((PICTURES, units))[shown.picture]
            width = window[1] - window[0]
            counts = pd.DataFrame(rng.poisson(mean_hz * width * np.exp(log_rate)), shown.names)
            by_picture = category_selectivity_by_pictures(counts, shown.categories, shown.blocks)
            trials = category_selectivity(counts, shown.categories)
            pictures = picture_selectivity(counts.iloc[:, :50], shown.blocks, n_shuffles=199)
            rows.append(
                {
                    "": what,
                    "mean rate, Hz": f"{mean_hz:g}",
                    "category, by pictures, p <= 0.05": _share(by_picture["p"] <= 0.05),
                    "p <= 0.01": _share(by_picture["p"] <= 0.01),
                    "one-way ANOVA over trials, p <= 0.05": _share(trials["p"] <= 0.05),
                    "picture, p <= 0.05": _share(pictures["p"] <= 0.05),
                }
            )
    return rows


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--pynapple", metavar="FOLDER", help="where pynapple was installed")
    arguments.add_argument("--short", action="store_true", help="a tenth; writes no file")
    chosen = arguments.parse_args()
    share = 0.1 if chosen.short else 1.0
    parts = {
        "Speed": (
            "100 units, 2,000 pictures, the shortest of several runs, one thread.  pynapple's mean"
            " curve is `compute_eventcorrelogram` over as many bins, which is compiled; its trials"
            " are `compute_perievent` and `count`.",
            speed(round(100 * share), chosen.pynapple),
        ),
        "Latency": (
            "Units as they are, responsive or hardly so.  Rates change within the 12 ms over which"
            " trials scatter.",
            latency(round(300 * share)),
        ),
        "False positives of responsiveness": (
            "Poisson units that know nothing of the pictures; with 500 pictures also by five"
            " categories.  `as it should be`: P(p <= a) <= a + 3 SE at 0.001, 0.01, 0.05 and 0.1,"
            " of `responsive_units` and of the p of `latencies`.",
            responsiveness(round(500 * share)),
        ),
        "The study's rule": (
            "`published_rule_responsive` and its conditions beside the tests, at 2.4 Hz; in"
            " brackets the 95 % interval of the share.",
            against_the_rule(round(200 * share)),
        ),
        "Selectivity": (
            "500 pictures four times in 267 ms windows.",
            selectivity(round(600 * share)),
        ),
    }
    text = f"# Responses to pictures\n\nMade by `python -m benchmarks.responses`.  {machine()}.\n"
    for title, (words, rows) in parts.items():
        text += f"\n## {title}\n\n{words}\n\n{table(rows)}"
    finish(text, __file__, short=chosen.short)


if __name__ == "__main__":
    main()
