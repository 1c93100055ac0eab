"""When imagery follows an axis and when the item can be read: curves around the cue.

Drawn from the numbers of the report, each with what chance gives in a window and in all of them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.inference import LEVEL
from analysis.palette import BLUE, GREY, INK, PALE, PALE_BLUE, RED
from analysis.unit_figure import WIDTH_IN

Numbers = Mapping[str, Any]

ROOM_S = 1.0  # that a p takes beside the next


def draw_courses(numbers: Numbers) -> Figure | None:
    """Tuning along both axes, and decoding, in windows around the cue."""
    tuned, read = numbers["courses"], numbers["decoding_courses"]
    rows = [row for row in (tuned, read) if row]
    if not rows:
        return None
    figure = Figure(figsize=(WIDTH_IN, 2.2 * len(rows)))
    heights = figure.subfigures(len(rows), 1, squeeze=False)[:, 0]
    for n, (row, height) in enumerate(zip(rows, heights, strict=True)):
        axes = height.subplots(1, len(row), sharey=True, squeeze=False)[0]
        for ax, (name, course) in zip(axes, row.items(), strict=True):
            (_tuning if row is tuned else _reading)(ax, name, course)
            ax.axvspan(*numbers["windows_s"]["during_s"], color=PALE_BLUE, zorder=0, linewidth=0)
            ax.axvline(0, color=INK, linewidth=0.8)
            if n == len(rows) - 1:
                ax.set_xlabel("middle of the window, s after the cue")
        axes[0].set_ylabel("mean r over units" if row is tuned else "share read right")
        if row is tuned:
            axes[0].set_ylim(_room([pd.DataFrame(course["windows"]) for course in tuned.values()]))
        height.legend(*axes[0].get_legend_handles_labels(), loc="upper center", ncols=3)
        height.subplots_adjust(left=0.075, right=0.995, top=0.78, bottom=0.2, wspace=0.08)
    return figure


def _tuning(ax: Axes, axis: str, course: Numbers) -> None:
    """Mean r, what chance gives in each window and in all, and the stretches that differ."""
    windows = pd.DataFrame(course["windows"])
    middle, sd = windows["centre_s"], windows["sd"]
    ax.fill_between(
        middle, -1.96 * sd, 1.96 * sd, color=PALE, linewidth=0, label="chance, 95 % in a window"
    )
    ax.plot(middle, windows["band"], "--", color=GREY, linewidth=0.9, label="95 % in all windows")
    ax.plot(middle, windows["mean_r"], color=BLUE, label="observed")
    ax.axhline(0, color=INK, linewidth=0.5)
    ax.set_title(f"{axis} axis, {course['units']} units")
    ax.margins(x=0)
    _mark_clusters(ax, course["clusters"])


def _room(courses: Sequence[pd.DataFrame]) -> tuple[float, float]:
    """Limits with room at the bottom for bars and their p."""
    low = min(float(min(of["mean_r"].min(), -1.96 * of["sd"].max())) for of in courses)
    high = max(float(max(of["mean_r"].max(), of["band"].max())) for of in courses)
    return low - 0.2 * (high - low), high + 0.05 * (high - low)


def _mark_clusters(ax: Axes, clusters: Numbers | None) -> None:
    """A bar at the bottom under each stretch with p <= 0.05, and its p."""
    floor, free_from = ax.get_xaxis_transform(), -np.inf
    for one in clusters["found"] if clusters else ():
        if one["p"] > LEVEL:
            continue
        ax.plot([one["start"], one["stop"]], [0.02] * 2, color=BLUE, linewidth=3,
                transform=floor, solid_capstyle="butt")  # fmt: skip
        if one["start"] >= free_from:
            ax.text(one["start"], 0.045, f"p = {one['p']:.2g}", transform=floor, fontsize=6,
                    va="bottom")  # fmt: skip
            free_from = one["start"] + ROOM_S


def _reading(ax: Axes, name: str, course: Numbers) -> None:
    """Share read right, what chance gives in each window and in all, and windows that pass."""
    windows = pd.DataFrame(course["windows"])
    middle = (windows["start_s"] + windows["end_s"]) / 2
    ax.fill_between(
        middle, windows["chance_low"], windows["chance_high"], color=PALE, linewidth=0,
        label="chance, 95 % in a window",
    )  # fmt: skip
    ax.plot(middle, windows["chance"], color=GREY, linewidth=0.6)
    band = ax.axhline(course["band"], color=GREY, linestyle="--", linewidth=0.9)
    band.set_label("95 % in all windows")
    ax.plot(middle, windows["accuracy"], color=RED, label="observed")
    passed = middle[windows["p_familywise"].le(LEVEL)]
    ax.plot(passed, [0.02] * len(passed), "s", color=RED, markersize=2.5,
            transform=ax.get_xaxis_transform())  # fmt: skip
    ax.set_title(f"trained on {name}")
    ax.margins(x=0)
    ax.set_ylim(0, 1.02)
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])
