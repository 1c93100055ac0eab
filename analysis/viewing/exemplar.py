"""Rates that fall with the distance from a point of object space, fitted to many units at once."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.prediction import centred, unvarying
from analysis.viewing.ridge import Ridge

FloatArray = NDArray[np.float64]

# How far an exemplar lies from the mean picture, in root-mean-square distances of pictures from it.
EXEMPLAR_NORMS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
# How fast rates fall, if not evenly: by 1/e over so many SDs of the squared distance, each half of
# the one before.
EXEMPLAR_WIDTHS = (4.0, 2.0, 1.0)
# Size of a regressor beside the coordinates that no penalty of the grid can shrink.
UNSHRUNK = 30.0


def exemplar_fit(x: FloatArray, y: FloatArray, held: FloatArray) -> FloatArray:
    """Rates of held-out pictures, (n_held, n_units), by the distance from each unit's exemplar."""
    n, y_mean = len(y), y.mean(axis=0)
    predicted = np.tile(y_mean, (len(held), 1))
    least = ((y - y_mean) ** 2).sum(axis=0) * (n / (n - 1)) ** 2  # of the mean rate alone
    usable = ~unvarying(x)  # a dimension may not vary over these pictures
    for scale in (np.ones(usable.sum()), x[:, usable].std(axis=0)):
        points, others = ((z - x.mean(axis=0))[:, usable] / scale for z in (x, held))
        along, others_along = _directions(points, y, others)
        size, others_size = ((z**2).sum(axis=1)[:, None] for z in (points, others))
        for norm in _norms(size):
            distance = size - 2 * norm * along  # squared, less norm**2
            others_distance = others_size - 2 * norm * others_along
            nearest, spread = distance.min(axis=0), distance.std(axis=0)
            spread = np.where(spread > 0, spread, 1.0)
            # Nearer than any picture of the fit a rate is not extrapolated.
            near, others_near = (
                np.maximum(d - nearest, 0.0) / spread for d in (distance, others_distance)
            )
            for f, others_f in zip(_falling(near), _falling(others_near), strict=True):
                f_mean = f.mean(axis=0)
                slope, error = _line(f - f_mean, y - y_mean)
                better = (slope > 0) & (error < least)
                predicted[:, better] = (y_mean + slope * (others_f - f_mean))[:, better]
                least = np.where(better, error, least)
    return predicted


def _directions(x: FloatArray, y: FloatArray, held: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Projections on each unit's slope, of length 1: of x on slopes found without the picture."""
    distance = centred((x**2).sum(axis=1)[:, None])  # from the mean picture, squared
    distance *= UNSHRUNK * np.linalg.norm(x) / max(np.linalg.norm(distance), np.finfo(float).tiny)
    ridge = Ridge(np.hstack([x, distance]), y, size=(x**2).sum() / x.shape[1])
    _, penalty = ridge.best()
    slopes = ridge.slopes(penalty)[:-1]
    # Left out, a picture takes its residual times what it pulls at the slopes with it.
    filters = ridge.s[:, None] / (ridge.s[:, None] ** 2 + penalty)
    pull = (ridge.u * (x @ ridge.vt[:, :-1].T)) @ filters
    along = x @ slopes - pull * ridge.left_out_residuals(penalty)
    length = np.linalg.norm(slopes, axis=0)
    length = np.where(length > 0, length, 1.0)
    return along / length, held @ slopes / length


def _norms(size: FloatArray) -> FloatArray:
    """Distances of exemplars from the mean picture; `size`: squared distances of pictures."""
    norms = np.sqrt(size.mean()) * np.array(EXEMPLAR_NORMS)
    return np.unique(norms.clip(max=np.sqrt(size.max())))


def _falling(distance: FloatArray) -> Iterator[FloatArray]:
    """What falls with the squared distance: evenly, then as ever narrower Gaussians."""
    yield -distance
    gaussian = np.exp(-distance / EXEMPLAR_WIDTHS[0])
    yield gaussian
    for _ in EXEMPLAR_WIDTHS[1:]:
        gaussian = gaussian**2  # half as wide
        yield gaussian


def _line(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slopes of y on x, both centred, and summed squared leave-one-out errors, (n_units,)."""
    squares = x**2
    total = squares.sum(axis=0)
    total = np.where(total > 0, total, 1.0)
    slope = np.einsum("iu,iu->u", x, y) / total
    # A picture that alone decides the slope (leverage 1) cannot be left out.
    kept = np.maximum(1 - 1 / len(y) - squares / total, np.finfo(float).eps)
    residual = (y - slope * x) / kept
    return slope, np.einsum("iu,iu->u", residual, residual)
