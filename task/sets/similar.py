"""Pictures of a set that look alike: candidates by their coarse outlines, then judged in detail.

Judged by structural similarity (SSIM; Wang, Bovik, Sheikh & Simoncelli 2004,
doi:10.1109/TIP.2003.819861) at 64 x 64 px, and by a perceptual hash: the signs about the median of
the 64 coarsest cosine coefficients.

Measured on the 500 drawings that ship: no two have an SSIM above 0.88; blurred by 3 px, saved as a
coarse JPEG or at 0.7 of its contrast, each of 50 has one of at least 0.94 with itself. Shifted or
cropped by 2 % or more, a picture with hard edges is often found no longer.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

SSIM_AT_LEAST = 0.88
HASH_BITS_AT_MOST = 6
COARSE_AT_LEAST = 0.7
RULE = (
    f"Listed are pairs with a structural similarity (SSIM at 64 x 64 px) of {SSIM_AT_LEAST} or"
    f" more, or with perceptual hashes that differ in {HASH_BITS_AT_MOST} of 64 bits or fewer,"
    f" among those whose 16 x 16 mean grey levels correlate by {COARSE_AT_LEAST} or more."
)
_SSIM_PX, _HASH_PX, _COARSE_PX = 64, 32, 16
_MOST_JUDGED = 100_000
_CHUNK = 2_000
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

Grey = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Look:
    """What is kept of a picture to compare it: 64 x 64 grey levels, and its perceptual hash."""

    grey: Grey
    hash_bits: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures that look alike, by their places in the sequence."""

    one: int
    other: int
    ssim: float
    hash_bits: int


def look_at(image: Image.Image) -> Look:
    """What to keep of a picture."""
    grey = image.convert("L")
    small = grey.resize((_SSIM_PX, _SSIM_PX), Image.Resampling.BOX, reducing_gap=None)
    return Look(np.asarray(small, np.float32), perceptual_hash(grey))


def perceptual_hash(grey: Image.Image) -> NDArray[np.bool_]:
    """64 bits that stay nearly the same when a picture is resized, blurred or compressed."""
    small = grey.resize((_HASH_PX, _HASH_PX), Image.Resampling.LANCZOS)
    coarse = dctn(np.asarray(small, float), norm="ortho")[:8, :8].ravel()
    return np.asarray(coarse > np.median(coarse[1:]))


def ssim(one: Grey, other: Grey) -> float:
    """Mean structural similarity of two pictures, 1 if they are the same.

    Gaussian windows of SD 1.5 px, constants 0.01 and 0.03 of 255, as published.
    """
    a, b = one.astype(float), other.astype(float)
    mean_a, mean_b = _blurred(a), _blurred(b)
    var_a, var_b = _blurred(a * a) - mean_a**2, _blurred(b * b) - mean_b**2
    both = _blurred(a * b) - mean_a * mean_b
    likeness = ((2 * mean_a * mean_b + _C1) * (2 * both + _C2)) / (
        (mean_a**2 + mean_b**2 + _C1) * (var_a + var_b + _C2)
    )
    return float(likeness.mean())


def _blurred(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return gaussian_filter(values, 1.5, truncate=3.5)


def look_alikes(
    looks: Sequence[Look], progress: Callable[[int, int], None] | None = None
) -> list[Pair]:
    """All pairs that look alike, the most alike first.

    Of a set with very many candidates, the 100,000 with the most similar outlines are judged.
    """
    pairs = []
    candidates = _candidates(looks)
    for done, (i, j) in enumerate(candidates, start=1):
        likeness = ssim(looks[i].grey, looks[j].grey)
        bits = int((looks[i].hash_bits != looks[j].hash_bits).sum())
        if likeness >= SSIM_AT_LEAST or bits <= HASH_BITS_AT_MOST:
            pairs.append(Pair(i, j, likeness, bits))
        if progress:
            progress(done, len(candidates))
    return sorted(pairs, key=lambda pair: (-pair.ssim, pair.one, pair.other))


def _candidates(looks: Sequence[Look]) -> list[tuple[int, int]]:
    coarse = np.array([_outline(look.grey) for look in looks], np.float32)
    found: list[tuple[float, int, int]] = []
    for start in range(0, len(coarse), _CHUNK):
        found += _near(coarse, start)
        if len(found) > 2 * _MOST_JUDGED:
            found = sorted(found, reverse=True)[:_MOST_JUDGED]
    return [(i, j) for _, i, j in sorted(found, reverse=True)[:_MOST_JUDGED]]


def _near(coarse: NDArray[np.float32], start: int) -> Iterator[tuple[float, int, int]]:
    likeness = coarse[start : start + _CHUNK] @ coarse.T
    for i, j in np.argwhere(likeness >= COARSE_AT_LEAST):
        if start + i < j:
            yield float(likeness[i, j]), int(start + i), int(j)


def _outline(grey: Grey) -> NDArray[np.float64]:
    """Mean grey levels of 16 x 16 cells, centred and of length one; zero of a plain picture."""
    cell = _SSIM_PX // _COARSE_PX
    cells = grey.astype(float).reshape(_COARSE_PX, cell, _COARSE_PX, cell).mean(axis=(1, 3)).ravel()
    centred = cells - cells.mean()
    length = np.linalg.norm(centred)
    return centred / length if length > 1e-6 else np.zeros_like(centred)
