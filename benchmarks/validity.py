"""How often the tests of imagery find something where there is nothing.

`python -m benchmarks.validity` draws units that do nothing in imagery, and whose rates drift all
the same: from block to block, and within blocks.  Every declared test must give ``p <= a`` no more
often than ``a`` (and three standard errors of the count).  It writes `docs/validation.md`, with
what the published rules give on such units, and what the declared ones find where there is
something.

A test to be added takes a `Null` and a seed and returns p by name: put it into `UNIT_TESTS` if it
answers for single units, into `SESSION_TESTS` if for a session as a whole, into `RATED_TESTS` if it
asks of ratings.
"""

import argparse
import math
import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.imagery import imagined_code, population
from analysis.imagined.decoders import template_decoder
from analysis.imagined.decoding import decode_across_blocks, decode_items
from analysis.imagined.decoding_course import decode_course, sliding_rates
from analysis.imagined.equivalence import BOUND_HZ, visual_response
from analysis.imagined.gap import IntensityGap, intensity_gap
from analysis.imagined.gap_population import population_gap
from analysis.imagined.items import item_rates
from analysis.imagined.mixed import mixed_vividness, rated_trials
from analysis.imagined.published import (
    published_rule_bursts,
    published_rule_rank_sum,
    published_rule_threshold_or_anova,
)
from analysis.imagined.questions import reactivation
from analysis.imagined.similarity import similarity
from analysis.imagined.sliding import population_course, sliding_windows, time_course
from analysis.imagined.trials import ImageryTrials
from analysis.imagined.vividness import Vividness, signed_evidence, vividness
from analysis.inference import benjamini_hochberg
from analysis.synthetic.neurons import plant_units
from benchmarks.calibration import choose, gaussian_space
from benchmarks.table import table
from task.order import cyclic_pairs
from task.published import DESIGNS

Floats = NDArray[np.float64]

LEVELS = (0.001, 0.01, 0.05, 0.1)
UNITS, UNITS_AT_ONCE, UNITS_OF_SESSION, UNITS_OF_RATINGS = 20_000, 1000, 25, 10
MORE = 4  # times as many units are drawn anew where a number was too large
CUES_PER_ITEM = 4
# Windows and cue-to-cue time of the study: the last second before the cue, and all of imagery.
BEFORE_S, DURING_S, CUE_TO_CUE_S = 1.0, 5.0, 6.5
LAG = (BEFORE_S + DURING_S) / 2 / CUE_TO_CUE_S
DRIFT_KEPT = 0.7  # of the log rate, by the next block
WANDER_SD, WANDER_KEPT = 0.3, 0.7  # of the log rate within blocks, kept by the next window
SHARED = 0.5  # of the variance of drift and tuning, by the units of a session
N_VIEWS, VIEW_S, ENCODE_S, CONTRAST = 4, 0.267, 1.0, 0.55  # of items, before imagery


@dataclass(frozen=True, slots=True)
class World:
    """How the rates of units that do nothing change.

    Attributes
    ----------
    drift_sd : of the log rate over blocks; a block keeps 0.7 of the one before
    within : what goes on within each block, in all alike (`WITHIN`)
    low_hz, high_hz : mean rates, even on a log scale
    """

    drift_sd: float
    within: str = "steady"
    low_hz: float = 0.5
    high_hz: float = 8.0


WITHIN = {
    "steady": "nothing",
    "falling": "the rate falls by half in a straight line",
    "by trial": "the same, but from trial to trial only, not within a trial",
    "saturating": "the rate falls by 60 %, most of it in the first trials (time constant 2 trials)",
    "wandering": f"the log rate wanders, AR(1), SD {WANDER_SD:g}, keeping {WANDER_KEPT:g} from"
    " window to window",
}
WORLDS = (
    *(World(sd, within) for sd in (0.0, 0.2, 0.5, 1.0) for within in ("steady", "falling")),
    *(World(0.5, within) for within in ("by trial", "saturating", "wandering")),
    World(1.0, "steady", 0.5, 0.5),
    World(0.5, "falling", 8.0, 8.0),
)
DESIGN_NAMES = ("ours", "P80_1", "P76_1")


@dataclass(frozen=True, slots=True)
class Null:
    """A session of units that are tuned when they see, and do nothing in imagery.

    Attributes
    ----------
    trials : of imagery
    known : of every item, says nothing of its imagery, (n_items, n_units)
    views : rates of single views of a screening, index item
    encoding, encoding_block : rates of single views before imagery; blocks of imagery share their
        level, and what goes on within them
    ratings : of vividness; they drift as rates do, but say nothing of them
    """

    trials: ImageryTrials
    known: pd.DataFrame
    views: pd.DataFrame
    encoding: pd.DataFrame
    encoding_block: pd.Series
    ratings: pd.Series


Test = Callable[[Null, int], Mapping[str, ArrayLike]]


def both_questions(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    units = reactivation(null.trials, seed).units
    return {
        "modulated": units["p_modulated"],
        "item-selective": units["p_selective"],
        "reactivated (both)": units["p"],
        "modulated, by block": units["p_modulated_by_block"],
        "item-selective, by swap": units["p_swap"],
    }


def follows_known(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    one = imagined_code(null.trials, null.known, seed=seed)
    two = imagined_code(null.trials, null.known, two_sided=True, seed=seed)
    ranked = similarity(
        _imagined(null), null.trials.block, null.known, method="spearman", seed=seed
    )
    return {
        "follows viewing or the axis": one.units["p"],
        "orthogonal axis": two.units["p"],
        "follows viewing, by ranks": ranked.units["p"],
    }


def follows_encoding(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    profile = item_rates(null.encoding, null.encoding_block).rates
    found = similarity(_imagined(null), null.trials.block, profile, seed=seed)
    return {"follows encoding": found.units["p"]}


def gap(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    return {"gain of imagery above 0": _gap(null, seed).units["p"]}


def rated(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    rate, along = _vivid(null, seed)
    return {"vividness and rate": rate.units["p"], "vividness and axis": along.units["p"]}


def together(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    found = reactivation(null.trials, seed).population["p"]
    code = population([imagined_code(null.trials, null.known, seed=seed)], seed)
    rate, along = _vivid(null, seed)
    return {
        "population: modulated": found["modulated"],
        "population: item-selective": found["selective"],
        "population: follows viewing or the axis": code["swap_p"],
        "population: gain of imagery above 0": population_gap([_gap(null, seed)], seed=seed).p,
        "population: vividness and rate": rate.p,
        "population: vividness and axis": along.p,
    }


def decoded(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    items = pd.Index(null.trials.item.unique())
    viewing = template_decoder(null.views, items)
    encoding = template_decoder(null.encoding, items, "encoding")
    return {
        "items decoded across blocks": decode_across_blocks(null.trials, seed).block.p,
        "items decoded by viewing": decode_items(null.trials, viewing, seed).block.p,
        "items decoded by encoding": decode_items(null.trials, encoding, seed).block.p,
    }


def courses(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    spikes, cues = spikes_of(null.trials, seed)
    windows = sliding_windows((-BEFORE_S, DURING_S), 0.5, 0.25)
    code = population_course([time_course(spikes, cues, null.known, windows, seed)], seed)
    decoder = template_decoder(null.views, pd.Index(null.trials.item.unique()))
    rates = sliding_rates(spikes, cues["onset_s"], (-BEFORE_S, DURING_S))
    return {
        "time course, any window": code.windows["p_family"].min(),
        **{
            f"items decoded over time by {name}, any window": decode_course(
                null.trials, rates, by, seed
            )
            .windows["p_familywise"]
            .min()
            for name, by in (("viewing", decoder), ("other blocks", None))
        },
    }


def mixed(null: Null, seed: int) -> Mapping[str, ArrayLike]:
    trials = null.trials
    table = rated_trials(trials.during, null.ratings, trials.block, trials.item, "s")
    return {"vividness and rate, mixed model": mixed_vividness(table).p}


def _imagined(null: Null) -> pd.DataFrame:
    return null.trials.during.set_axis(null.trials.item.to_numpy())


def _gap(null: Null, seed: int) -> IntensityGap:
    return intensity_gap(
        null.trials, null.encoding, source="encoding", view_blocks=null.encoding_block, seed=seed
    )


def _vivid(null: Null, seed: int) -> tuple[Vividness, Vividness]:
    """Ratings against rates, and against rates along the axis."""
    trials = null.trials
    along = signed_evidence(trials, null.known)
    rate, axis = (
        vividness(values, null.ratings, trials.block, seed) for values in (trials.during, along)
    )
    return rate, axis


UNIT_TESTS: tuple[Test, ...] = (both_questions, follows_known, follows_encoding, gap)
# Of units too, but their p holds over ratings: few units may share them.
RATED_TESTS: tuple[Test, ...] = (rated,)
SESSION_TESTS: tuple[Test, ...] = (together, decoded, courses, mixed)


# Units that do nothing ---------------------------------------------------------------------------


def design(name: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Item and block of every cue: A B A B ... in each block."""
    if name == "ours":
        pairs = cyclic_pairs(list(range(1, 9)), random.Random(1))
    else:
        pairs = list(DESIGNS[name].pairs)
    items = [item for pair in pairs for item in pair * CUES_PER_ITEM]
    return np.array(items), np.repeat(np.arange(len(pairs)), 2 * CUES_PER_ITEM)


def rates_of(
    world: World, blocks: NDArray[np.int64], n_units: int, shared: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Rates before and after every cue, and at encoding in its place, Hz, (n_trials, n_units)."""
    n_blocks, place = int(blocks.max()) + 1, np.tile(np.arange(8.0), int(blocks.max()) + 1)[:, None]
    mean = np.exp(rng.uniform(np.log(world.low_hz), np.log(world.high_hz), n_units))
    walk = _walk(n_blocks, n_units, DRIFT_KEPT, shared, rng)
    level = mean * np.exp(world.drift_sd * walk - world.drift_sd**2 / 2)[blocks]
    if world.within == "wandering":
        walk = _walk(3 * len(blocks), n_units, WANDER_KEPT, shared, rng)
        wander = np.exp(WANDER_SD * walk - WANDER_SD**2 / 2)
        imagery = wander[len(blocks) :]
        return level * imagery[::2], level * imagery[1::2], level * wander[: len(blocks)]
    later = 0.0 if world.within == "by trial" else LAG
    shape = {
        "steady": np.ones_like,
        "falling": lambda x: (4 - x / 4) / 3,
        "by trial": lambda x: (4 - x / 4) / 3,
        "saturating": lambda x: 2 / 3 + np.exp(-x / 2),
    }[world.within]
    return level * shape(place), level * shape(place + later), level * shape(place)


def _walk(n: int, n_units: int, kept: float, shared: float, rng: np.random.Generator) -> Floats:
    """Standard normal, each step keeping some of the one before; `shared` of it by all units."""
    own, common = rng.standard_normal((n, n_units)), rng.standard_normal((n, 1))
    steps = np.sqrt(1 - shared) * own + np.sqrt(shared) * common
    for k in range(1, n):
        steps[k] = kept * steps[k - 1] + np.sqrt(1 - kept**2) * steps[k]
    return steps


def counted(
    item: NDArray[np.int64],
    block: NDArray[np.int64],
    before_hz: Floats,
    during_hz: Floats,
    rng: np.random.Generator,
) -> ImageryTrials:
    """Poisson counts in the windows of the study, as rates."""
    units = pd.Index([f"u{n}" for n in range(before_hz.shape[1])], name="unit")
    before = rng.poisson(before_hz * BEFORE_S) / BEFORE_S
    during = rng.poisson(during_hz * DURING_S) / DURING_S
    return ImageryTrials(
        pd.Series(item),
        pd.Series(block),
        pd.DataFrame(before, columns=units),
        pd.DataFrame(during, columns=units),
        (BEFORE_S, DURING_S),
        LAG,
    )


def null_session(
    name: str, world: World, n_units: int, rng: np.random.Generator, shared: float = 0.0
) -> Null:
    item, block = design(name)
    before, during, encoding = rates_of(world, block, n_units, shared, rng)
    trials = counted(item, block, before, during, rng)
    items = np.unique(item)
    units = trials.during.columns

    def drawn(*shape: int) -> Floats:
        common = rng.standard_normal((*shape, 1))
        own = rng.standard_normal((*shape, n_units))
        return np.sqrt(shared) * common + np.sqrt(1 - shared) * own

    tuning = np.maximum(0.0, 1 + CONTRAST * drawn(len(items))) ** 2 / (1 + CONTRAST**2)
    seen = np.tile(np.arange(len(items)), N_VIEWS)
    views = rng.poisson(during.mean(axis=0) * tuning[seen] * VIEW_S) / VIEW_S
    encoded = encoding * tuning[np.searchsorted(items, item)]
    return Null(
        trials,
        pd.DataFrame(drawn(len(items)), items, units),
        pd.DataFrame(views, pd.Index(items[seen], name="image"), units),
        pd.DataFrame(rng.poisson(encoded * ENCODE_S) / ENCODE_S, pd.Index(item), units),
        pd.Series(block),
        ratings_of(world, block, rng),
    )


def ratings_of(world: World, blocks: NDArray[np.int64], rng: np.random.Generator) -> pd.Series:
    """Ratings 1 to 4 that drift and fall as rates do, on their own; one in ten is missing."""
    place = np.tile(np.arange(8) / 7, int(blocks.max()) + 1)
    walk = _walk(int(blocks.max()) + 1, 1, DRIFT_KEPT, 0.0, rng)[blocks, 0]
    fall = 0.0 if world.within in ("steady", "wandering") else 1.0
    felt = world.drift_sd * walk - fall * place + rng.standard_normal(len(blocks))
    steps = 1 + np.searchsorted(np.quantile(felt, (0.25, 0.5, 0.75)), felt)
    return pd.Series(np.where(rng.random(len(felt)) < 0.1, np.nan, steps))


def spikes_of(trials: ImageryTrials, seed: int) -> tuple[dict[str, Floats], pd.DataFrame]:
    """Spikes to these counts, anywhere in their windows, and the cues."""
    rng = np.random.default_rng(seed)
    onset = 10 + 2 * CUE_TO_CUE_S * np.arange(len(trials.item), dtype=float)
    cues = pd.DataFrame({"item": trials.item, "block": trials.block, "onset_s": onset})
    trains: dict[str, Floats] = {}
    for unit in map(str, trials.during):
        before, during = (
            np.repeat(onset, np.round(rates[unit] * width).astype(int))
            for rates, width in ((trials.before, BEFORE_S), (trials.during, DURING_S))
        )
        before = before - BEFORE_S * rng.random(len(before))
        during = during + DURING_S * rng.random(len(during))
        trains[unit] = np.sort(np.concatenate([before, during]))
    return trains, cues


# How often p is small ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Job:
    """Tests of one design in one world; so many units, in sessions of so many."""

    design: str
    world: World
    tests: tuple[Test, ...]
    units: int
    of_session: int
    shared: float
    seed: int


def run(job: Job) -> dict[str, Floats]:
    """Every p of every test."""
    found: dict[str, list[Floats]] = defaultdict(list)
    rng = np.random.default_rng(job.seed)
    for n in range(max(1, job.units // job.of_session)):
        null = null_session(job.design, job.world, min(job.of_session, job.units), rng, job.shared)
        for test in job.tests:
            for name, p in test(null, job.seed + n).items():
                found[name].append(np.atleast_1d(np.asarray(p, dtype=float)))
    return {name: np.concatenate(p) for name, p in found.items()}


def jobs(units: int) -> Iterator[Job]:
    seeds = iter(range(0, 10**9, 10**5))
    for name in DESIGN_NAMES:
        for world in WORLDS:
            yield Job(name, world, UNIT_TESTS, units, UNITS_AT_ONCE, 0.0, next(seeds))
            yield Job(name, world, RATED_TESTS, units, UNITS_OF_RATINGS, 0.0, next(seeds))
        for world in (World(0.0), World(1.0, "falling"), World(0.5, "wandering")):
            yield Job(name, world, SESSION_TESTS, units // 2, UNITS_OF_SESSION, SHARED, next(seeds))


def bound(level: float, n: int) -> float:
    """The most that may be at or below a level, by chance and three standard errors."""
    return level + 3 * math.sqrt(level * (1 - level) / n)


def rates(p: Floats) -> dict[float, float]:
    """Share of the tests made that are at or below each level."""
    made = p[~np.isnan(p)]
    return {level: float((made <= level).mean()) for level in LEVELS}


def failures(job: Job, found: Mapping[str, Floats]) -> list[str]:
    """Tests that are at or below a level too often."""
    return [
        f"{name}, {job.design}, {described(job.world)}: {share:.4f} at {level:g}"
        for name, p in found.items()
        for level, share in rates(p).items()
        if share > bound(level, int((~np.isnan(p)).sum()))
    ]


def described(world: World) -> str:
    hz = f", {world.low_hz:g} Hz" if world.low_hz == world.high_hz else ""
    return f"drift {world.drift_sd:g} SD, {world.within}{hz}"


# Published rules ---------------------------------------------------------------------------------


def null_spikes(
    name: str, world: World, n_units: int, rng: np.random.Generator
) -> tuple[dict[str, Floats], pd.DataFrame, pd.DataFrame]:
    """Spikes, cues and views of units that fire as in `world` whatever happens; 2 min a block."""
    item, block = design(name)
    before, *_ = rates_of(world, block, n_units, 0.0, rng)
    start = 120.0 * block + CUE_TO_CUE_S * np.tile(np.arange(8.0), int(block.max()) + 1)
    cues = pd.DataFrame({"item": item, "block": block, "onset_s": start + 60})
    views = pd.DataFrame({"item": item, "block": block, "onset_s": 120.0 * block + 5
                          + 3 * (start - 120.0 * block) / CUE_TO_CUE_S})  # fmt: skip
    first = cues.groupby("block").head(1).index
    trains = {}
    for unit in range(n_units):
        level = before[first, unit]
        parts = [
            120.0 * n + np.sort(rng.uniform(0, 120, rng.poisson(120 * hz)))
            for n, hz in enumerate(level)
        ]
        trains[f"u{unit}"] = np.concatenate(parts)
    return trains, cues, views


def published(units: int) -> list[dict[str, str]]:
    """Share of null units that the published rules call reactivated."""
    rows: dict[str, dict[str, str]] = {}
    for drift in (0.0, 0.2, 0.5, 1.0):
        rng = np.random.default_rng(11)
        world = World(drift)
        spikes, cues, views = null_spikes("P80_1", world, units, rng)
        trials = null_session("P80_1", world, units, rng).trials
        found = {
            "threshold or ANOVA": published_rule_threshold_or_anova(spikes, cues, views),
            "rank sum, Bonferroni": published_rule_rank_sum(trials),
            "burst in 3 of 8 trials": published_rule_bursts(spikes, cues),
            "the same, sought from 1 to 5 s": published_rule_bursts(spikes, cues, (1.0, 5.0)),
        }
        anova = found["threshold or ANOVA"]
        shares = {n: t["reactivated"].mean() for n, t in found.items()}
        shares["threshold or ANOVA: threshold alone"] = (anova["items_above"] > 0).mean()
        shares["threshold or ANOVA: ANOVA alone"] = (anova["anova_p"] < 0.05).mean()
        for rule, share in shares.items():
            rows.setdefault(rule, {"rule": rule})[f"drift {drift:g} SD"] = f"{share:.3f}"
    return [rows[rule] for rule in sorted(rows)]


# What is found where there is something ----------------------------------------------------------


def power(sessions: int, n_units: int = 100) -> list[dict[str, str]]:
    """Planted units that each test finds, at the study's calibration."""
    found: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    item, block = design("ours")
    for seed in range(sessions):
        rng = np.random.default_rng(1000 + seed)
        planted = plant_units(gaussian_space(rng), n_units, seed)
        units, view = planted.units, planted.view_hz.loc[choose(planted, rng)].to_numpy()
        base, gain = units["baseline_hz"].to_numpy(), units["imagery_gain"].to_numpy()
        drift = units["drift_sd"].to_numpy()
        walk = _walk(int(block.max()) + 1, n_units, DRIFT_KEPT, 0.0, rng)
        level = np.exp(drift * walk - drift**2 / 2)[block]
        imagined = np.maximum(0.0, base + gain * (view[item - 1] - base))
        trials = counted(item, block, base * level, imagined * level, rng)
        known = pd.DataFrame(view, np.arange(1, 9), trials.during.columns)
        encoding = rng.poisson(view[item - 1] * level * ENCODE_S) / ENCODE_S
        null = Null(
            trials,
            known,
            known,
            pd.DataFrame(encoding, pd.Index(item), known.columns),
            pd.Series(block),
            pd.Series(np.nan, range(len(item))),
        )
        active = units["reactivated"].to_numpy()
        for test in UNIT_TESTS:
            for name, p in test(null, seed).items():
                p = pd.Series(np.asarray(p, dtype=float))
                q = benjamini_hochberg(p)
                found[name].append(
                    (
                        (p[active] <= 0.05).mean(),
                        (q[active] <= 0.05).mean(),
                        (p[~active] <= 0.05).mean(),
                        (q[~active] <= 0.05).mean(),
                    )
                )
    columns = ("planted, p <= 0.05", "planted, q <= 0.05", "others, p <= 0.05", "others, q <= 0.05")
    return [
        {"test": name, **{c: f"{v:.3f}" for c, v in zip(columns, np.mean(v, axis=0), strict=True)}}
        for name, v in found.items()
    ]


# Equivalence -------------------------------------------------------------------------------------

N_PICTURES = 500
RESPONSE_S, BASELINE_S = 0.27, 0.08


def called_equivalent(
    hz: float, change_hz: float, spread_hz: float, tail: str, n: int, seed: int
) -> float:
    """Share of units with a visual response of this size that are called equivalent to none."""
    rng = np.random.default_rng(seed)
    called = []
    for _ in range(max(1, n // 200)):
        shape = rng.choice((-1.0, 1.0), (N_PICTURES, 200))
        if tail == "few":
            shape = (rng.random((N_PICTURES, 200)) < 0.02) * rng.exponential(1, (N_PICTURES, 200))
        shape = (shape - shape.mean(axis=0)) / np.where(shape.std(axis=0) > 0, shape.std(axis=0), 1)
        pictures = np.tile(np.arange(N_PICTURES), N_VIEWS)
        drift = np.exp(0.3 * rng.standard_normal((N_VIEWS, 200)) - 0.045).repeat(N_PICTURES, axis=0)
        rate = np.maximum(0.0, hz * drift + (change_hz + spread_hz * shape)[pictures])
        response = rng.poisson(rate * RESPONSE_S) / RESPONSE_S
        base = rng.poisson(hz * drift * BASELINE_S) / BASELINE_S
        blocks = pd.Series(np.repeat(np.arange(N_VIEWS), N_PICTURES))
        tables = [pd.DataFrame(t, pictures) for t in (response, base)]
        called.append(visual_response(*tables, blocks).units["equivalent"].mean())
    return float(np.mean(called))


def equivalence(n: int) -> list[dict[str, str]]:
    rows = []
    cases = [("none", 0.0, 0.0, "even"), ("mean at the bound", BOUND_HZ, 0.0, "even"),
             ("spread at the bound, over all pictures", 0.0, BOUND_HZ, "even"),
             ("spread at the bound, by one picture in fifty", 0.0, BOUND_HZ, "few")]  # fmt: skip
    for name, change, spread, tail in cases:
        row = {"response": name}
        for hz in (1.0, 2.4, 5.0, 8.0):
            row[f"{hz:g} Hz"] = f"{called_equivalent(hz, change, spread, tail, n, 5):.3f}"
        rows.append(row)
    return rows


# The page ----------------------------------------------------------------------------------------


def page(units: int, workers: int) -> tuple[str, list[str]]:
    """The page, and every test that fails."""
    todo = list(jobs(units))
    with ProcessPoolExecutor(workers) as pool:
        drawn = list(pool.map(run, todo))
        doubted = [n for n, job in enumerate(todo) if failures(job, drawn[n])]
        for n in doubted:
            todo[n] = replace(todo[n], units=MORE * todo[n].units, seed=todo[n].seed + 50_000)
        for n, more in zip(doubted, pool.map(run, [todo[n] for n in doubted]), strict=True):
            drawn[n] = more
    results = list(zip(todo, drawn, strict=True))
    failed = [line for job, found in results for line in failures(job, found)]
    by_test: dict[str, list[dict[str, str]]] = defaultdict(list)
    for job, found in results:
        for name, p in found.items():
            made = int((~np.isnan(p)).sum())
            row = {"design": job.design, "null units": described(job.world), "tests": f"{made:,}"}
            for level, share in rates(p).items():
                mark = "" if share <= bound(level, made) else " **too often**"
                row[f"p <= {level:g}"] = f"{share:.4f}{mark}"
            by_test[name].append(row)
    summary = [
        {
            "test": name,
            **{
                f"p <= {a:g}": f"{max(float(r[f'p <= {a:g}'].split()[0]) for r in rows):.4f}"
                for a in LEVELS
            },
            "too often in": str(sum("too often" in v for r in rows for v in r.values())),
        }
        for name, rows in by_test.items()
    ]
    text = [
        "# Validation",
        "",
        "Made by `python -m benchmarks.validity`; do not edit.",
        "",
        "How often tests of imagery find something in units that do nothing in imagery. The units"
        f" are Poisson, 0.5 to 8 Hz (even on a log scale) if no rate is given; {BEFORE_S:g} s"
        f" before the cue, {DURING_S:g} s of imagery, {CUE_TO_CUE_S:g} s from cue to cue,"
        " A B A B A B A B in each block. Their log rate drifts from block to block with the SD"
        f" given, each block keeping {DRIFT_KEPT:g} of the one before. Within each block, in all"
        " blocks alike:",
        "",
        *(f"* *{name}*: {what}" for name, what in WITHIN.items()),
        "",
        "When they see the items they are tuned to them. Encoding comes before imagery in the same"
        " blocks, at the same levels and with the same course; ratings of vividness drift and fall"
        " likewise, on their own. Units of one session share half of the variance of all that.",
        "",
        "Designs: *ours*, drawn by the program (each item leads once); *P80_1* and *P76_1* as"
        " published (8 and 6 items, the first of a pair always cued first).",
        "",
        f"A test passes if p <= a no more often than a and three standard errors: with {units:,}"
        f" units {', '.join(f'{bound(a, units):.4f}' for a in LEVELS)}. Of so many numbers chance"
        f" alone puts a few above that: {len(doubted)} of {len(todo)} draws of units had one, and"
        f" were drawn anew, {MORE} times as many; the second draw counts, whatever it gave.",
        "",
        "## The largest of each test over designs and drifts",
        "",
        table(summary),
        f"{len(failed)} of {sum(len(r) for r in by_test.values()) * len(LEVELS)} numbers are too"
        " large.",
        "",
        "## The published rules on such units",
        "",
        "Share of units called reactivated, design P80_1, nothing within blocks. Each item is cued"
        " in two blocks, so that drift between blocks is a difference between items.",
        "",
        table(published(max(20, units // 20))),
        "## What the declared tests find",
        "",
        "Units drawn at the study's calibration (`benchmarks.calibration`): 80 % have an axis, 40 %"
        " of these take it up in imagery at a gain that is measured as 0.107; 100 units a session,"
        " design *ours*, drift 0.35 SD. Share of the units with planted imagery, and of others.",
        "",
        table(power(max(2, units // 1000))),
        "## Equivalence to no visual response",
        "",
        f"Share of units called equivalent, bound {BOUND_HZ:g} Hz, {N_PICTURES} pictures seen"
        f" {N_VIEWS} times, drift 0.3 SD, by mean rate. Of units at the bound at most"
        f" {bound(0.05, max(200, units // 5)):.4f} may be called so (5 % and three standard"
        " errors); of units without any response, those not called so stay undecided.",
        "",
        table(equivalence(max(200, units // 5))),
        "## Every number",
        "",
    ]
    for name, rows in by_test.items():
        text += [f"### {name[0].upper()}{name[1:]}", "", table(rows)]
    return "\n".join(text), failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=UNITS, help="null units of each row")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    text, failed = page(asked.units, asked.workers)
    if asked.units < UNITS:
        print(f"SHORT RUN: for trying the script, no result\n\n{text}")
    else:
        path = Path(__file__).resolve().parent.parent / "docs/validation.md"
        partial = path.with_name(f"{path.name}.partial")
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    print("\n".join(failed) or "every declared test passes")


if __name__ == "__main__":
    main()
