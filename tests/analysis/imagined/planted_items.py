"""Sessions of cued imagery as in the study, with a planted gain, for tests of several modules."""

import numpy as np
import pandas as pd

from analysis.imagined.trials import ImageryTrials

# Session P80_1 of the study: pairs of items by block, each item cued four times.
PAIRS = [(2, 6), (3, 7), (1, 5), (7, 4), (8, 3), (6, 4), (1, 5), (8, 2)]
ITEMS = [f"i{k}" for k in (3, 1, 8, 2, 7, 5, 4, 6)]
BLOCK = pd.Series([f"block{b}" for b in range(8) for _ in range(8)])
VIEW_S, IMAGINE_S = 0.267, 2.0


def cues(rng: np.random.Generator) -> pd.Series:
    """Items of the 64 trials; which of a pair comes first is drawn."""
    pairs = [pair[:: rng.choice((1, -1))] for pair in PAIRS]
    return pd.Series([f"i{k}" for pair in pairs for k in pair * 4])


def viewed_hz(n_units: int, rng: np.random.Generator) -> pd.DataFrame:
    """True rates to the items: unequal units, squared linear tuning."""
    mean = np.exp(np.log(2.5) + 0.8 * rng.standard_normal(n_units)).clip(0.5)
    contrast = 0.55 * np.exp(0.65 * rng.standard_normal(n_units))
    along = 1.3 * rng.standard_normal((8, n_units))
    hz = mean / (1 + contrast**2) * np.maximum(0, 1 + contrast * along) ** 2
    return pd.DataFrame(hz, ITEMS, [f"u{n}" for n in range(n_units)])


def views_of(hz: pd.DataFrame, rng: np.random.Generator, n_views: int = 4) -> pd.DataFrame:
    """Poisson rates of single views, block after block."""
    counts = np.concatenate([rng.poisson(hz * VIEW_S) for _ in range(n_views)])
    return pd.DataFrame(counts / VIEW_S, pd.Index([*hz.index] * n_views, name="image"), hz.columns)


def imagined(
    hz: pd.DataFrame, gain: float, rng: np.random.Generator, drift: float = 0.2
) -> ImageryTrials:
    """Poisson rates in imagery: a level that walks from block to block, and `gain` of the code."""
    item = cues(rng)
    level = hz.mean().to_numpy() * np.exp(
        np.cumsum(rng.normal(0, drift, (8, hz.shape[1])), axis=0)[np.repeat(np.arange(8), 8)]
    )
    rate = np.maximum(0.02, level + gain * (hz - hz.mean()).loc[item].to_numpy())
    during = pd.DataFrame(rng.poisson(rate * IMAGINE_S) / IMAGINE_S, columns=hz.columns)
    return ImageryTrials(item, BLOCK, during, during)
