"""Pictures in an object space of categories, and units that follow one known model."""

import numpy as np
import pandas as pd

CATEGORIES = ("face", "text", "plant", "animal", "object")
SIZES = (77, 29, 68, 92, 234)
VIEWED_S = 4 * 0.267  # four trials of a picture


def pictures(n_images=500, n_dims=50, seed=0):
    """Coordinates and categories; the sizes of the categories are the study's."""
    rng = np.random.default_rng(seed)
    share = np.cumsum(SIZES) / sum(SIZES)
    codes = np.searchsorted(share, (np.arange(n_images) + 0.5) / n_images)
    spread = np.linspace(1, 0.15, n_dims) ** 2 + 0.02
    centres = 0.7 * spread * rng.normal(size=(5, n_dims))
    points = centres[codes] + spread * rng.normal(size=(n_images, n_dims))
    points -= points.mean(axis=0)
    ids = pd.Index([f"i{k:04d}" for k in rng.permutation(n_images)], name="image")
    dims = pd.Index([f"PC{k}" for k in range(1, n_dims + 1)], name="dimension")
    categories = pd.Series(np.array(CATEGORIES)[codes], ids, name="category")
    return pd.DataFrame(points, ids, dims), categories


def rates(space, categories, model, n_units=40, mean_hz=2.4, contrast=0.55, seed=1):
    """Poisson counts of four trials over their length, of units that follow the model."""
    rng = np.random.default_rng(seed)
    x = _standard(space.to_numpy())
    along = _standard(x @ rng.normal(size=(x.shape[1], n_units)))
    codes = pd.factorize(categories)[0]
    level = _standard(rng.normal(size=(5, n_units))[codes])
    drive = {
        "axis": along,
        "category": level,
        "both": _standard(along + level),
        "exemplar": _near(x, rng, n_units),
        "nothing": np.zeros_like(along),
    }[model]
    relative = np.maximum(0, 1 + contrast * drive) ** 2
    hz = mean_hz * relative / relative.mean(axis=0)
    units = pd.Index([f"u{k}" for k in range(n_units)], name="unit")
    return pd.DataFrame(rng.poisson(hz * VIEWED_S) / VIEWED_S, space.index, units)


def _near(x, rng, n_units):
    """How near pictures are to an exemplar among them, but no picture itself."""
    exemplars = rng.normal(size=(n_units, x.shape[1]))
    exemplars *= 0.7 * np.sqrt(x.shape[1]) / np.linalg.norm(exemplars, axis=1, keepdims=True)
    distance = ((x[:, None] - exemplars) ** 2).sum(axis=2)
    return _standard(np.exp(-(distance - distance.min(axis=0)) / (2 * distance.std(axis=0))))


def _standard(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)
