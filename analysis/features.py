"""What a picture looks like in numbers: oriented energy and colour, or any network's features.

`embed` computes 560 numbers a picture from the picture alone, so that an object space can be had
without a deep network.  `read_features` reads the activations of whatever network a laboratory
prefers.  Both give one row per picture, labelled by its id.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import scipy.fft
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from analysis.labels import refuse_doubles, some
from task.contract.errors import AnalysisError

FloatArray = NDArray[np.float64]

SIDE_PX = 256
SCALES_CPI = (4, 8, 16, 32)  # cycles per image
ORIENTATIONS_DEG = tuple(22.5 * k for k in range(8))
CELLS = 4  # rows and columns of the grid over which features are averaged
BANDWIDTH = 0.55  # sigma / f0 of the log-Gabor: about two octaves
SPREAD_DEG = 18.75
WHITE_D65 = np.array([0.95047, 1.0, 1.08883])
SRGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_EIGHT_BIT = {"1", "L", "P", "RGB", "LA", "PA", "RGBA", "CMYK", "YCbCr"}


def embed(
    paths: Mapping[str, Path], progress: Callable[[int, int], None] | None = None
) -> pd.DataFrame:
    """Oriented energy and colour of pictures.

    Parameters
    ----------
    paths : image file of every picture id; grey files are read as colour ones
    progress : called with how many pictures are done and how many there are

    Returns
    -------
    DataFrame, (n_images, 560)
        Index: picture id, in the order given.  Every picture is converted to 8-bit RGB and resized
        to 256 x 256 pixels (bilinear with antialiasing).  Then, over a 4 x 4 grid of cells:

        * 512 energies: mean modulus of the luma seen through 32 one-sided log-Gabor filters
          (Field 1987, doi:10.1364/JOSAA.4.002379), 4, 8, 16 and 32 cycles per image by 8 directions
          of the wave vector, from 0 degrees in steps of 22.5 counter-clockwise.  A grating of
          amplitude a has the energy a;
        * 48 colours: mean CIE L*, a* and b* (D65).

    Raises
    ------
    AnalysisError
        With every file that is no picture, has more than 8 bits a channel, or is partly
        transparent: what stood behind it on the screen is not known here.
    """
    rows: list[NDArray[np.float32]] = []
    faults: list[str] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, outcome in enumerate(pool.map(_embed_file, paths.values()), start=1):
            if isinstance(outcome, str):
                faults.append(outcome)
            else:
                rows.append(outcome)
            if progress:
                progress(done, len(paths))
    if faults:
        raise AnalysisError("\n".join(faults))
    index = pd.Index(list(paths), name="image")
    values = np.stack(rows) if rows else np.empty((0, len(_names())), np.float32)
    return pd.DataFrame(values, index=index, columns=list(_names()))


def _embed_file(path: Path) -> NDArray[np.float32] | str:
    """Features of one file, or what is wrong with it."""
    image = as_rgb(path)
    if isinstance(image, str):
        return image
    small = image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
    return picture_features(np.asarray(small))


def as_rgb(path: Path) -> Image.Image | str:
    """A picture of 8 bits in three colours, or what is wrong with it."""
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        return f"{path}: cannot be read as a picture: {error}"
    if image.mode not in _EIGHT_BIT:
        return f"{path}: has pixels of type {image.mode}; save it with 8 bits per channel"
    if image.has_transparency_data and _faintest(image) < 255:
        return f"{path}: is partly transparent; save it on the background that is shown"
    return image.convert("RGB")


def _faintest(image: Image.Image) -> int:
    """Lowest opacity of any pixel, 0-255."""
    return int(np.asarray(image.convert("RGBA"))[..., 3].min())


def picture_features(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The 560 features of one picture of (256, 256, 3) sRGB values, 0-255."""
    return np.concatenate([_energies(rgb), _colours(rgb)]).astype(np.float32)


def _energies(rgb: NDArray[np.uint8]) -> FloatArray:
    luma = rgb @ (np.array([0.299, 0.587, 0.114]) / 255)
    # Single precision halves the time and errs by 1e-6; filter by filter stays within the cache.
    spectrum = scipy.fft.fft2(luma - luma.mean()).astype(np.complex64)
    seen = (np.abs(scipy.fft.ifft2(spectrum * kernel, overwrite_x=True)) for kernel in _filters())
    return np.concatenate([_cell_means(energy[None]).ravel() for energy in seen])


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    """Log-Gabor filters over the spectrum, (32, 256, 256): scale by scale, then direction."""
    cycles = np.fft.fftfreq(SIDE_PX, 1 / SIDE_PX)
    x, y = cycles[None, :], -cycles[:, None]  # rows count downwards, angles upwards
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    radius[0, 0] = 1.0
    radial = [
        np.exp(-(np.log(radius / f0) ** 2) / (2 * np.log(BANDWIDTH) ** 2)) for f0 in SCALES_CPI
    ]
    angular = [
        np.exp(-(_wrapped_deg(np.degrees(angle) - theta) ** 2) / (2 * SPREAD_DEG**2))
        for theta in ORIENTATIONS_DEG
    ]
    bank = np.stack([2 * r * a for r in radial for a in angular])
    bank[:, 0, 0] = 0.0
    return bank.astype(np.float32)


def _wrapped_deg(angle: FloatArray) -> FloatArray:
    return (angle + 180.0) % 360.0 - 180.0


def _colours(rgb: NDArray[np.uint8]) -> FloatArray:
    xyz = _linear_light()[rgb] @ (SRGB_TO_XYZ / WHITE_D65[:, None]).T
    fx, fy, fz = np.moveaxis(_lightness_curve(xyz), -1, 0)
    lab = np.stack([116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)])
    return _cell_means(lab).ravel()


@lru_cache(maxsize=1)
def _linear_light() -> FloatArray:
    """Linear light of each 8-bit sRGB value, (256,)."""
    value = np.arange(256) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _lightness_curve(t: FloatArray) -> FloatArray:
    delta = 6 / 29
    return np.where(t > delta**3, np.cbrt(t), t / (3 * delta**2) + 4 / 29)


def _cell_means(maps: NDArray[np.floating]) -> FloatArray:
    """Mean over each cell of the grid, (n_maps, 4, 4), of maps (n_maps, 256, 256)."""
    cell = SIDE_PX // CELLS
    means: FloatArray = maps.reshape(-1, CELLS, cell, CELLS, cell).mean((2, 4), dtype=np.float64)
    return means


@lru_cache(maxsize=1)
def _names() -> tuple[str, ...]:
    kinds = [f"energy_{f0}cpi_{theta:g}deg" for f0 in SCALES_CPI for theta in ORIENTATIONS_DEG]
    kinds += ["L", "a", "b"]
    cells = [f"row{r}_column{c}" for r in range(CELLS) for c in range(CELLS)]
    return tuple(f"{kind}_{cell}" for kind in kinds for cell in cells)


def read_features(path: Path, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Features of pictures from any network.

    Parameters
    ----------
    path : one of
        `.npz` with the arrays `features` (n_images, n_features) and `ids` (n_images,);
        `.npy` with the features alone, their ids one per line in `<name>.ids.txt` beside it;
        `.csv` with a column `id` and one column per feature.
    ids : picture ids of the rows, for a file that does not name them

    Returns
    -------
    DataFrame, (n_images, n_features)
        Index: picture id, in the order of the file.

    Raises
    ------
    AnalysisError
        If the file cannot be read, is not a table of pictures by numbers, or has values that are
        not finite, rows without an id, or an id twice.
    """
    readers = {".npz": _read_npz, ".npy": _read_npy, ".csv": _read_csv}
    if path.suffix.lower() not in readers:
        raise AnalysisError(f"{path}: features are read from .npz, .npy or .csv files")
    try:
        values, own = readers[path.suffix.lower()](path)
    except OSError as error:
        raise AnalysisError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, BadZipFile) as error:
        raise AnalysisError(f"{path}: is not a readable {path.suffix} file: {error}") from None
    if own is not None and ids is not None:
        raise AnalysisError(f"{path}: names its pictures itself; leave out the ids given beside it")
    names = own if own is not None else ids
    if names is None:
        raise AnalysisError(
            f"{path}: does not name its pictures; put one id per line, in the order"
            f" of the rows, into {_sidecar(path).name} beside it"
        )
    return _checked(path, values, names)


_Raw = tuple[NDArray[Any], Sequence[Any] | None]


def _read_npz(path: Path) -> _Raw:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        if "features" not in arrays:
            held = ", ".join(repr(name) for name in arrays)
            raise AnalysisError(f"{path}: has no array 'features'; it holds {held or 'nothing'}")
        return arrays["features"], arrays["ids"].tolist() if "ids" in arrays else None


def _read_npy(path: Path) -> _Raw:
    sidecar = _sidecar(path)
    ids = sidecar.read_text(encoding="utf-8-sig").splitlines() if sidecar.exists() else None
    return np.load(path, allow_pickle=False), ids


def _sidecar(path: Path) -> Path:
    return path.with_suffix(".ids.txt")


def _read_csv(path: Path) -> _Raw:
    table = pd.read_csv(path, dtype={"id": str}, encoding="utf-8-sig", keep_default_na=False)
    if "id" not in table:
        raise AnalysisError(f"{path}: has no column 'id'; it has {', '.join(table.columns[:5])}")
    features = table.drop(columns="id")
    words = [c for c, kind in features.dtypes.items() if kind.kind not in "fiu"]
    if words:
        raise AnalysisError(f"{path}: column {words[0]!r} holds something that is no number")
    return features.to_numpy(), table["id"].tolist()


def _checked(path: Path, values: NDArray[Any], ids: Sequence[Any]) -> pd.DataFrame:
    if values.ndim != 2 or values.shape[1] == 0 or values.dtype.kind not in "fiu":
        raise AnalysisError(
            f"{path}: the features are {values.dtype} of shape {values.shape};"
            " needed are numbers, one row per picture and one column per feature"
        )
    if len(ids) != len(values):
        raise AnalysisError(f"{path}: {len(values)} rows of features, but {len(ids)} ids")
    if any(not isinstance(name, str) or not name.strip() for name in ids):
        raise AnalysisError(f"{path}: every id must be text and not empty, as in the stimulus set")
    index = pd.Index(ids, name="image")
    refuse_doubles(index, str(path))
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        raise AnalysisError(f"{path}: missing or infinite numbers for {some(index[~finite])}")
    return pd.DataFrame(values, index=index)
