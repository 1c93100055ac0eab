"""Luminance, contrast and spectrum of grey pictures made equal, in the manner of SHINE.

Willenbockel, Sadr, Fiset, Horne, Gosselin & Tanaka 2010, doi:10.3758/BRM.42.3.671. All numbers are
grey levels as stored, 0 to 255: what light they become is the display's affair. Unlike there, what
comes out is measured as it will be stored, rounded and clipped.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

Grey = NDArray[np.uint8]
Values = NDArray[np.float64]

LEVEL_TOLERANCE = 0.5  # grey levels, of mean and SD
SPECTRUM_TOLERANCE = 0.05  # of the amplitude of the spectrum
_LEVELS = 256
_ROUNDS = 60
_SEEN = 99.9  # percent of pixels that must not be clipped when spectra are matched


# Mean and standard deviation ----------------------------------------------------------------------


def with_mean_sd(grey: Grey, mean: float, sd: float) -> Grey:
    """The picture with this mean and SD; as near as it can be where clipping forbids.

    Clipping pulls mean and SD back, so both are aimed further until what is stored has them.

    Parameters
    ----------
    grey : any shape
    mean, sd : grey levels
    """
    values = grey.astype(float)
    centred = values - values.mean()
    if not centred.any():
        return _stored(np.full(values.shape, mean))
    unit = centred / centred.std()
    best, nearest = grey, np.inf
    offset, gain = mean, sd
    for _ in range(_ROUNDS):
        made = _stored(unit * gain + offset)
        off = mean_sd_off(made, mean, sd)
        if off < nearest:
            best, nearest = made, off
        if nearest < LEVEL_TOLERANCE / 10:
            break
        offset += mean - made.mean()
        gain *= np.clip(sd / made.std(), 0.5, 2.0) if made.any() and made.std() else 1.0
    return best


def mean_sd_off(grey: Grey, mean: float, sd: float) -> float:
    """How far mean or SD is off, whichever more, grey levels."""
    return float(max(abs(grey.mean() - mean), abs(grey.std() - sd)))


# Histogram ----------------------------------------------------------------------------------------


def shares(grey: Grey) -> Values:
    """The histogram of a picture: share of its pixels at each of 256 grey levels."""
    return np.bincount(grey.ravel(), minlength=_LEVELS) / grey.size


def counts_for(target: Values, pixels: int) -> NDArray[np.int64]:
    """Whole numbers of pixels at each level, nearest to the shares and adding up to all."""
    exact = target / target.sum() * pixels
    counts: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    missing = pixels - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:missing]] += 1
    return counts


def with_histogram(grey: Grey, target: Values) -> Grey:
    """The picture with exactly this histogram.

    Pixels of one level are told apart by their neighbourhoods (3 x 3, then 5 x 5 pixels), after
    Coltuc, Bolon & Chassery 2006, doi:10.1109/TIP.2005.864170; what is equal still, by chance (the
    same for every picture): a plain area becomes grain, for no histogram but a plain one fits it.

    Parameters
    ----------
    grey : rows x columns
    target : share of the pixels at each of 256 levels
    """
    values = grey.astype(float)
    near, wide = (np.rint(uniform_filter(values, n) * n**2).astype(np.int64) for n in (3, 5))
    chance = np.random.default_rng(0).permutation(grey.size)
    place = ((grey.astype(np.int64) << 12 | near) << 13) | wide
    order = np.argsort((place.ravel() << 24) | chance)
    done = np.empty(grey.size, np.uint8)
    done[order] = np.repeat(np.arange(_LEVELS, dtype=np.uint8), counts_for(target, grey.size))
    return done.reshape(grey.shape)


def histogram_off(grey: Grey, target: Values) -> float:
    """Share of the pixels that would have to change for this histogram."""
    counts = np.bincount(grey.ravel(), minlength=_LEVELS)
    return float(np.abs(counts - counts_for(target, grey.size)).sum() / 2 / grey.size)


# Spectrum -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spectrum:
    """What pictures of a set shall share: mean grey level, and amplitudes about it."""

    mean: float
    amplitudes: Values


def mean_spectrum(pictures: Iterable[Grey]) -> Spectrum:
    """Mean level and mean amplitude spectrum of pictures of one size."""
    level, amplitudes, number = 0.0, np.zeros(0), 0
    for grey in pictures:
        about = np.abs(_transform(grey))
        amplitudes = about if not number else amplitudes + about
        level += float(grey.mean())
        number += 1
    return Spectrum(level / number, amplitudes / number)


def least_gain(pictures: Iterable[Grey], target: Spectrum) -> float:
    """The contrast at which all pictures can be shown: 1, or less where more would be clipped.

    One number for the whole set: spectra stay equal to each other.
    """
    gains = (_gain(_rephased(grey, target), target.mean) for grey in pictures)
    return min((1.0, *gains))


def with_spectrum(grey: Grey, target: Spectrum, gain: float) -> Grey:
    """The picture's phases with the amplitudes of the target, times `gain`."""
    return _stored(target.mean + gain * _rephased(grey, target))


def spectrum_off(grey: Grey, target: Spectrum, gain: float) -> float:
    """Distance of amplitudes from the target's, over the target's (root of summed squares)."""
    wanted = gain * target.amplitudes
    weights = _both_halves(grey.shape)
    away = weights * (np.abs(_transform(grey)) - wanted) ** 2
    return float(np.sqrt(away.sum() / (weights * wanted**2).sum()))


def _transform(grey: Grey) -> NDArray[np.complex128]:
    values = grey.astype(float)
    return np.fft.rfft2(values - values.mean())


def _rephased(grey: Grey, target: Spectrum) -> Values:
    phases = np.angle(_transform(grey))
    return np.fft.irfft2(target.amplitudes * np.exp(1j * phases), s=grey.shape)


def _both_halves(shape: tuple[int, ...]) -> Values:
    """How often each coefficient of a real picture's half spectrum stands in the whole one."""
    weights = np.full((shape[0], shape[1] // 2 + 1), 2.0)
    weights[:, 0] = 1.0
    if shape[1] % 2 == 0:
        weights[:, -1] = 1.0
    return weights


def _gain(values: Values, mean: float) -> float:
    low, high = np.percentile(values, [(100 - _SEEN) / 2, (100 + _SEEN) / 2])
    return float(min(mean / max(-low, 1e-9), (_LEVELS - 1 - mean) / max(high, 1e-9)))


def _stored(values: Values) -> Grey:
    return np.clip(np.rint(values), 0, _LEVELS - 1).astype(np.uint8)
