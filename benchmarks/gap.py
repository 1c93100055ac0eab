"""Whether intervals of the intensity gap hold the truth: `python -m benchmarks.gap`.

Cohorts are drawn at the study's calibration: 8 items in 8 blocks of two, viewed in 4 views of
0.267 s, imagined in 8 trials of 2 s, squared linear tuning, rates of 2.4 Hz, Poisson counts, levels
that walk from block to block.  Told are the mean of the estimated gain, of the slope by least
squares, and how often the 95 % intervals hold the planted gain.
"""

import argparse
from dataclasses import fields, replace

import numpy as np
import pandas as pd

from analysis.imagined.gap import IntensityGap, Parts, intensity_gap
from analysis.imagined.gap_population import population_gap
from analysis.imagined.trials import ImageryTrials
from benchmarks.deposit import PAIRS
from benchmarks.table import finish, machine, table

N_COHORTS, N_UNITS, AT_ONCE = 2000, 30, 200
VIEW_S, IMAGINE_S = 0.267, 2.0
BLOCK = pd.Series(np.repeat(np.arange(8), 8))
# Gain, SD per block of the walking log rate, fall of the rate within each block (Hz), views.
CASES = (
    (0.0, 0.2, 0.0, 4),
    (0.0, 1.0, 2.0, 4),
    (0.107, 0.0, 0.0, 4),
    (0.107, 0.2, 0.0, 4),
    (0.107, 0.5, 1.0, 4),
    (0.107, 0.2, 0.0, 2),
    (0.5, 0.2, 0.0, 4),
    (1.0, 0.2, 0.0, 4),
)


def draw(
    n_units: int, gain: float, drift: float, fall_hz: float, n_views: int, rng: np.random.Generator
) -> tuple[ImageryTrials, pd.DataFrame]:
    """Imagery and views of independent units that saw the cues in one order."""
    units = [f"u{n}" for n in range(n_units)]
    mean = np.exp(np.log(2.5) + 0.8 * rng.standard_normal(n_units)).clip(0.5)
    contrast = 0.55 * np.exp(0.65 * rng.standard_normal(n_units))
    tuned = np.maximum(0, 1 + contrast * 1.3 * rng.standard_normal((8, n_units))) ** 2
    hz = mean / (1 + contrast**2) * tuned
    pairs = [pair[:: rng.choice((1, -1))] for pair in PAIRS]
    item = np.concatenate([np.tile(pair, 4) for pair in pairs])
    walk = drift * np.cumsum(rng.standard_normal((8, n_units)), axis=0)
    level = hz.mean(axis=0) * np.exp(walk[BLOCK])
    falling = fall_hz * (0.5 - np.tile(np.arange(8) / 7, 8))[:, None]
    rate = np.maximum(0.02, level + falling + gain * (hz - hz.mean(axis=0))[item])
    during = pd.DataFrame(rng.poisson(rate * IMAGINE_S) / IMAGINE_S, columns=units)
    views = np.concatenate([rng.poisson(hz * VIEW_S) for _ in range(n_views)]) / VIEW_S
    seen = pd.DataFrame(views, pd.Index([*range(8)] * n_views, name="image"), units)
    return ImageryTrials(pd.Series(item), BLOCK, during, during), seen


def cohorts_of(session: IntensityGap) -> list[IntensityGap]:
    """One session of many independent units as sessions of 30 units each."""
    parts = session.parts
    found = []
    for start in range(0, len(session.units), N_UNITS):
        kept = slice(start, start + N_UNITS)
        cut = {
            f.name: getattr(parts, f.name)[..., kept] for f in fields(Parts) if f.name != "exact"
        }
        found.append(
            replace(session, units=session.units[kept], parts=Parts(**cut, exact=parts.exact))
        )
    return found


def row(case: tuple[float, float, float, int], n_cohorts: int, seed: int = 0) -> dict[str, str]:
    gain, drift, fall_hz, n_views = case
    rng = np.random.default_rng(seed)
    whole, units = [], []
    for _ in range(n_cohorts // AT_ONCE):
        session = intensity_gap(
            *draw(AT_ONCE * N_UNITS, gain, drift, fall_hz, n_views, rng), source="other views"
        )
        whole += [population_gap([one]) for one in cohorts_of(session)]
        units.append(session.units)
    told = pd.concat(units).dropna(subset="gain")
    estimate = np.array([one.gain for one in whole])
    bounded = np.isfinite(told["low"])
    holds = (told["low"] <= gain) & (told["high"] >= gain)
    return {
        "planted gain": f"{gain:g}",
        "walk, SD per block": f"{drift:g}",
        "fall in a block (Hz)": f"{fall_hz:g}",
        "views": f"{n_views}",
        "gain, mean (SE)": f"{estimate.mean():.4f} ({estimate.std() / np.sqrt(len(whole)):.4f})",
        "slope, mean": f"{np.mean([one.slope for one in whole]):.4f}",
        "cohorts": f"{len(whole)}",
        "interval holds it": f"{np.mean([one.low <= gain <= one.high for one in whole]):.3f}",
        "p <= 0.05": f"{np.mean([one.p <= 0.05 for one in whole]):.3f}",
        "units": f"{len(told)}",
        "unit's interval holds it": f"{holds.mean():.3f}",
        "bounded": f"{bounded.mean():.2f}",
        "where bounded": f"{holds[bounded].mean():.3f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="200 cohorts, only to try the script")
    short = parser.parse_args().short
    n_cohorts = AT_ONCE if short else N_COHORTS
    rows = [row(case, n_cohorts) for case in CASES]
    text = f"""# The intensity gap on planted gains

Cohorts are of {N_UNITS} units in one session.  An interval of a unit is unbounded where its views
do not tell the items apart well enough; it then holds anything, and is counted as holding.

{table(rows)}
{machine()}
"""
    finish(text, __file__, short=short)


if __name__ == "__main__":
    main()
