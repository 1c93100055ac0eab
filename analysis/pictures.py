"""Features of a stimulus set, computed once and kept beside it."""

from collections.abc import Callable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from task.contract.catalog import Catalog, read_catalog

KEPT = "features.npz"


def set_features(folder: Path, progress: Callable[[int, int], None] | None = None) -> pd.DataFrame:
    """Built-in features of every picture of a set, (n_images, 560); index: picture id.

    They are kept in the set's folder under the digest of its manifest, so that they are computed
    again when a picture changes.  A folder that cannot be written to costs the time only.
    """
    catalog = read_catalog(folder)
    kept = _read(folder / KEPT, catalog)
    if kept is not None:
        return kept
    from analysis.features import embed  # only now: its transforms take long to import

    features = embed({p.id: p.path for p in catalog.pictures.values()}, progress)
    partial = folder / f"{KEPT}.partial"
    try:
        with partial.open("wb") as stream:
            np.savez(
                stream,
                manifest=np.array(catalog.sha256),
                ids=features.index.to_numpy(dtype=str),
                names=features.columns.to_numpy(dtype=str),
                features=features.to_numpy(),
            )
        partial.replace(folder / KEPT)
    except PermissionError:
        pass
    return features


def _read(path: Path, catalog: Catalog) -> pd.DataFrame | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["manifest"]) != catalog.sha256:
                return None
            index = pd.Index(kept["ids"].tolist(), name="image")
            return pd.DataFrame(kept["features"], index, kept["names"].tolist())
    except (OSError, ValueError, KeyError, BadZipFile):
        return None  # absent, or cut short: computed anew
