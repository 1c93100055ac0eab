"""How groups of a set differ in luminance, contrast and spatial frequency, as a picture."""

import io
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from task.sets.checking import GROUPS_DRAWN
from task.sets.measures import MEASURES

_DOT = "#0072b2"


def draw_groups(table: pd.DataFrame, groups: Sequence[str]) -> str:
    """Each picture a dot, each measure a panel, each group a row.

    Parameters
    ----------
    table : pictures x measures
    groups : of each picture

    Returns
    -------
    SVG
    """
    of = np.asarray(groups)
    shown = [group for group, _ in Counter(groups).most_common(GROUPS_DRAWN)]
    figure = Figure(figsize=(11, 1.2 + 0.36 * len(shown)), layout="constrained")
    panels = figure.subplots(1, len(MEASURES), sharey=True)
    rng = np.random.default_rng(0)
    for panel, measure in zip(panels, MEASURES, strict=True):
        for row, group in enumerate(shown):
            values = table.loc[of == group, measure.name].dropna().to_numpy()
            heights = row + rng.uniform(-0.28, 0.28, len(values))
            panel.plot(values, heights, ".", color=_DOT, markersize=3, alpha=0.5, linestyle="none")
            if len(values):
                middle = float(np.median(values))
                panel.plot([middle, middle], [row - 0.38, row + 0.38], color="black", linewidth=1.6)
        panel.set_xlabel(measure.title)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_yticks(range(len(shown)), [_short(group) for group in shown])
    panels[0].set_ylim(len(shown) - 0.4, -0.6)
    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None})
    return stream.getvalue()[stream.getvalue().index("<svg") :]


def _short(group: str) -> str:
    return group if len(group) <= 24 else f"{group[:23]}…"
