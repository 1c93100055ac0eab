"""An object space as a figure: pictures as thumbnails on its first two axes."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

from analysis.alignment_figure import FORMATS
from analysis.palette import DPI, INK, PALE, STYLE, WIDTH_IN
from analysis.space import ObjectSpace
from task.contract.errors import UserError

HIGH_IN = 7.4
SIDE_IN = 0.34  # of a thumbnail, where there are few pictures; less where there are many
FEW = 200
MARGIN = 0.04  # beyond the farthest pictures


def draw_space(space: ObjectSpace, pictures: Mapping[str, Image.Image], path: Path) -> None:
    """Write the figure.

    Parameters
    ----------
    pictures : small copies, by id
    path : .png, .svg or .pdf

    Raises
    ------
    UserError
        If the ending is another, or the file cannot be written.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: pictures are written as {', '.join(FORMATS)}")
    first, second = [*space.coordinates.columns[:2], space.coordinates.columns[0]][:2]
    side_in = SIDE_IN * min(1.0, (FEW / len(space.coordinates)) ** 0.5)
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, HIGH_IN), layout="constrained")
        axes = figure.add_subplot()
        axes.axhline(0, color=PALE, linewidth=0.8, zorder=0)
        axes.axvline(0, color=PALE, linewidth=0.8, zorder=0)
        for i, (x, y) in space.coordinates[[first, second]].iterrows():
            image = pictures[str(i)]
            box = OffsetImage(np.asarray(image), zoom=side_in * 72 / image.width, resample=True)
            axes.add_artist(
                AnnotationBbox(
                    box, (x, y), pad=0.05, bboxprops={"edgecolor": INK, "linewidth": 0.3}
                )
            )
        for kind, name in (("x", first), ("y", second)):
            low, high = space.coordinates[name].min(), space.coordinates[name].max()
            edge = MARGIN * (high - low)
            axes.set(**{f"{kind}lim": (low - edge, high + edge)})
            label = f"{name} ({100 * float(space.explained[name]):.1f} % of the variance)"
            axes.set(**{f"{kind}label": label})
        partial = path.with_name(f"{path.name}.partial")
        try:
            figure.savefig(partial, format=path.suffix[1:].lower(), dpi=DPI)
            partial.replace(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be written: {error.strerror}") from None
