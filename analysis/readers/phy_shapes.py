"""Shapes of phy's clusters: templates, and how many spikes of a cluster were found with which.

`templates.npy` is template x sample x channel, in the whitened space of the sorter;
`template_ind.npy`, where there is one, names the channels of each template (-1: none), and the
like-named `templates_ind.npy` of Kilosort is not needed.  `spike_templates.npy` has the template of
every spike, `channel_map.npy` the row of the raw file of every channel, and
`whitening_mat_inv.npy`, where there is one, leads out of the whitened space
(`phylib/io/model.py`, `docs/dataset.md` of phy 2).

A shape has no unit: sorters scale templates as they like (Kilosort 4's matrix is a constant).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.readers.npy import map_array, read_whole
from task.contract.errors import RecordingError

SHAPES_NAME, TEMPLATES_NAME = "templates.npy", "spike_templates.npy"
CHANNELS_NAME, MAP_NAME, UNWHITEN_NAME = (
    "template_ind.npy",
    "channel_map.npy",
    "whitening_mat_inv.npy",
)
_Floats = NDArray[np.float64]
_Whole = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Shapes:
    """Templates and their use.

    Attributes
    ----------
    templates : (templates, samples, channels), on the disk
    channels_of : (templates, channels): which channel each is; None: all in their order
    unwhiten : (all channels, all channels), or None
    channel_map : (all channels,)
    clusters, used, spikes : a cluster, a template and how many spikes they share
    """

    path: Path
    templates: NDArray[Any]
    channels_of: NDArray[Any] | None
    unwhiten: _Floats | None
    channel_map: _Whole
    clusters: _Whole
    used: _Whole
    spikes: _Whole

    def largest(self, cluster: int) -> tuple[int, _Floats]:
        """The channel on which the mean shape of a cluster is largest, and that shape, (1, n)."""
        mine = self.clusters == cluster
        weights = self.spikes[mine] / self.spikes[mine].sum()
        mean = np.zeros((self.templates.shape[1], len(self.channel_map)))
        with np.errstate(all="ignore"):  # what is too large is found below
            for template, weight in zip(self.used[mine].tolist(), weights.tolist(), strict=True):
                mean += weight * self._unwhitened(template)
        if not np.isfinite(mean).all():
            raise RecordingError(f"{self.path}: the shape of cluster {cluster} is no numbers")
        channel = int(np.argmax(np.ptp(mean, axis=0)))
        return int(self.channel_map[channel]), mean[:, channel][np.newaxis]

    def _unwhitened(self, template: int) -> _Floats:
        """Samples x all channels; 0 on those of which the template knows nothing."""
        values = np.asarray(self.templates[template], np.float64)
        channels = np.arange(values.shape[1])
        if self.channels_of is not None:
            channels = self.channels_of[template].astype(np.int64)
            values, channels = values[:, channels >= 0], channels[channels >= 0]
        if self.unwhiten is not None:
            values = values @ self.unwhiten[np.ix_(channels, channels)]
        everywhere = np.zeros((len(values), len(self.channel_map)))
        everywhere[:, channels] = values
        return everywhere


def read_shapes(folder: Path, clusters: _Whole) -> Shapes | None:
    """Shapes for these clusters of the spikes; None where the sorter left no templates.

    Raises
    ------
    RecordingError
        If a file is damaged, or not of the same sorting as the others.
    """
    path = folder / SHAPES_NAME
    if not path.exists() or not (folder / TEMPLATES_NAME).exists():
        return None
    templates = map_array(path)
    if templates.ndim != 3 or templates.dtype.kind != "f" or not templates.size:
        raise _other_shape(path, templates, "templates x samples x channels")
    used = _used(folder / TEMPLATES_NAME, len(clusters), len(templates))
    channels_of = _channels_of(folder / CHANNELS_NAME, templates)
    channel_map = _channel_map(folder / MAP_NAME, templates, channels_of)
    unwhiten = _unwhitening(folder / UNWHITEN_NAME, len(channel_map))
    pairs, spikes = np.unique(clusters * len(templates) + used, return_counts=True)
    pairs_of = np.divmod(pairs, len(templates))
    return Shapes(path, templates, channels_of, unwhiten, channel_map, *pairs_of, spikes)


def _other_shape(path: Path, found: NDArray[Any], right: str) -> RecordingError:
    return RecordingError(f"{path}: is {found.dtype} {found.shape}, not {right}")


def _used(path: Path, spikes: int, templates: int) -> _Whole:
    used = read_whole(path, 0, templates - 1)
    if len(used) != spikes:
        raise RecordingError(
            f"{path}: has {len(used)} spikes, but there are {spikes}; it is of another sorting"
        )
    return used


def _channels_of(path: Path, templates: NDArray[Any]) -> NDArray[Any] | None:
    if not path.exists():
        return None
    found = map_array(path)
    shape = templates.shape[0], templates.shape[2]
    if found.shape != shape or found.dtype.kind not in "iuf":
        raise _other_shape(path, found, f"a channel for each of {shape[0]} x {shape[1]}")
    return found


def _channel_map(path: Path, templates: NDArray[Any], channels_of: NDArray[Any] | None) -> _Whole:
    channels = read_whole(path, 0)
    if channels_of is None:
        fits = templates.shape[2] == len(channels)
    else:
        fits = bool(((channels_of >= -1) & (channels_of < len(channels))).all())
    if not fits or not len(channels):
        raise RecordingError(
            f"{path}: has {len(channels)} channels, which are not those of {SHAPES_NAME}"
        )
    return channels


def _unwhitening(path: Path, channels: int) -> _Floats | None:
    if not path.exists():
        return None
    found = map_array(path)
    if found.shape != (channels, channels) or found.dtype.kind != "f":
        raise _other_shape(path, found, f"{channels} x {channels}")
    with np.errstate(invalid="ignore"):  # what is no number is found with the shapes
        return np.asarray(found, np.float64)
