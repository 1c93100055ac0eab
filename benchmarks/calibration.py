"""How near the planted neurons come to the published ones.

`python -m benchmarks.calibration` draws several sessions of a screening (500 pictures, 4 blocks)
and imagery (8 pictures, 8 blocks of two), measures them as the publication did, and prints its
numbers beside ours.  Published: Wadia et al. 2026 (doi:10.1126/science.adt8343), recomputed from a
derivative of its deposit (doi:10.17605/OSF.IO/G9XH6).  Two differences are known: the published 43
reactivated units were chosen for being active in imagery, and planted units do not adapt, so that
encoding is as strong as viewing.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.synthetic.neurons import Population, plant_units, spikes

N_IMAGES, N_DIMS, N_BLOCKS = 500, 50, 4
VIEW_WINDOW_S, ENCODE_WINDOW_S, IMAGINE_WINDOW_S = 0.267, 1.0, 2.0
# Ranks, among 500, of the pictures that one published session chose along one unit's axis.
CHOSEN_RANKS = (3, 104, 167, 196, 422, 453, 473, 491)
# Published quartiles where there are such, else the one number; all in Hz, s or as ratios.
PUBLISHED = {
    "mean rate (Hz)": (1.40, 2.37, 4.45),
    "rate to the best picture (Hz)": (11.24, 17.79, 28.09),
    "best picture / mean": (4.99, 7.13, 10.05),
    "sparseness": (0.395, 0.541, 0.658),
    "latency (s)": (0.147, 0.1594, 0.17665),
    "view-imagine r": (0.105, 0.435, 0.660),
    "view-imagine r > 0 (share)": (None, 0.767, None),
    "slope of imagine on view": (0.020, 0.107, 0.176),
    "imagine rate at view rate 0 / mean rate": (0.635, 0.837, 1.132),
    "imagine / view, mean rates": (None, 0.889, None),
    "view-encode r": (0.468, 0.643, 0.796),
    "encode / view, mean rates": (None, 0.786, None),
}


@dataclass(frozen=True, slots=True)
class Session:
    """Rates of one drawn session, pictures x units; imagery of the reactivated units only."""

    population: Population
    view: pd.DataFrame
    encode: pd.DataFrame
    imagine: pd.DataFrame


def draw_session(n_units: int, seed: int) -> Session:
    """Draw a session and count its spikes in the published windows."""
    rng = np.random.default_rng(seed)
    space = gaussian_space(rng)
    population = plant_units(space, n_units, seed)
    stimuli = screening(space.index, rng)
    chosen = choose(population, rng)
    stimuli = pd.concat([stimuli, imagery(chosen, stimuli["stop_s"].max() + 600, rng)])
    trains = spikes(population, stimuli, stimuli["stop_s"].max() + 1, seed)
    latency = population.units["latency_s"]

    def rates(kind: str, window_s: float, delay: pd.Series) -> pd.DataFrame:
        rows = stimuli[stimuli["kind"] == kind]
        counts = {
            unit: count(train, rows["start_s"].to_numpy() + delay[unit], window_s)
            for unit, train in zip(population.units.index, trains, strict=True)
        }
        return pd.DataFrame(counts).groupby(rows["item"].to_numpy()).mean() / window_s

    kept = population.units.index[population.units["reactivated"]]
    imagine = rates("imagine", IMAGINE_WINDOW_S, 0 * latency)
    encode = rates("encode", ENCODE_WINDOW_S, latency)
    return Session(population, rates("view", VIEW_WINDOW_S, latency), encode[kept], imagine[kept])


def gaussian_space(rng: np.random.Generator) -> pd.DataFrame:
    """500 pictures in a space whose dimensions are as unequal as principal components."""
    scores = rng.standard_normal((N_IMAGES, N_DIMS)) / np.sqrt(1 + np.arange(N_DIMS))
    names = [f"picture-{n:03d}" for n in rng.permutation(N_IMAGES)]
    return pd.DataFrame(scores, index=pd.Index(names, name="id"))


def screening(items: pd.Index, rng: np.random.Generator) -> pd.DataFrame:
    """Every picture once in each block, 16 frames on and 8 off at 60 Hz."""
    order = np.concatenate([rng.permutation(items) for _ in range(N_BLOCKS)])
    start = 10 + 0.4 * np.arange(len(order)) + 20 * np.repeat(range(N_BLOCKS), len(items))
    block = np.repeat(range(1, N_BLOCKS + 1), len(items))
    return stimuli_table(start, 16 / 60, "view", order, block)


def imagery(items: list[str], start_s: float, rng: np.random.Generator) -> pd.DataFrame:
    """Eight blocks of two pictures, each four times seen (1.5 s) and four times imagined (5 s)."""
    pairs = np.concatenate([rng.permutation(items).reshape(-1, 2) for _ in range(2)])
    tables = []
    for number, pair in enumerate(pairs):
        seen = start_s + 3 * np.arange(8)
        heard = start_s + 60 + 6.5 * np.arange(8)
        block = N_BLOCKS + 1 + number
        tables.append(stimuli_table(seen, 1.5, "encode", np.tile(pair, 4), block))
        tables.append(stimuli_table(heard, 5.0, "imagine", np.tile(pair, 4), block))
        start_s += 130
    return pd.concat(tables)


def stimuli_table(
    start: NDArray[np.float64], duration_s: float, kind: str, items: object, block: object
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start_s": start,
            "stop_s": start + duration_s,
            "kind": kind,
            "item": items,
            "block": block,
        }
    )


def choose(population: Population, rng: np.random.Generator) -> list[str]:
    """Eight pictures spread along the axis of one unit, as the experimenters chose them."""
    unit = rng.choice(population.units.index[population.units["reactivated"]])
    ranked = population.view_hz[unit].sort_values(kind="stable").index
    return [ranked[rank - 1] for rank in CHOSEN_RANKS]


def count(
    train: NDArray[np.float64], start: NDArray[np.float64], window_s: float
) -> NDArray[np.int64]:
    return np.searchsorted(train, start + window_s) - np.searchsorted(train, start)


def measure(sessions: list[Session]) -> pd.DataFrame:
    """Quartiles over units (or the one number) of everything that was published."""
    per_unit = pd.concat([viewing(s) for s in sessions])
    per_reactivated = pd.concat([imagining(s) for s in sessions])
    quartiles = pd.concat([per_unit, per_reactivated]).quantile([0.25, 0.5, 0.75]).T
    share = (per_reactivated["view-imagine r"] > 0).mean()
    quartiles.loc["view-imagine r > 0 (share)"] = [np.nan, share, np.nan]
    return quartiles


def viewing(session: Session) -> pd.DataFrame:
    """Of the units with an axis, as published: rates and sparseness."""
    units = session.population.units
    kept = units["axis_tuned"] & (session.view.mean() >= 0.5)  # the published rule
    rates = session.view.loc[:, kept]
    mean, best = rates.mean(), rates.max()
    return pd.DataFrame(
        {
            "mean rate (Hz)": mean,
            "rate to the best picture (Hz)": best,
            "best picture / mean": best / mean,
            # Vinje & Gallant 2000, doi:10.1126/science.287.5456.1273
            "sparseness": (1 - mean**2 / (rates**2).mean()) / (1 - 1 / len(rates)),
            "latency (s)": units.loc[kept, "latency_s"],
        }
    )


def imagining(session: Session) -> pd.DataFrame:
    """Of the reactivated units: imagining, and viewing just before, against screening."""
    imagine, encode = session.imagine, session.encode
    view = session.view.loc[imagine.index, imagine.columns]
    slope = (view - view.mean()).mul(imagine).sum() / ((view - view.mean()) ** 2).sum()
    mean_500 = session.view[imagine.columns].mean()
    return pd.DataFrame(
        {
            "view-imagine r": view.corrwith(imagine),
            "slope of imagine on view": slope,
            "imagine rate at view rate 0 / mean rate": (imagine.mean() - slope * view.mean())
            / mean_500,
            "imagine / view, mean rates": imagine.mean() / view.mean(),
            "view-encode r": view.corrwith(encode),
            "encode / view, mean rates": encode.mean() / view.mean(),
        }
    )


def main() -> None:
    measured = measure([draw_session(60, seed) for seed in range(40)])
    print(f"{'':42}{'published':>26}{'planted':>26}")
    for name, published in PUBLISHED.items():
        shown = (published, tuple(measured.loc[name]))
        print(f"{name:42}" + "".join(f"{_quartiles(q):>26}" for q in shown))


def _quartiles(values: tuple[float | None, ...]) -> str:
    low, median, high = values
    if low is None or np.isnan(low):
        return f"{median:.3f}{'':17}"
    return f"{median:.3f} ({low:.3f}, {high:.3f})"


if __name__ == "__main__":
    main()
