"""Ridge regression of many units at once, with the errors at pictures that took no part."""

import numpy as np
from numpy.typing import NDArray

from analysis.prediction import PENALTIES, centred

FloatArray = NDArray[np.float64]


class Ridge:
    """Ridge regression of all units on centred regressors, for any of `PENALTIES`."""

    def __init__(self, x: FloatArray, y: FloatArray, size: float | None = None) -> None:
        """`size`: mean squared singular value of the regressors that are to be shrunk."""
        self.u, self.s, self.vt = np.linalg.svd(x, full_matrices=False)
        self.y = centred(y)
        self.uty = self.u.T @ self.y
        self.penalties = PENALTIES * ((self.s**2).mean() if size is None else size)

    def left_out_residuals(self, penalty: float | FloatArray) -> FloatArray:
        """Of every picture, when the others are fitted, (n_images, n_units)."""
        shrink = self.s[:, None] ** 2 / (self.s[:, None] ** 2 + penalty)
        leverage = self.u**2 @ shrink + 1 / len(self.y)  # 1/n: the mean is fitted too
        return np.asarray((self.y - self.u @ (shrink * self.uty)) / (1 - leverage))

    def best(self) -> tuple[FloatArray, FloatArray]:
        """Each unit's least summed squared left-out residual, and its penalty, (n_units,)."""
        errors = np.array([(self.left_out_residuals(p) ** 2).sum(axis=0) for p in self.penalties])
        return errors.min(axis=0), self.penalties[errors.argmin(axis=0)]

    def slopes(self, penalty: FloatArray) -> FloatArray:
        """(n_regressors, n_units)"""
        filters = self.s[:, None] / (self.s[:, None] ** 2 + penalty)
        return np.asarray(self.vt.T @ (filters * self.uty))
