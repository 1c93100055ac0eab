"""Leading principal component of what is left when one direction is taken out, unit by unit.

Each unit has a direction of its own, so each has a covariance of its own; but they all differ from
one common covariance by a matrix of rank one.  Its largest eigenvalue is then the root of one
equation (Golub 1973, doi:10.1137/1015032), found for all units at once.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

_HALVINGS = 200
_RESIDUAL = 1e-9


def leading_components(covariance: FloatArray, removed: FloatArray) -> FloatArray:
    """Leading eigenvectors of ``covariance - outer(r, r)`` for every column r of `removed`.

    Parameters
    ----------
    covariance : symmetric, without negative eigenvalues, (n_dims, n_dims), at least two
    removed : vectors whose removal leaves no negative eigenvalue, (n_dims, n_units)

    Returns
    -------
    eigenvectors of length 1, of any sign, (n_dims, n_units)

    Notes
    -----
    In the eigenvectors of the covariance, with eigenvalues ``D`` and ``z`` the removed vector, an
    eigenvalue ``m`` solves ``sum(z**2 / (D - m)) = 1``, and its vector is ``z / (D - m)``.  The
    largest lies between the two largest of ``D``.  Where these are equal, or z has no part along
    one of them, the vector is found by decomposing that unit's matrix instead.
    """
    values, vectors = np.linalg.eigh(covariance)
    z = vectors.T @ removed
    found = _by_root(values, z)
    doubtful = ~_solves(values, z, found)
    for unit in np.flatnonzero(doubtful):
        left = np.diag(values) - np.outer(z[:, unit], z[:, unit])
        found[:, unit] = np.linalg.eigh(left)[1][:, -1]
    return np.asarray(vectors @ found)


def _by_root(values: FloatArray, z: FloatArray) -> FloatArray:
    """Eigenvectors by halving the interval of the root; garbage where there is none."""
    below = (values - values[-1])[:, None]  # distances from the largest are exact near to it
    low, high = np.zeros(z.shape[1]), np.full(z.shape[1], -below[-2, 0])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            too_far = (z**2 / (below + middle)).sum(axis=0) < 1
        low, high = np.where(too_far, low, middle), np.where(too_far, middle, high)
    gap = below + (low + high) / 2
    found = z / np.where(gap == 0, 1.0, gap)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), np.finfo(float).tiny))


def _solves(values: FloatArray, z: FloatArray, found: FloatArray) -> NDArray[np.bool_]:
    """Whether these are the leading eigenvectors, (n_units,)."""
    turned = values[:, None] * found - z * np.einsum("du,du->u", z, found)
    value = np.einsum("du,du->u", found, turned)
    error = np.linalg.norm(turned - value * found, axis=0)
    leads = value >= values[-2] * (1 - _RESIDUAL)
    return np.asarray((error <= _RESIDUAL * values[-1]) & leads)
