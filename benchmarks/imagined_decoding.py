"""Decoding of imagined items: what drift alone gives, what can be found, and how sure it is.

`python -m benchmarks.imagined_decoding` takes a few minutes on two cores; `--short` tries it.

Drift alone: sessions of 8 blocks of two items, each cued four times in alternation, 10 units, no
signal at all.  Units walk at random from block to block by 0 to 1 SD of a trial, fall (or rise) by
1 SD or 2 within every block, seen and imagined alike, and remember the trial before (r = 0.5).
Which item comes first is drawn for every block, or as the study had it (session P80_1), or as the
program plans it (in a ring, every item first in one of its blocks), or sorted: items 1 to 4 always
first, 5 to 8 always second, the worst there is.  Naive cross-validation mixes
trials of one block; it is what the design's own null is there to replace.

Power: units drawn as `analysis.synthetic.neurons` draws them (rates, tuning, drift of the study),
500 pictures seen four times, eight of them imagined eight times for 2 s.
"""

import argparse
import os
import platform
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pandas as pd
import scipy.stats
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.svm import SVC

from analysis.imagined.decoders import (
    ItemDecoder,
    published_rule_feature_decoder,
    template_decoder,
)
from analysis.imagined.decoding import (
    ImaginedDecoding,
    decode_across_blocks,
    decode_items,
    decode_session,
    population_decoding,
)
from analysis.imagined.decoding_course import decode_course
from analysis.imagined.trials import ImageryTrials
from analysis.prediction import unvarying
from analysis.space import ObjectSpace
from analysis.synthetic.neurons import DRIFT_KEPT, DRIFT_SD, Population, plant_units
from benchmarks.calibration import choose, gaussian_space
from benchmarks.table import finish, table
from task.order import cyclic_pairs

# Session P80_1 of the study: pairs of items by block.
PAIRS = ((2, 6), (3, 7), (1, 5), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2))
SORTED = ((1, 5), (2, 6), (3, 7), (4, 8), (1, 6), (2, 7), (3, 8), (4, 5))
CUES = 4
BLOCK = np.repeat(np.arange(len(PAIRS)), 2 * CUES)
LEVELS = (0.01, 0.05, 0.1)
ALTERNATION = 2 * CUES
Found = TypeVar("Found")

# Drift alone ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drift:
    """How rates go without any item in them, in SD of a trial."""

    walk: float = 0.0
    trend: float = 0.0
    memory: float = 0.0
    order: str = "drawn"


def cued(rng: np.random.Generator, order: str = "drawn") -> np.ndarray:
    """Item of every trial."""
    pairs: list[tuple[int, int]] = list(SORTED if order == "sorted" else PAIRS)
    if order == "program":
        pairs = cyclic_pairs(range(1, 9), random.Random(int(rng.integers(2**32))))
    elif order == "drawn":
        pairs = [pair[:: rng.choice((1, -1))] for pair in PAIRS]
    return np.concatenate([np.tile(pair, CUES) for pair in pairs])


def drifting(
    drift: Drift, walk: np.ndarray, fall: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rates of trials without signal, (n_trials, n_units)."""
    place = np.tile(np.linspace(0, 1, ALTERNATION), len(PAIRS))[:, None]
    noise = rng.standard_normal((len(PAIRS), ALTERNATION, walk.shape[1]))
    for trial in range(1, ALTERNATION):
        fresh = np.sqrt(1 - drift.memory**2) * noise[:, trial]
        noise[:, trial] = drift.memory * noise[:, trial - 1] + fresh
    return walk[BLOCK] - fall * place + noise.reshape(len(BLOCK), -1)


def labelled(values: np.ndarray, items: np.ndarray) -> pd.DataFrame:
    units = pd.Index([f"u{n}" for n in range(values.shape[1])], name="unit")
    return pd.DataFrame(values, pd.Index(items, name="image"), units)


def imagery_of(values: np.ndarray, items: np.ndarray) -> ImageryTrials:
    rates = labelled(values, items).reset_index(drop=True)
    return ImageryTrials(pd.Series(items), pd.Series(BLOCK), rates, rates)


def drift_alone(drift: Drift, seed: int) -> dict[str, dict[str, float]]:
    """One session without signal, decoded by all."""
    rng = np.random.default_rng(seed)
    items = cued(rng, drift.order)
    # Encoding and imagery of a block share its level and the course within it.
    walk = np.cumsum(rng.normal(0, drift.walk, (len(PAIRS), 10)), axis=0)
    fall = drift.trend * rng.choice((-1, 1), 10)
    during, encoding = (drifting(drift, walk, fall, rng) for _ in range(2))
    patterns = rng.standard_normal((8, 10))
    seen = np.tile(np.arange(1, 9), 4)
    viewing = labelled(patterns[seen - 1] + rng.standard_normal((32, 10)), seen)
    trials = imagery_of(during, items)
    found = {
        "viewing": decode_items(trials, template_decoder(viewing, pd.Index(range(1, 9)))),
        "encoding": decode_items(
            trials, template_decoder(labelled(encoding, items), pd.Index(range(1, 9)), "encoding")
        ),
        "other blocks": decode_across_blocks(trials),
    }
    rows = {
        f"{name}, of the {question}": _said(decoding, question)
        for name, decoding in found.items()
        for question in ("block", "session")
    }
    return rows | naive(during, items, seed)


def _said(decoding: ImaginedDecoding, question: str) -> dict[str, float]:
    reading = getattr(decoding, question)
    return {
        "accuracy": reading.accuracy,
        "chance": reading.chance,
        "p": reading.p,
        "p of the accuracy": reading.p_accuracy,
    }


def naive(values: np.ndarray, items: np.ndarray, seed: int) -> dict[str, dict[str, float]]:
    """Eight folds that mix trials of one block, a linear support vector machine, 1 / 8."""
    z = (values - values.mean(axis=0)) / values.std(axis=0)
    folds = StratifiedKFold(8, shuffle=True, random_state=seed)
    accuracy = float(cross_val_score(SVC(kernel="linear"), z, items, cv=folds).mean())
    p = float(scipy.stats.binom.sf(round(accuracy * len(items)) - 1, len(items), 1 / 8))
    said = {"accuracy": accuracy, "chance": 1 / 8, "p": p, "p of the accuracy": p}
    return {"NAIVE: folds mixing blocks, against 1/8": said}


def drift_rows(n: int) -> Iterator[dict[str, str]]:
    conditions = {
        "none": Drift(),
        "walk 0.2": Drift(0.2),
        "walk 0.5": Drift(0.5),
        "walk 1.0": Drift(1.0),
        "walk 1.0, trend, memory": Drift(1.0, 1.0, 0.5),
        "walk 0.5, trend 2, the study's order": Drift(0.5, 2.0, 0.0, "study"),
        "walk 0.5, trend 2, sorted order": Drift(0.5, 2.0, 0.0, "sorted"),
        "walk 0.5, trend 2, memory, the program's order": Drift(0.5, 2.0, 0.5, "program"),
    }
    for name, drift in conditions.items():
        runs = parallel(partial(drift_alone, drift), n)
        for decoder in runs[0]:
            found = pd.DataFrame([run[decoder] for run in runs])
            rates = {f"p <= {a:g}": f"{(found['p'] <= a + 1e-9).mean():.3f}" for a in LEVELS}
            yield {
                "drift": name,
                "decoder": decoder,
                "accuracy": f"{found['accuracy'].mean():.3f}",
                "chance": f"{found['chance'].mean():.3f}",
                **rates,
                "p of the accuracy <= 0.05": f"{(found['p of the accuracy'] <= 0.05).mean():.3f}",
            }


# Power ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Drawn:
    """A session at the study's calibration."""

    population: Population
    items: np.ndarray
    space: ObjectSpace
    viewing: pd.DataFrame
    encoding: pd.DataFrame
    imagined_hz: np.ndarray
    levels: np.ndarray
    shared: float

    def imagine(self, rng: np.random.Generator) -> ImageryTrials:
        """Eight blocks of counts in 2 s; the rates drift as in the session or anew."""
        hz = self.imagined_hz * self.levels[BLOCK] * fluctuation(self.imagined_hz, self.shared, rng)
        return imagery_of(rng.poisson(2 * hz) / 2, self.items)


def fluctuation(hz: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """What all units of a trial have in common, as a factor."""
    return np.asarray(np.exp(sd * rng.standard_normal((len(hz), 1)) - sd**2 / 2))


def draw(n_units: int, gain: float | None, shared: float, seed: int) -> Drawn:
    """A session; `gain` for all units, or None for the study's 40 % of units with an axis."""
    rng = np.random.default_rng(seed)
    space = gaussian_space(rng)
    population = plant_units(space, max(n_units, 4), seed)
    view_hz = population.view_hz.to_numpy()
    baseline = population.units["baseline_hz"].to_numpy()
    gains = population.units["imagery_gain"].to_numpy() if gain is None else gain
    chosen = rng.permutation(choose(population, rng))
    items = chosen[cued(rng) - 1]
    seen_hz = population.view_hz.loc[items].to_numpy()
    levels = drift_levels(4 + len(PAIRS), view_hz.shape[1], rng)
    viewing = [rng.poisson(0.267 * view_hz * level * fluctuation(view_hz, shared, rng)) / 0.267
               for level in levels[:4]]  # fmt: skip
    in_blocks = seen_hz * levels[4:][BLOCK] * fluctuation(seen_hz, shared, rng)
    return Drawn(
        population,
        items,
        ObjectSpace(space, pd.Series(dtype=float)),
        labelled(np.concatenate(viewing), np.tile(space.index, 4)),
        labelled(rng.poisson(in_blocks).astype(float), items),
        np.maximum(0.0, baseline + gains * (seen_hz - baseline)),
        levels[4:],
        shared,
    )


def drift_levels(n_blocks: int, n_units: int, rng: np.random.Generator) -> np.ndarray:
    level = rng.standard_normal((n_blocks, n_units))
    for block in range(1, n_blocks):
        level[block] = DRIFT_KEPT * level[block - 1] + np.sqrt(1 - DRIFT_KEPT**2) * level[block]
    return np.asarray(np.exp(DRIFT_SD * level - DRIFT_SD**2 / 2))


def decoded(
    n_units: int, gain: float | None, shared: float, seed: int
) -> dict[str, ImaginedDecoding]:
    """A session read by all decoders, and by rivals of the classifier."""
    session = draw(n_units, gain, shared, seed)
    trials = session.imagine(np.random.default_rng(10_000 + seed))
    viewing, items = session.viewing, pd.Index(pd.unique(session.items))
    found = decode_session(trials, viewing, session.encoding, session.space)
    assert not found.refused
    rivals = {
        "object space, published rule": published_rule_feature_decoder(
            viewing, session.space, items
        ),
        "viewing, units as if independent": independent(viewing, items, total=False),
        "viewing, z-scored over trials": independent(viewing, items, total=True),
    }
    return dict(found.decoded) | {n: decode_items(trials, one) for n, one in rivals.items()}


def independent(viewing: pd.DataFrame, items: pd.Index, *, total: bool) -> ItemDecoder:
    """Templates over variances of single units: within pictures, or over all trials."""
    around = 0.0 if total else viewing.groupby(level=0).transform("mean")
    variance = (viewing - around).var().to_numpy()
    means = viewing.groupby(level=0).mean().loc[items].to_numpy()
    still = unvarying(viewing.to_numpy())
    weights = means / np.where(still, np.inf, variance)
    return ItemDecoder("rival", pd.DataFrame(weights.T, viewing.columns, items), ())


def power_rows(n: int) -> Iterator[dict[str, str]]:
    kinds = {
        "0.107 in all units": (0.107, 0.0),
        "0.107 in all, shared fluctuation 0.3": (0.107, 0.3),
        "0.03 in all units": (0.03, 0.0),
        "in 32 % of units, as planted": (None, 0.0),
    }
    for kind, (gain, shared) in kinds.items():
        for n_units in (10, 20, 40):
            runs = parallel(partial(decoded, n_units, gain, shared), n)
            for name in runs[0]:
                yield {
                    "gain": kind,
                    "units": str(n_units),
                    "decoder": name,
                    **power_of([run[name] for run in runs]),
                }


def power_of(sessions: list[ImaginedDecoding]) -> dict[str, str]:
    def share(values: list[float]) -> str:
        return f"{np.mean(np.array(values) <= 0.05 + 1e-9):.2f}"

    four = [
        float(population_decoding(sessions[n : n + 4], seed=n)["p"])
        for n in range(0, len(sessions) - 3, 4)
    ]
    block, wide = ([getattr(s, q) for s in sessions] for q in ("block", "session"))
    return {
        "of two": f"{np.mean([r.accuracy for r in block]):.3f}",
        "of eight": f"{np.mean([r.accuracy for r in wide]):.3f}",
        "chance of eight": f"{np.mean([r.chance for r in wide]):.3f}",
        "smallest p": f"{max(r.smallest_p for r in block):.4f}",
        "power": share([r.p for r in block]),
        "power of the accuracy": share([r.p_accuracy for r in block]),
        "power, 4 sessions": share(four),
    }


# Intervals --------------------------------------------------------------------------------------


def covered(gain: float, repeats: int, seed: int) -> dict[str, tuple[float, float, float]]:
    """Interval of one session, and the accuracy of many like it."""
    session = draw(20, gain, 0.0, seed)
    decoder = template_decoder(session.viewing, pd.Index(pd.unique(session.items)))
    again = np.random.default_rng(20_000 + seed)

    def read(rng: np.random.Generator) -> dict[str, ImaginedDecoding]:
        levels = drift_levels(len(PAIRS), session.levels.shape[1], rng)
        anew = Drawn(*(getattr(session, n) for n in Drawn.__slots__[:6]), levels, 0.0)  # type: ignore[arg-type]
        trials = anew.imagine(rng)
        return {"viewing": decode_items(trials, decoder), "other": decode_across_blocks(trials)}

    first = read(again)
    rest = [read(again) for _ in range(repeats)]
    return {
        name: (
            one.block.accuracy_low,
            one.block.accuracy_high,
            float(np.mean([r[name].block.accuracy for r in rest])),
        )
        for name, one in first.items()
    }


def interval_rows(n: int, repeats: int) -> Iterator[dict[str, str]]:
    for gain in (0.0, 0.107, 0.3):
        runs = parallel(partial(covered, gain, repeats), n)
        for name in runs[0]:
            low, high, truth = np.array([run[name] for run in runs]).T
            inside = (low <= truth) & (truth <= high)
            yield {
                "decoder": name,
                "gain": f"{gain:g}",
                "accuracy": f"{truth.mean():.3f}",
                "width": f"{(high - low).mean():.3f}",
                "covered": f"{inside.mean():.3f}",
            }


# Time -------------------------------------------------------------------------------------------


def time_rows() -> Iterator[dict[str, str]]:
    session = draw(100, 0.107, 0.0, 1)
    rng = np.random.default_rng(1)
    trials = session.imagine(rng)
    decoder = template_decoder(session.viewing, pd.Index(pd.unique(session.items)))
    windows = {
        (n / 4, n / 4 + 0.5): labelled(rng.poisson(trials.during / 2) * 2.0, trials.item)
        for n in range(30)
    }
    # Twelve blocks in a ring: 4096 relabellings.
    ring = np.concatenate([np.tile((n, (n + 1) % 12), 3) for n in range(12)])
    more = ImageryTrials(
        pd.Series(ring),
        pd.Series(np.repeat(np.arange(12), 6)),
        *[labelled(rng.poisson(5.0, (72, 100)).astype(float), ring)] * 2,
    )
    ring_windows = {w: labelled(rng.poisson(1.0, (72, 100)) * 2.0, ring) for w in windows}
    jobs: dict[str, Callable[[], object]] = {
        "four decoders, one window, 256 relabellings": lambda: decode_session(
            trials, session.viewing, session.encoding, session.space
        ),
        "course, viewing, 30 windows, 256": lambda: decode_course(trials, windows, decoder),
        "course, other blocks, 30 windows, 256": lambda: decode_course(trials, windows),
        "course, other blocks, 30 windows, 4096": lambda: decode_course(more, ring_windows),
    }
    for name, job in jobs.items():
        start = time.perf_counter()
        job()
        yield {"100 units, 64 trials": name, "s": f"{time.perf_counter() - start:.2f}"}


def parallel(job: Callable[[int], Found], n: int) -> list[Found]:
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(job, range(n), chunksize=8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="few sessions: no result")
    short = parser.parse_args().short
    n_null, n_power, n_cover = (16, 12, 8) if short else (300, 72, 50)
    text = "\n".join(
        [
            "# Decoding of imagined items\n",
            "Made by `python -m benchmarks.imagined_decoding`; its docstring says how.\n",
            f"## Drift alone: {n_null} sessions each, no signal\n",
            "`p` is that of the evidence, the declared test. SE of 0.05 is"
            f" {np.sqrt(0.05 * 0.95 / n_null):.4f}, of 0.01 {np.sqrt(0.01 * 0.99 / n_null):.4f}."
            " Chance is the mean of the design's own null.\n",
            table(list(drift_rows(n_null))),
            f"## Power: {n_power} sessions each\n",
            "Share with p <= 0.05 for which of the two items of the block.\n",
            table(list(power_rows(n_power))),
            f"## 95 % intervals of the accuracy: {n_cover} sessions of 20 units\n",
            "Covered: the mean accuracy of 15 more sessions with the same units, drifting anew.\n",
            table(list(interval_rows(n_cover, 4 if short else 15))),
            "## Time\n",
            table(list(time_rows())),
            f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} cores,"
            " one thread each.\n",
        ]
    )
    finish(text, __file__, short=short)


if __name__ == "__main__":
    main()
